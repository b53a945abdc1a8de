//! `remat.runs`: opening a run, ending it, reading it, and finding out how a lost one ended.
//!
//! Law: success is written in the transaction that changed the contents; every other end in a transaction of its own.
//! So a run that says `running` while nobody holds its advisory lock was rolled back: [`resolve_lost`] reads that from
//! the server and guesses nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::{Row, types::Type};

use crate::{
    access::Scope,
    error::{Complaint, Error, ErrorKind},
    failure::{Failure, FailureKind},
    name::RelationName,
    pg::{
        Session,
        lock::{RUN_KEY, key_of},
    },
    run::{Operation, Run, Status, Trigger},
};

/// A run that this worker holds: its id and the fence that proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The row's id.
    pub run_id: i64,
    /// Counts the claims of the row; an older fence changes nothing.
    pub fence: i64,
}

/// What a run has to say at its end.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// The strategy that ran.
    pub strategy: Option<String>,
    /// Why that strategy, or why nothing ran.
    pub reason: Option<String>,
    /// See [`Run::data_as_of`].
    pub data_as_of: Option<Timestamp>,
    /// Milliseconds, monotonic; none where nobody measured them.
    pub duration_ms: Option<i64>,
    /// Milliseconds; none where nobody measured them.
    pub lock_wait_ms: Option<i64>,
    /// Rows before and after, inserted, updated, deleted.
    pub rows: Rows,
    /// Bytes of the relation.
    pub bytes: Option<i64>,
    /// Why it failed.
    pub error: Option<Complaint>,
    /// Everything else.
    pub meta: Value,
}

/// Row counts of a run, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Before the run.
    pub before: Option<i64>,
    /// After the run.
    pub after: Option<i64>,
    /// New rows.
    pub inserted: Option<i64>,
    /// Rows changed in place.
    pub updated: Option<i64>,
    /// Rows that went.
    pub deleted: Option<i64>,
}

/// Opens a run in a transaction of its own: from now on the row tells that somebody tries.
pub async fn open(
    session: &Session,
    view_id: i64,
    operation: Operation,
    trigger: Trigger,
) -> Result<Lease, Failure> {
    let opened = open_all(session, &[view_id], operation, trigger).await?;
    opened.first().copied().ok_or_else(|| Failure::new(FailureKind::Other, "the run was not written"))
}

/// Opens a run for each of these views, in one transaction of its own; gives them in the order of the views.
pub async fn open_all(
    session: &Session,
    view_ids: &[i64],
    operation: Operation,
    trigger: Trigger,
) -> Result<Vec<Lease>, Failure> {
    let (operation, trigger) = (operation.as_str(), trigger.as_str());
    let worker = format!("{}@{}", std::process::id(), host_name());
    let params = [
        (&view_ids as _, Type::INT8_ARRAY),
        (&operation as _, Type::TEXT),
        (&trigger as _, Type::TEXT),
        (&worker as _, Type::TEXT),
    ];
    let rows = session.query(include_str!("open_run.sql"), &params).await?;
    let lease = |row: &Row| (row.get::<_, i64>(2), Lease { run_id: row.get(0), fence: row.get(1) });
    let opened: BTreeMap<_, _> = rows.iter().map(lease).collect();
    Ok(view_ids.iter().filter_map(|view_id| opened.get(view_id).copied()).collect())
}

/// The code with which `remat.end_run` says that the row is no longer this worker's.
const LEASE_LOST: &str = "RM001";

/// Ends a run. Within the transaction of the work when it is a success; see [`succeed`]. Fails with
/// [`FailureKind::LeaseLost`] when the row is no longer this worker's, and the caller then rolls back.
pub async fn settle(session: &Session, lease: Lease, status: Status, ending: &Ending) -> Result<(), Failure> {
    let (status, error) = (status.as_str(), ending.error.clone().unwrap_or_default());
    let message = ending.error.as_ref().map(|error| error.primary.as_str());
    let sql = "select remat.end_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)::text";
    let params = [
        (&lease.run_id as _, Type::INT8),
        (&lease.fence as _, Type::INT8),
        (&status as _, Type::TEXT),
        (&ending.strategy as _, Type::TEXT),
        (&ending.reason as _, Type::TEXT),
        (&ending.data_as_of as _, Type::TIMESTAMPTZ),
        (&ending.lock_wait_ms as _, Type::INT8),
        (&ending.duration_ms as _, Type::INT8),
        (&ending.rows.before as _, Type::INT8),
        (&ending.rows.after as _, Type::INT8),
        (&ending.rows.inserted as _, Type::INT8),
        (&ending.rows.updated as _, Type::INT8),
        (&ending.rows.deleted as _, Type::INT8),
        (&ending.bytes as _, Type::INT8),
        (&message as _, Type::TEXT),
        (&error.sqlstate as _, Type::TEXT),
        (&error.detail as _, Type::TEXT),
        (&error.hint as _, Type::TEXT),
        (&ending.meta as _, Type::JSONB),
    ];
    let settled = session.execute(sql, &params).await;
    settled.map(drop).map_err(|failure| match failure.complaint.sqlstate.as_deref() {
        Some(LEASE_LOST) => Failure::new(FailureKind::LeaseLost, failure.complaint.primary),
        _ => failure,
    })
}

