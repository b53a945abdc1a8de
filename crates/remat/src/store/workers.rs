//! `remat.workers`: which processes claim runs, and that they live.
//!
//! Law: a heartbeat is written by the worker itself and judged by the server's clock. It says no more than that the
//! process runs; whether a run lives, its advisory lock tells.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use crate::{error::Error, failure::Failure, name::RelationName, pg::Session, run::Operation};

/// What a worker says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// For people: host and process.
    pub name: String,
    /// The back end that it listens to.
    pub backend: String,
    /// The queues that it serves; every one when there are none.
    pub queues: Vec<String>,
    /// How many runs it does at once.
    pub slots: usize,
}

/// How a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It claims, woken by its back end.
    Running,
    /// It claims, but its back end does not answer: it looks into the table from time to time.
    Polling,
    /// It claims no more and finishes what it has.
    Draining,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Polling => "polling",
            Self::Draining => "draining",
        }
    }
}

/// What a heartbeat brings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// False when the row is gone: somebody took the worker for dead and pruned it.
    pub registered: bool,
    /// Runs of this worker that somebody wants cancelled.
    pub cancel: Vec<i64>,
    /// True when the database was migrated to something that this program does not understand.
    pub outdated: bool,
}

/// Enters a worker and gives its id.
pub async fn register(session: &Session, worker: &Registration) -> Result<i64, Failure> {
    let sql = "insert into remat.workers (name, version, backend, queues, slots) values ($1, $2, $3, $4, $5) returning id";
    let version = env!("CARGO_PKG_VERSION");
    let queues = (!worker.queues.is_empty()).then_some(&worker.queues);
    let slots = i32::try_from(worker.slots).unwrap_or(i32::MAX);
    let params = [
        (&worker.name as _, Type::TEXT),
        (&version as _, Type::TEXT),
        (&worker.backend as _, Type::TEXT),
        (&queues as _, Type::TEXT_ARRAY),
        (&slots as _, Type::INT4),
    ];
    Ok(session.query_one(sql, &params).await?.get(0))
}

/// Says that the worker lives, and asks what it should know. `known` is the newest migration that the program knows.
pub async fn beat(session: &Session, worker_id: i64, state: State, known: i32) -> Result<Pulse, Failure> {
    let sql = "with beat as (
                 update remat.workers set heartbeat_at = pg_catalog.clock_timestamp(), state = $2 where id = $1 returning id)
               select exists (select from beat),
                      array(select r.id from remat.runs r
                            where  r.status in ('running', 'unknown') and r.worker_id = $1 and r.cancel_asked_at is not null),
                      exists (select from remat.migrations m where m.version > $3 and m.breaking)";
    let state = state.as_str();
    let params = [(&worker_id as _, Type::INT8), (&state as _, Type::TEXT), (&known as _, Type::INT4)];
    let row = session.query_one(sql, &params).await?;
    Ok(Pulse { registered: row.get(0), cancel: row.get(1), outdated: row.get(2) })
}

/// Enters a worker again under the id that it has.
pub async fn enter(session: &Session, worker_id: i64, worker: &Registration) -> Result<(), Failure> {
    let sql = "insert into remat.workers (id, name, version, backend, queues, slots) overriding system value
               values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing";
    let version = env!("CARGO_PKG_VERSION");
    let queues = (!worker.queues.is_empty()).then_some(&worker.queues);
    let slots = i32::try_from(worker.slots).unwrap_or(i32::MAX);
    let params = [
        (&worker_id as _, Type::INT8),
        (&worker.name as _, Type::TEXT),
        (&version as _, Type::TEXT),
        (&worker.backend as _, Type::TEXT),
        (&queues as _, Type::TEXT_ARRAY),
        (&slots as _, Type::INT4),
    ];
    session.execute(sql, &params).await.map(drop)
}

/// Takes a worker out that has finished.
pub async fn leave(session: &Session, worker_id: i64) -> Result<(), Failure> {
    session.execute("delete from remat.workers where id = $1", &[(&worker_id, Type::INT8)]).await.map(drop)
}

/// A row of `remat.workers`, with what it works on.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerRow {
    /// The row's id.
    pub id: i64,
    /// For people: host and process.
    pub name: String,
    /// Which remat it is.
    pub version: String,
    /// The back end that it listens to.
    pub backend: String,
    /// The queues that it serves; every one when there are none.
    pub queues: Vec<String>,
    /// How many runs it does at once.
    pub slots: i32,
    /// `running`, `polling` or `draining`.
    pub state: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How long ago it said that it lives, in seconds by the server's clock.
    pub heartbeat_age_seconds: f64,
    /// What it has claimed and not ended, the oldest first.
    pub runs: Vec<WorkedOn>,
}

/// A run that a worker has.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkedOn {
    /// The run.
    pub id: i64,
    /// What it does.
    pub operation: Operation,
    /// The view, if it is about one.
    pub view: Option<RelationName>,
    /// The scheduled job, if it is one's.
    pub job: Option<String>,
    /// When it was claimed.
    pub started_at: Option<Timestamp>,
}

/// Every worker by its id, the oldest first.
pub async fn all(session: &Session) -> Result<Vec<WorkerRow>, Error> {
    let sql = "select w.id, w.name, w.version, w.backend, w.queues, w.slots, w.state, w.started_at,
                      extract(epoch from pg_catalog.clock_timestamp() - w.heartbeat_at)::float8
               from   remat.workers w order by w.id";
    let mut workers: Vec<WorkerRow> = session.query(sql, &[]).await?.iter().map(worker).collect();
    let sql = "select r.worker_id, r.id, r.operation, v.schema_name, v.view_name, r.job_name, r.started_at
               from   remat.runs r left join remat.views v on v.id = r.view_id
               where  r.status in ('running', 'unknown') and r.worker_id is not null order by r.id";
    for row in session.query(sql, &[]).await? {
        let holder: i64 = row.get(0);
        if let Some(worker) = workers.iter_mut().find(|worker| worker.id == holder) {
            worker.runs.push(worked_on(&row)?);
        }
    }
    Ok(workers)
}

fn worker(row: &Row) -> WorkerRow {
    WorkerRow {
        id: row.get(0),
        name: row.get(1),
        version: row.get(2),
        backend: row.get(3),
        queues: row.get::<_, Option<Vec<String>>>(4).unwrap_or_default(),
        slots: row.get(5),
        state: row.get(6),
        started_at: row.get(7),
        heartbeat_age_seconds: row.get(8),
        runs: Vec::new(),
    }
}

fn worked_on(row: &Row) -> Result<WorkedOn, Error> {
    let (schema, name): (Option<String>, Option<String>) = (row.get(3), row.get(4));
    Ok(WorkedOn {
        id: row.get(1),
        operation: row.get::<_, &str>(2).parse()?,
        view: schema.zip(name).map(|(schema, name)| RelationName::new(schema, name)).transpose()?,
        job: row.get(5),
        started_at: row.get(6),
    })
}
