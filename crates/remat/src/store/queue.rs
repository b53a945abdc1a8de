//! The queue in `remat.runs`: asking for runs, claiming them, and what follows an attempt that failed.
//!
//! Law: each of these is one call of a function in the database (`migrate/0007_queue.sql`), so that SQL callers and every
//! version of remat follow one protocol.

use std::time::Duration;

use futures_util::future::join;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{Row, types::Type};

use crate::{
    backend::Hint,
    failure::{Failure, FailureKind},
    pg::{Session, send_notification},
    run::{Operation, Status, Trigger},
    schedule::Dispatch,
    store::runs::{self, Ending, Lease},
};

/// What a new run is to be.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// What it does.
    pub operation: Operation,
    /// To which view.
    pub view_id: i64,
    /// The options, as [`crate::job::Job`] writes them.
    pub arguments: Value,
    /// Who asks.
    pub trigger: Trigger,
    /// Queue, priority, overlap and retries.
    pub dispatch: Dispatch,
    /// What announces it.
    pub backend: &'a str,
    /// What somebody else calls this request: the same twice is one run.
    pub request_key: Option<&'a str>,
    /// Runs that must end before this one begins; it is skipped when one of them fails.
    pub waits_for: Vec<i64>,
}

/// What became of a request.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new run waits.
    Enqueued,
    /// A run that waits already will do.
    Joined,
    /// A run waits or works, and the overlap policy is to skip.
    Skipped,
}

/// The answer to a request.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Enqueued {
    /// The run that will do it.
    pub run_id: i64,
    /// How it came to be that run.
    pub outcome: Outcome,
}

/// A run that this worker has claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The proof.
    pub lease: Lease,
    /// What to do.
    pub operation: Operation,
    /// To which view; none for a SQL job.
    pub view_id: Option<i64>,
    /// The scheduled job of a SQL run.
    pub job_name: Option<String>,
    /// The options.
    pub arguments: Value,
    /// Who asked.
    pub trigger: Trigger,
    /// The number of this attempt, from 1.
    pub attempt: i32,
    /// How many further attempts may be spent on waiting for locks.
    pub lock_retries: i32,
    /// How many further attempts may be spent on work that broke.
    pub work_retries: i32,
    /// When it fell due.
    pub due_at: Timestamp,
}

/// What follows an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another attempt after this delay, paid from the lock budget.
    RetryLock(Duration),
    /// Another attempt after this delay, paid from the work budget.
    RetryWork(Duration),
    /// Another attempt at once, for free: the worker stopped it, not the run itself.
    Again,
    /// Nothing: whatever waited for it is skipped.
    GiveUp,
}

/// Enqueues a run. `may_write` says that the session is within a transaction of a caller who may have written.
pub async fn enqueue(session: &Session, order: &Order<'_>, may_write: bool) -> Result<Enqueued, Failure> {
    let sql = "select run_id, outcome from remat.enqueue_run($1, $2, null, $3, $4, $5, $6, pg_catalog.clock_timestamp(),
                                                             null, $9, $7, $8)";
    let (operation, trigger) = (order.operation.as_str(), order.trigger.as_str());
    let dispatch = serde_json::to_value(&order.dispatch).unwrap_or_default();
    let params = [
        (&operation as _, Type::TEXT),
        (&order.view_id as _, Type::INT8),
        (&order.arguments as _, Type::JSONB),
        (&trigger as _, Type::TEXT),
        (&dispatch as _, Type::JSONB),
        (&order.backend as _, Type::TEXT),
        (&order.request_key as _, Type::TEXT),
        (&may_write as _, Type::BOOL),
        (&order.waits_for as _, Type::INT8_ARRAY),
    ];
    let asked = async { Ok(enqueued(&session.query_one(sql, &params).await?, 0)) };
    // Within a transaction block the notification goes with its commit.
    if may_write { asked.await } else { and_tell(session, order.backend, asked).await }
}

/// Tells the workers right behind a statement that enqueues in a transaction of its own, where the database itself carries
/// that: not within it, because the server lets the commits that notify reach the disk one after the other only.
pub(super) async fn and_tell<T>(
    session: &Session,
    backend: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    if backend != "postgres" {
        return work.await;
    }
    // In this order they are sent and answered.
    let (done, told) = join(work, send_notification(session, "run")).await;
    if let (Ok(_), Err(failure)) = (&done, told) {
        tracing::debug!(%failure.complaint.primary, "workers were not told of a run; they find it when they look");
    }
    done
}

/// Which views a request is for, beside those named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Also all that they read.
    pub upstream: bool,
    /// Also all that read them.
    pub downstream: bool,
}

/// Enqueues a refresh of each view, those that others read first, each waiting for those that it reads; gives the view of
/// each run with it.
pub async fn enqueue_views(
    session: &Session,
    view_ids: &[i64],
    reach: Reach,
    arguments: &Value,
    trigger: Trigger,
    queue: Option<&str>,
    backend: &str,
) -> Result<Vec<(i64, Enqueued)>, Failure> {
    let sql = "select view_id, run_id, outcome from remat.enqueue_views(
                 $1 || case when $2 then remat.upstream_of($1) else '{}' end
                    || case when $3 then remat.downstream_of($1) else '{}' end,
                 $4, $5, $6, pg_catalog.clock_timestamp(), null, $7, false)";
    let trigger = trigger.as_str();
    let params = [
        (&view_ids as _, Type::INT8_ARRAY),
        (&reach.upstream as _, Type::BOOL),
        (&reach.downstream as _, Type::BOOL),
        (arguments as _, Type::JSONB),
        (&trigger as _, Type::TEXT),
        (&backend as _, Type::TEXT),
        (&queue as _, Type::TEXT),
    ];
    let rows = and_tell(session, backend, session.query(sql, &params)).await?;
    Ok(rows.iter().map(|row| (row.get(0), enqueued(row, 1))).collect())
}