/// Writes the success of a run and commits the transaction of the work with it, in one round trip. The commit is on its
/// way before it is known that the row was still this worker's: where it was not, `remat.end_run` has failed, and the
/// server commits nothing. `commit` is the commit, and what else goes with it.
pub(crate) async fn succeed(
    session: &Session,
    lease: Lease,
    ending: &Ending,
    commit: &str,
) -> Result<(), Failure> {
    session.then_commit(settle(session, lease, Status::Success, ending), commit).await
}

/// Adds facts to the meta of a run that has ended, such as how its vacuum went.
pub async fn annotate(session: &Session, run_id: i64, facts: &Value) -> Result<(), Failure> {
    let sql = "update remat.runs set meta = meta || $2 where id = $1";
    session.execute(sql, &[(&run_id, Type::INT8), (facts, Type::JSONB)]).await.map(drop)
}

/// True when somebody wants a run cancelled.
pub async fn is_cancel_asked(session: &Session, run_id: i64) -> Result<bool, Failure> {
    let sql = "select cancel_asked_at is not null from remat.runs where id = $1";
    Ok(session.query_one(sql, &[(&run_id, Type::INT8)]).await?.get(0))
}

/// Notes that the outcome of a run is not known yet.
pub async fn mark_unknown(session: &Session, lease: Lease) -> Result<(), Failure> {
    let sql = "update remat.runs set status = 'unknown' where id = $1 and fence = $2 and status = 'running'";
    session.execute(sql, &[(&lease.run_id, Type::INT8), (&lease.fence, Type::INT8)]).await.map(drop)
}

/// True while a transaction of the run lives at the server.
pub async fn is_alive(session: &Session, run_id: i64) -> Result<bool, Failure> {
    let sql = "select exists (
                 select from pg_catalog.pg_locks
                 where  locktype = 'advisory' and classid = $1::oid and objid = $2::oid and objsubid = 2
                 and    database = (select oid from pg_catalog.pg_database where datname = current_database()))";
    let row = session.query_one(sql, &[(&RUN_KEY, Type::INT4), (&key_of(run_id), Type::INT4)]).await?;
    Ok(row.get(0))
}

/// Ends the runs whose transaction is gone without a trace of success, enqueues another attempt where a worker lost one,
/// and gives their ids. `me` is a worker and the runs that it holds; see `remat.resolve_lost`.
pub async fn resolve_lost(session: &Session, me: Option<i64>, held: &[i64]) -> Result<Vec<i64>, Failure> {
    let params = [(&me as _, Type::INT8), (&held as _, Type::INT8_ARRAY)];
    let rows = session.query("select remat.resolve_lost($1, $2)", &params).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this view.
    pub view_id: Option<i64>,
    /// Only this run.
    pub run_id: Option<i64>,
    /// Only this status.
    pub status: Option<Status>,
    /// Only this operation.
    pub operation: Option<Operation>,
    /// Only of views within it, and what is about no view where it ends nowhere.
    pub scope: Scope,
    /// Only runs before this one.
    pub before: Option<i64>,
    /// At most so many, the newest first; 50 when none is given.
    pub limit: Option<i64>,
}

const COLUMNS: &str = "r.id, v.schema_name, v.view_name, r.operation, r.status, r.strategy, r.reason, r.trigger, r.queued_at,
    r.started_at, r.data_as_of, r.finished_at, r.duration_ms, r.lock_wait_ms, r.rows_before, r.rows_after,
    r.rows_inserted, r.rows_updated, r.rows_deleted, r.bytes, r.error_message, r.error_sqlstate, r.error_detail,
    r.error_hint, r.meta, r.queue, r.backend, r.worker, r.attempt, r.retry_of, r.priority, r.job_name, r.due_at";
/// How many columns these are.
const COLUMN_COUNT: usize = 33;

