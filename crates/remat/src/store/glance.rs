//! Every view at a glance: what a person looks at first, for all of them in one statement.
//!
//! Law: the state is the one of `remat.status()`; a test proves that both say the same. The statement costs the same however many
//! runs are kept: each fact of a view is one search of an index.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Row;

use crate::{
    error::Error,
    name::RelationName,
    pg::Session,
    run::{Operation, Status},
    status::State,
    view::{Pause, Strategy},
};

/// One view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Glance {
    /// The row of `remat.views`.
    #[serde(skip)]
    pub id: i64,
    /// Its name.
    pub view: RelationName,
    /// The strategy of its definition.
    pub strategy: Strategy,
    /// What to know first.
    pub state: State,
    /// The contents are at least as new as this.
    pub data_as_of: Option<Timestamp>,
    /// Seconds since then, by the server's clock.
    pub age_seconds: Option<f64>,
    /// How old it may be, in seconds.
    pub target_lag_seconds: Option<i64>,
    /// Words to select by.
    pub tags: Vec<String>,
    /// The role that is to own it, where the definition names one.
    pub owner: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// A cron line.
    pub schedule: Option<String>,
    /// The zone in which it is read.
    pub schedule_zone: String,
    /// Who paused it, why and until when.
    pub pause: Option<Pause>,
    /// Bytes with indexes, as of its last refresh.
    pub bytes: Option<i64>,
    /// Rows, as of its last refresh.
    pub rows: Option<i64>,
    /// The last run that tried something.
    pub last: Option<Brief>,
    /// The newest run of all, where it was skipped.
    pub skipped: Option<Skip>,
    /// The run that waits for a worker; the first that falls due.
    pub waiting: Option<Waiting>,
    /// The run at work.
    pub at_work: Option<i64>,
    /// The relation under its name.
    #[serde(skip)]
    pub oid: Option<u32>,
}

/// The last run that tried something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Brief {
    /// The run.
    pub id: i64,
    /// What it did.
    pub operation: Operation,
    /// How it ended.
    pub status: Status,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// The server's code for it.
    pub sqlstate: Option<String>,
}

/// A run that did not try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skip {
    /// The run.
    pub id: i64,
    /// Why, in the word of the row.
    pub reason: String,
    /// The run whose failure is the cause.
    pub root_cause: Option<i64>,
}

/// A run that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The run.
    pub id: i64,
    /// Before this it is not claimed.
    pub due_at: Timestamp,
    /// Since when it waits.
    pub since: Timestamp,
    /// The queue in which it waits.
    pub queue: String,
    /// The number of the attempt.
    pub attempt: i32,
    /// The runs that must end before.
    pub waits_for: Vec<i64>,
}

/// Every view by name.
pub async fn all(session: &Session) -> Result<Vec<Glance>, Error> {
    session.query(include_str!("glance.sql"), &[]).await?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Glance, Error> {
    Ok(Glance {
        id: row.get("id"),
        view: RelationName::new(row.get::<_, String>("schema_name"), row.get::<_, String>("view_name"))?,
        strategy: row.get::<_, &str>("strategy").parse()?,
        state: row.get::<_, &str>("state").parse()?,
        data_as_of: row.get("data_as_of"),
        age_seconds: row.get("age_s"),
        target_lag_seconds: row.get("target_lag_s"),
        tags: row.get("tags"),
        owner: row.get("owner_role"),
        description: row.get("description"),
        schedule: row.get("schedule"),
        schedule_zone: row.get("schedule_zone"),
        // A pause that somebody wrote by hand and nobody can read pauses nevertheless; who and why is not told.
        pause: row.get::<_, Option<Value>>("pause").map(|pause| {
            serde_json::from_value(pause).unwrap_or(Pause { by: "unknown".into(), reason: None, until: None })
        }),
        bytes: row.get("bytes"),
        rows: row.get("rows_after"),
        last: brief(row)?,
        skipped: row.get::<_, Option<i64>>("skip_id").map(|id| Skip {
            id,
            reason: row.get::<_, Option<String>>("skip_reason").unwrap_or_default(),
            root_cause: row.get("root_cause"),
        }),
        waiting: row.get::<_, Option<i64>>("waiting_id").map(|id| Waiting {
            id,
            due_at: row.get("waiting_due_at"),
            since: row.get("waiting_since"),
            queue: row.get("waiting_queue"),
            attempt: row.get("waiting_attempt"),
            waits_for: row.get("waiting_for"),
        }),
        at_work: row.get("at_work_id"),
        oid: row.get("relation_oid"),
    })
}

fn brief(row: &Row) -> Result<Option<Brief>, Error> {
    let Some(id) = row.get::<_, Option<i64>>("last_id") else { return Ok(None) };
    Ok(Some(Brief {
        id,
        operation: row.get::<_, &str>("last_operation").parse()?,
        status: row.get::<_, &str>("last_status").parse()?,
        finished_at: row.get("last_finished_at"),
        duration_ms: row.get("last_duration_ms"),
        error: row.get("error_message"),
        sqlstate: row.get("error_sqlstate"),
    }))
}
