//! What waits and works in which queue.
//!
//! Law: one statement reads it, so the numbers fit each other.

use serde::Serialize;

use crate::{failure::Failure, pg::Session};

/// The queues, and what limits them all.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Every queue in which something waits or works, or that has a limit, by name.
    pub queues: Vec<QueueBacklog>,
    /// How many runs may be at work at once in all queues together; none when there is no limit.
    pub concurrency: Option<i32>,
}

/// One queue.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueBacklog {
    /// Its name.
    pub queue: String,
    /// Runs that a worker may claim now, as far as time and other runs are concerned.
    pub due: i64,
    /// Runs that fall due later.
    pub later: i64,
    /// Runs that wait for others to end.
    pub waiting: i64,
    /// Runs at work.
    pub running: i64,
    /// How many may be at work at once; none when there is no limit.
    pub concurrency: Option<i32>,
}

/// Every queue in which something waits or works, or that has a limit.
pub async fn read(session: &Session) -> Result<Backlog, Failure> {
    let rows = session.query(include_str!("backlog.sql"), &[]).await?;
    let mut backlog = Backlog { queues: Vec::new(), concurrency: None };
    for row in rows {
        let of = QueueBacklog {
            queue: row.get(0),
            due: row.get(1),
            later: row.get(2),
            waiting: row.get(3),
            running: row.get(4),
            concurrency: row.get(5),
        };
        if of.queue == "*" {
            backlog.concurrency = of.concurrency;
        } else {
            backlog.queues.push(of);
        }
    }
    Ok(backlog)
}