/// Runs that match, the newest first.
pub async fn list(session: &Session, filter: &Filter) -> Result<Vec<Run>, Error> {
    let sql = format!(
        "select {COLUMNS} from remat.runs r left join remat.views v on v.id = r.view_id
         where ($1::int8 is null or r.view_id = $1) and ($2::int8 is null or r.id = $2)
         and   ($3::text is null or r.status = $3) and ($4::text is null or r.operation = $4)
         and   ($4 is distinct from 'sql' or r.view_id is null) -- says the same where an index can be searched for it
         and   ($6::int8 is null or r.id < $6) and ($7::text[] is null or v.schema_name = any($7))
         order by r.id desc limit $5"
    );
    let (status, operation) = (filter.status.map(Status::as_str), filter.operation.map(Operation::as_str));
    let (limit, schemas) = (filter.limit.unwrap_or(50), filter.scope.schemas());
    let params = [
        (&filter.view_id as _, Type::INT8),
        (&filter.run_id as _, Type::INT8),
        (&status as _, Type::TEXT),
        (&operation as _, Type::TEXT),
        (&limit as _, Type::INT8),
        (&filter.before as _, Type::INT8),
        (&schemas as _, Type::TEXT_ARRAY),
    ];
    session.query(&sql, &params).await?.iter().map(from_row).collect()
}

/// One run.
pub async fn get(session: &Session, run_id: i64) -> Result<Run, Error> {
    let found = list(session, &Filter { run_id: Some(run_id), ..Filter::default() }).await?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("run {run_id} is not known")))
}

/// These runs, in this order.
pub async fn get_all(session: &Session, run_ids: &[i64]) -> Result<Vec<Run>, Error> {
    let sql = format!(
        "select {COLUMNS} from remat.runs r left join remat.views v on v.id = r.view_id
         where r.id = any($1) order by array_position($1, r.id)"
    );
    let rows = session.query(&sql, &[(&run_ids, Type::INT8_ARRAY)]).await?;
    rows.iter().map(from_row).collect()
}

/// The last run of each view that was tried, by view id.
pub async fn last_of_each(session: &Session) -> Result<Vec<(i64, Run)>, Error> {
    let sql = format!(
        "select {COLUMNS}, v.id from remat.views v
         cross join lateral (select * from remat.runs r where r.view_id = v.id and r.status <> 'skipped' order by r.id desc limit 1) r
         where v.retired_at is null"
    );
    session.query(&sql, &[]).await?.iter().map(|row| Ok((row.get(COLUMN_COUNT), from_row(row)?))).collect()
}

fn from_row(row: &Row) -> Result<Run, Error> {
    let (schema, name): (Option<String>, Option<String>) = (row.get(1), row.get(2));
    let error = row.get::<_, Option<String>>(20).map(|primary| Complaint {
        primary,
        sqlstate: row.get(21),
        detail: row.get(22),
        hint: row.get(23),
    });
    Ok(Run {
        id: row.get(0),
        view: schema.zip(name).map(|(schema, name)| RelationName::new(schema, name)).transpose()?,
        operation: row.get::<_, &str>(3).parse()?,
        status: row.get::<_, &str>(4).parse()?,
        strategy: row.get(5),
        reason: row.get(6),
        trigger: row.get::<_, &str>(7).parse()?,
        queue: row.get(25),
        backend: row.get(26),
        worker: row.get(27),
        attempt: row.get(28),
        retry_of: row.get(29),
        priority: row.get(30),
        job: row.get(31),
        due_at: row.get(32),
        queued_at: row.get(8),
        started_at: row.get(9),
        data_as_of: row.get(10),
        finished_at: row.get(11),
        duration_ms: row.get(12),
        lock_wait_ms: row.get(13),
        rows_before: row.get(14),
        rows_after: row.get(15),
        rows_inserted: row.get(16),
        rows_updated: row.get(17),
        rows_deleted: row.get(18),
        bytes: row.get(19),
        error,
        meta: row.get(24),
    })
}

fn host_name() -> String {
    std::env::var("HOSTNAME").or_else(|_| std::env::var("HOST")).unwrap_or_else(|_| "localhost".into())
}

/// Another run of the view that is at work.
pub async fn other_live_run(session: &Session, view_id: i64, run_id: i64) -> Result<Option<i64>, Failure> {
    let sql =
        "select max(id) from remat.runs where view_id = $1 and id <> $2 and status in ('running', 'unknown')";
    Ok(session.query_one(sql, &[(&view_id, Type::INT8), (&run_id, Type::INT8)]).await?.get(0))
}

/// Rows of the view after its last success, where they were counted.
pub async fn known_rows(session: &Session, view_id: i64) -> Result<Option<i64>, Failure> {
    let sql = "select rows_after from remat.last_fill($1)";
    Ok(session.query_opt(sql, &[(&view_id, Type::INT8)]).await?.and_then(|row| row.get(0)))
}
