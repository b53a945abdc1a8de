//! The audit: who did what to which view, before and after. Rows are only ever added.

use serde_json::Value;
use tokio_postgres::types::Type;

use crate::{failure::Failure, pg::Session};

/// One thing that somebody did.
#[derive(Debug, Default)]
pub struct Event<'a> {
    /// Where it came from: `cli`, `library`, `api`, `sql`.
    pub source: &'a str,
    /// A verb such as `apply` or `pause`.
    pub action: &'a str,
    /// The view it was done to.
    pub view_id: Option<i64>,
    /// The run that did it.
    pub run_id: Option<i64>,
    /// What was there before.
    pub before: Option<Value>,
    /// What is there now.
    pub after: Option<Value>,
}

/// Adds an event.
pub async fn record(session: &Session, event: &Event<'_>) -> Result<(), Failure> {
    let sql = "insert into remat.events (source, action, view_id, run_id, before, after) values ($1, $2, $3, $4, $5, $6)";
    let params = [
        (&event.source as _, Type::TEXT),
        (&event.action as _, Type::TEXT),
        (&event.view_id as _, Type::INT8),
        (&event.run_id as _, Type::INT8),
        (&event.before as _, Type::JSONB),
        (&event.after as _, Type::JSONB),
    ];
    session.execute(sql, &params).await.map(drop)
}
