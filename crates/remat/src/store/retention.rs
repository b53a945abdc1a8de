//! How long history is kept.
//!
//! Law: what goes and what stays in any case is decided by `remat.prune_step` alone, in the database. A step is one
//! short transaction that costs what it deletes; a [`Position`] says where the next one goes on, so that a service can
//! take one step at a time beside other work. Positions are not kept: who begins anew passes over the views once more.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use crate::{failure::Failure, pg::Session};

/// What is kept; see docs/guide/retention.md.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// How many runs of each view that succeeded, and how many that were skipped.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub keep_per_view: i32,
    /// For how many days these are kept.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub keep_days: i32,
    /// For how many days runs are kept that failed or were cancelled, whatever their number.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub keep_failures_days: i32,
    /// For how many days the scheduler's record of nominal times is kept; never less than the longest catch-up window.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub keep_fires_days: i32,
    /// For how many days the audit is kept.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub keep_events_days: i32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            keep_per_view: 500,
            keep_days: 90,
            keep_failures_days: 365,
            keep_fires_days: 30,
            keep_events_days: 365,
        }
    }
}

/// Where the next step goes on; the first step begins at the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position(Option<Value>);

/// How many rows went.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Runs.
    pub runs: i64,
    /// Nominal times that the scheduler had dealt with.
    pub fires: i64,
    /// Events of the audit.
    pub events: i64,
    /// Workers that nobody hears of.
    pub workers: i64,
}

impl Pruned {
    /// All of them.
    pub fn total(&self) -> i64 {
        self.runs + self.fires + self.events + self.workers
    }
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.fires += other.fires;
        self.events += other.events;
        self.workers += other.workers;
    }
}

/// Rows that one step deletes at most: with pages that nobody had read before, a step then lasts under a second.
const BATCH: i32 = 5_000;

/// So many rows that went leave enough behind in the indexes to slow the next pass down until they are vacuumed.
pub const MANY: i64 = 100_000;

/// Vacuums the runs, after [`MANY`] went. Whoever may not do that gets a notice of the server and no error.
pub async fn vacuum(session: &Session) -> Result<(), Failure> {
    session.batch("vacuum (skip_locked) remat.runs").await
}

/// Takes one step in a transaction of its own. Gives what went, and where to go on while anything is left to look at.
pub async fn prune_step(
    session: &Session,
    retention: &Retention,
    position: &Position,
) -> Result<(Pruned, Option<Position>), Failure> {
    let sql = "select next, runs, fires, events, workers from remat.prune_step($1, $2, $3)";
    let keep = json!(retention);
    let params = [(&position.0 as _, Type::JSONB), (&keep as _, Type::JSONB), (&BATCH as _, Type::INT4)];
    let row = session.query_one(sql, &params).await?;
    let pruned = Pruned { runs: row.get(1), fires: row.get(2), events: row.get(3), workers: row.get(4) };
    let next: Option<Value> = row.get(0);
    Ok((pruned, next.map(|next| Position(Some(next)))))
}
