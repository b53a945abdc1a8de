//! How fresh each view is.
//!
//! Law: one truth. The state is computed by the SQL function `remat.status()`, which the SQL interface offers to
//! everybody; this module only reads it. Freshness is the age of `data_as_of` of the last run that filled the view.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;

use crate::{
    error::Error,
    name::RelationName,
    pg::Session,
    run::{Run, words},
    store::{runs, verifications::Verification},
    view::Strategy,
};

words! {
    /// What a person should know first about a view.
    State {
        /// It is defined, but nothing stands under its name.
        Absent = "absent",
        /// It was never filled.
        Unpopulated = "unpopulated",
        /// It is not refreshed for now.
        Paused = "paused",
        /// A run is at work.
        Running = "running",
        /// The last attempt failed; the contents are older than meant.
        Failed = "failed",
        /// Its contents are older than its target.
        Stale = "stale",
        /// Its contents are within its target.
        Fresh = "fresh",
        /// It is filled, and no target says how fresh it should be.
        Ok = "ok",
    }
}

impl State {
    /// True when somebody should look.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Absent | Self::Unpopulated | Self::Failed | Self::Stale)
    }
}

/// One view's freshness.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewStatus {
    /// The view.
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
    /// The last run that tried something.
    pub last_run: Option<Run>,
    /// The last verification.
    pub verification: Option<Verification>,
}

/// Reads every view's status.
pub async fn read(session: &Session) -> Result<Vec<ViewStatus>, Error> {
    let mut last: std::collections::HashMap<i64, Run> =
        runs::last_of_each(session).await?.into_iter().collect();
    let rows = session.query(include_str!("store/status.sql"), &[]).await?;
    rows.iter()
        .map(|row| {
            let last_run = last.remove(&row.get::<_, i64>(0));
            from_row(row, last_run)
        })
        .collect()
}

fn from_row(row: &Row, last_run: Option<Run>) -> Result<ViewStatus, Error> {
    Ok(ViewStatus {
        view: RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2))?,
        strategy: row.get::<_, &str>(3).parse()?,
        state: row.get::<_, &str>(4).parse()?,
        data_as_of: row.get(5),
        age_seconds: row.get(6),
        target_lag_seconds: row.get(7),
        tags: row.get(8),
        last_run,
        verification: verification(row)?,
    })
}

fn verification(row: &Row) -> Result<Option<Verification>, Error> {
    let Some(finding) = row.get::<_, Option<&str>>(9) else { return Ok(None) };
    let finding = finding.parse()?;
    Ok(Some(Verification { finding, at: row.get(10), run: row.get(11), facts: row.get(12) }))
}
