//! What is at work now, how far it is, who holds it up and whom it holds up.
//!
//! Law: the session of a run is the one that holds the run's lock; what that session does is asked of the server. A role that
//! may not see other sessions sees nothing here, and no guess is made in place of it.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use crate::{
    error::Error,
    name::RelationName,
    pg::Session,
    run::{Operation, Status, Trigger},
};

/// A run at work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveRun {
    /// The run.
    pub id: i64,
    /// The view, if it is about one.
    pub view: Option<RelationName>,
    /// What it does.
    pub operation: Operation,
    /// `running` or `unknown`.
    pub status: Status,
    /// Who asked for it.
    pub trigger: Trigger,
    /// The scheduled job that asked for it.
    pub job: Option<String>,
    /// Who does it.
    pub worker: Option<String>,
    /// The number of the attempt.
    pub attempt: i32,
    /// When it was claimed.
    pub started_at: Option<Timestamp>,
    /// Seconds since then, by the server's clock.
    pub elapsed_seconds: f64,
    /// True when somebody wants it cancelled.
    pub is_cancel_asked: bool,
    /// The session that does it.
    pub pid: Option<i32>,
    /// What the session waits for: its kind, such as `Lock`, and its name.
    pub wait: Option<(String, String)>,
    /// What the session does.
    #[serde(skip)]
    pub query: Option<String>,
    /// For how many seconds it has done that.
    pub query_seconds: Option<f64>,
    /// The sessions that hold it up.
    pub blockers: Vec<i32>,
    /// How far the server says it is.
    pub progress: Option<Progress>,
    /// Milliseconds that half of the last refreshes took at most.
    pub p50_ms: Option<i64>,
    /// Milliseconds that 95 of 100 of the last refreshes took at most.
    pub p95_ms: Option<i64>,
}

/// What a run at work does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It has no session yet, or prepares.
    Begin,
    /// It waits for a lock.
    Lock,
    /// The query runs, or rows are written.
    Work,
    /// An index is built.
    Index,
    /// It is being committed.
    Commit,
    /// It is committed; the relation is vacuumed and analyzed.
    Vacuum,
}

impl LiveRun {
    /// What it does now, as far as its session tells.
    pub fn stage(&self) -> Stage {
        if self.wait.as_ref().is_some_and(|(kind, _)| kind == "Lock") {
            return Stage::Lock;
        }
        let query = self.query.as_deref().unwrap_or_default().trim_start().to_ascii_lowercase();
        let begins = |word: &str| query.starts_with(word);
        match () {
            () if begins("create") && query.contains("index") => Stage::Index,
            () if begins("commit") || query.contains("remat.end_run") => Stage::Commit,
            () if begins("vacuum") || begins("analyze") => Stage::Vacuum,
            () if query.is_empty() || begins("begin") || begins("set ") => Stage::Begin,
            () => Stage::Work,
        }
    }
}

/// How far the server says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// In the server's words.
    pub phase: String,
    /// Tuples or blocks done.
    pub done: Option<i64>,
    /// Of how many.
    pub total: Option<i64>,
}

/// A session beside another in the tree of those that wait for each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blocking {
    /// The session.
    pub pid: i32,
    /// The one that it holds up, or that holds it up.
    pub of_pid: i32,
    /// From 1 upwards: holds it up, at so many removes; -1: is held up.
    pub depth: i32,
    /// Its role.
    pub role: Option<String>,
    /// What it calls itself.
    pub application: Option<String>,
    /// From where it came.
    pub address: Option<String>,
    /// `active`, `idle in transaction`, …
    pub state: Option<String>,
    /// How long its transaction has lasted, in seconds.
    pub since_seconds: Option<f64>,
    /// What it does or did last.
    pub query: Option<String>,
}

/// Every run at work, the oldest first.
pub async fn runs(session: &Session) -> Result<Vec<LiveRun>, Error> {
    session.query(include_str!("live.sql"), &[]).await?.iter().map(live).collect()
}

/// Those around a session that wait for each other; `blockers` are known to hold it up.
pub async fn around(session: &Session, pid: i32, blockers: &[i32]) -> Result<Vec<Blocking>, Error> {
    let params = [(&pid as _, Type::INT4), (&blockers as _, Type::INT4_ARRAY)];
    let rows = session.query(include_str!("blocking.sql"), &params).await?;
    Ok(rows.iter().map(blocking).collect())
}

fn live(row: &Row) -> Result<LiveRun, Error> {
    let (schema, name): (Option<String>, Option<String>) = (row.get("schema_name"), row.get("view_name"));
    let wait: (Option<String>, Option<String>) = (row.get("wait_event_type"), row.get("wait_event"));
    let phase: Option<String> = row.get("progress_phase");
    Ok(LiveRun {
        id: row.get("id"),
        view: schema.zip(name).map(|(schema, name)| RelationName::new(schema, name)).transpose()?,
        operation: row.get::<_, &str>("operation").parse()?,
        status: row.get::<_, &str>("status").parse()?,
        trigger: row.get::<_, &str>("trigger").parse()?,
        job: row.get("job_name"),
        worker: row.get("worker"),
        attempt: row.get("attempt"),
        started_at: row.get("started_at"),
        elapsed_seconds: row.get::<_, Option<f64>>("elapsed_s").unwrap_or_default(),
        is_cancel_asked: row.get("is_cancel_asked"),
        pid: row.get("pid"),
        wait: wait.0.zip(wait.1),
        query: row.get("query"),
        query_seconds: row.get("query_s"),
        blockers: row.get("blockers"),
        progress: phase.map(|phase| Progress {
            phase,
            done: row.get("progress_done"),
            total: row.get("progress_total"),
        }),
        p50_ms: row.get("p50_ms"),
        p95_ms: row.get("p95_ms"),
    })
}

fn blocking(row: &Row) -> Blocking {
    Blocking {
        pid: row.get("pid"),
        of_pid: row.get("of_pid"),
        depth: row.get("depth"),
        role: row.get("usename"),
        application: row.get("application_name"),
        address: row.get("client_addr"),
        state: row.get("state"),
        since_seconds: row.get("since_s"),
        query: row.get("query"),
    }
}