/// Claims at most `slots` runs that are due, of these queues; of every queue when there are none.
pub async fn claim(
    session: &Session,
    worker_id: i64,
    queues: &[String],
    slots: usize,
) -> Result<Vec<Claim>, Failure> {
    let sql =
        "select id, fence, operation, view_id, job_name, arguments, trigger, attempt, lock_retries, work_retries, due_at
               from remat.claim($1, $2, $3)";
    let queues = (!queues.is_empty()).then_some(queues);
    let slots = i32::try_from(slots).unwrap_or(i32::MAX);
    let params = [(&worker_id as _, Type::INT8), (&queues as _, Type::TEXT_ARRAY), (&slots as _, Type::INT4)];
    session.query(sql, &params).await?.iter().map(claimed).collect()
}

/// Claims this run for a caller who does it at once; none when somebody else has it, or has its view.
pub async fn claim_one(session: &Session, run_id: i64) -> Result<Option<Claim>, Failure> {
    let sql =
        "select id, fence, operation, view_id, job_name, arguments, trigger, attempt, lock_retries, work_retries, due_at
         from remat.claim(null, null, 1, $1)";
    session.query_opt(sql, &[(&run_id, Type::INT8)]).await?.as_ref().map(claimed).transpose()
}

/// What a back end carries for these runs.
pub async fn hints(session: &Session, runs: &[i64]) -> Result<Vec<Hint>, Failure> {
    let sql = "select id, queue from remat.runs where id = any($1) and status = 'pending' order by id";
    let rows = session.query(sql, &[(&runs, Type::INT8_ARRAY)]).await?;
    Ok(rows.iter().map(|row| Hint { run_id: row.get(0), queue: row.get(1) }).collect())
}

/// When the next run falls due that is not due yet, seen from the server's now.
pub async fn until_next_due(session: &Session) -> Result<Option<Duration>, Failure> {
    let sql = "select extract(epoch from remat.next_due() - pg_catalog.clock_timestamp())::float8";
    let seconds: Option<f64> = session.query_one(sql, &[]).await?.get(0);
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

/// Ends a run in a transaction of its own, together with what follows. A run that somebody else ended meanwhile stays as
/// they left it.
pub async fn end(
    session: &Session,
    lease: Lease,
    status: Status,
    ending: &Ending,
    next: Option<Next>,
) -> Result<(), Failure> {
    session.batch("begin").await?;
    match runs::settle(session, lease, status, ending).await {
        Err(lost) if lost.kind == FailureKind::LeaseLost => session.batch("rollback").await,
        Err(other) => Err(other),
        Ok(()) => {
            if let Some(next) = next {
                follow_up(session, lease.run_id, next).await?;
            }
            session.batch("commit").await
        }
    }
}

/// Says what follows a run; in the transaction that ends it.
async fn follow_up(session: &Session, run_id: i64, next: Next) -> Result<(), Failure> {
    let (delay, spends) = match next {
        Next::RetryLock(delay) => (delay, "lock"),
        Next::RetryWork(delay) => (delay, "work"),
        Next::Again => (Duration::ZERO, "none"),
        Next::GiveUp => {
            let sql = "select remat.skip_downstream($1)::text";
            return session.execute(sql, &[(&run_id, Type::INT8)]).await.map(drop);
        }
    };
    let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    let params = [(&run_id as _, Type::INT8), (&delay_ms as _, Type::INT8), (&spends as _, Type::TEXT)];
    session.execute("select remat.retry_run($1, $2, $3)", &params).await.map(drop)
}

/// Puts a claimed run back, to be claimed again after a delay.
pub async fn release(session: &Session, lease: Lease, delay: Duration) -> Result<(), Failure> {
    let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    let params =
        [(&lease.run_id as _, Type::INT8), (&lease.fence as _, Type::INT8), (&delay_ms as _, Type::INT8)];
    session.execute("select remat.release_run($1, $2, $3)::text", &params).await.map(drop)
}

/// Pauses a view whose attempts keep taking their connection down; true when it did.
pub async fn quarantine(session: &Session, view_id: i64) -> Result<bool, Failure> {
    Ok(session.query_one("select remat.quarantine($1)", &[(&view_id, Type::INT8)]).await?.get(0))
}

/// Asks for a run to be cancelled and gives the status that it had.
pub async fn cancel(session: &Session, run_id: i64) -> Result<String, Failure> {
    Ok(session.query_one("select remat.cancel_run($1)", &[(&run_id, Type::INT8)]).await?.get(0))
}

fn enqueued(row: &Row, first: usize) -> Enqueued {
    let outcome = match row.get::<_, &str>(first + 1) {
        "joined" => Outcome::Joined,
        "skipped" => Outcome::Skipped,
        _ => Outcome::Enqueued,
    };
    Enqueued { run_id: row.get(first), outcome }
}

fn claimed(row: &Row) -> Result<Claim, Failure> {
    Ok(Claim {
        lease: Lease { run_id: row.get(0), fence: row.get(1) },
        operation: row.get::<_, &str>(2).parse::<Operation>()?,
        view_id: row.get(3),
        job_name: row.get(4),
        arguments: row.get(5),
        trigger: row.get::<_, &str>(6).parse::<Trigger>()?,
        attempt: row.get(7),
        lock_retries: row.get(8),
        work_retries: row.get(9),
        due_at: row.get(10),
    })
}
