//! The frame around every operation.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{claimed, resolve};
use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    pg::{
        Session,
        lock::{self, Sight},
    },
    run::{Operation, Run, Status, Trigger},
    store::{
        plans,
        queue::{self, Claim, Next},
        runs::{self, Ending, Lease},
        views,
    },
    view::{Definition, Settings, View},
};

/// How long a claimed run waits before it is claimed again, when somebody who is no worker has its view.
const YIELD: Duration = Duration::from_secs(1);

/// How the work ended without failing.
pub(super) enum Done {
    /// Commit it, with what there is to say.
    Success(Box<Ending>),
    /// There was nothing to try; roll back and say why.
    Skipped(String),
}

/// A session inside the transaction of a run, and the view as its row stands now that its lock is held: whoever held
/// the lock before may have changed it since the caller read it.
pub(super) struct Frame<'a> {
    pub(super) session: &'a Session,
    pub(super) view: &'a View,
}

/// What is to be done, and to what.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) view_id: i64,
    /// Takes the place of the one that is stored.
    pub(super) definition: Option<&'a Definition>,
    pub(super) operation: Operation,
    pub(super) asked: Asked<'a>,
    pub(super) sight: Sight<'a>,
}

/// How a run came to be: opened here and now, or waiting in the queue and claimed by this worker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// Now, by this caller.
    Now(Trigger),
    /// Earlier; this worker has claimed it.
    Claimed(&'a Claim),
}

impl Asked<'_> {
    /// What follows an attempt that failed: whoever asks now is told and decides, a claim has its budgets.
    pub(super) fn next(self, remat: &Remat, failure: &Failure) -> Option<Next> {
        let Self::Claimed(claim) = self else { return None };
        if failure.kind == FailureKind::Cancelled && remat.is_stopping() {
            return Some(Next::Again);
        }
        Some(claimed::next_after(failure.kind, claim))
    }
}

/// Runs `work` as one run of a view and gives the run as its row has it afterwards. A failed run is not an error
/// here; an error means that the run could not even be recorded.
pub(super) async fn attempt<W>(remat: &Remat, task: Task<'_>, work: W) -> Result<Run, Error>
where
    W: AsyncFnOnce(&Frame<'_>) -> Result<Done, Failure>,
{
    let session = remat.session().await?;
    let cancellable = remat.cancellable(&session);
    let lease = match task.asked {
        Asked::Now(trigger) => runs::open(&session, task.view_id, task.operation, trigger).await?,
        Asked::Claimed(claim) => claim.lease,
    };
    let _at_work = remat.at_work(lease.run_id, &session);
    let began = Instant::now();
    let done = within_transaction(&session, lease, task, began, work).await;
    drop(cancellable);
    conclude(remat, session, Attempted { lease, asked: task.asked, began, done }).await
}

/// An attempt whose transaction is over, or whose session is.
pub(super) struct Attempted<'a> {
    pub(super) lease: Lease,
    pub(super) asked: Asked<'a>,
    pub(super) began: Instant,
    pub(super) done: Result<(), Failure>,
}

/// Writes the end of a run that has not written it itself, and gives the run as its row has it.
pub(super) async fn conclude(
    remat: &Remat,
    session: Session,
    attempted: Attempted<'_>,
) -> Result<Run, Error> {
    match read_end(remat, &session, &attempted).await {
        Ok(run) => {
            remat.give_back(session);
            Ok(run)
        }
        Err(error) => {
            // First of all: while the session lives, so does its transaction.
            drop(session);
            let lost = attempted.done.err().unwrap_or_else(|| error.into());
            resolve::outcome(remat, attempted.lease, attempted.asked, &lost).await
        }
    }
}

/// The run as its row has it, after a failure was written there. Fails when the session cannot tell any more: then the
/// server must be asked over another one. Only that decides, and not the code of the failure: a query may fail with
/// the code of a lost connection because it asks another server.
async fn read_end(remat: &Remat, session: &Session, attempted: &Attempted<'_>) -> Result<Run, Error> {
    if let Err(failure) = &attempted.done {
        let next = attempted.asked.next(remat, failure);
        session.batch("rollback").await?;
        settle_failure(session, attempted.lease, attempted.began, failure, next).await?;
    }
    runs::get(session, attempted.lease.run_id).await
}

async fn within_transaction<W>(
    session: &Session,
    lease: Lease,
    task: Task<'_>,
    began: Instant,
    work: W,
) -> Result<(), Failure>
where
    W: AsyncFnOnce(&Frame<'_>) -> Result<Done, Failure>,
{
    let held = begin(session, &[(lease.run_id, task.view_id)], task.sight).await?;
    let done = if held.first() == Some(&true) {
        let view = views::standing(session, task.view_id, task.definition).await?;
        pin(session, &view.definition.settings).await?;
        work(&Frame { session, view: &view }).await?
    } else {
        return yield_view(session, lease, task).await;
    };
    match done {
        Done::Success(mut ending) => {
            // A request that came between two statements found nothing to cancel at the server.
            session.check_cancelled()?;
            ending.duration_ms = Some(millis(began));
            runs::succeed(session, lease, &ending, "commit").await
        }
        Done::Skipped(reason) => {
            session.batch("rollback").await?;
            settle_skip(session, lease, task.view_id, reason).await
        }
    }
}

/// How often a snapshot is taken again that turned out to be older than the lock of the view.
const FRESH_SNAPSHOTS: usize = 5;

/// Begins the transaction of runs, each with its view, and takes the locks of the views; says for each whether it could, or
/// somebody else has it.
///
/// The only snapshot of a transaction is there before the locks. Whoever had a lock may have changed the contents since,
/// unseen: then the row that counts the changes tells, and it begins anew.
pub(super) async fn begin(
    session: &Session,
    runs: &[(i64, i64)],
    sight: Sight<'_>,
) -> Result<Vec<bool>, Failure> {
    let pin = match sight {
        Sight::Newest => "",
        Sight::One(_) => LOCK_PATIENCE,
    };
    let (run_ids, view_ids): (Vec<i64>, Vec<i64>) = runs.iter().copied().unzip();
    let mut tries = 0;
    loop {
        lock::begin_runs(session, &run_ids, sight, pin).await?;
        let held = lock::try_views(session, &view_ids).await?;
        let ours: Vec<i64> =
            view_ids.iter().zip(&held).filter(|(_, held)| **held).map(|(id, _)| *id).collect();
        if ours.is_empty() || matches!(sight, Sight::Newest) {
            return Ok(held);
        }
        tries += 1;
        match plans::guard_contents(session, &ours).await {
            Err(failure) if failure.kind == FailureKind::Serialization && tries < FRESH_SNAPSHOTS => {
                session.batch("rollback").await?;
            }
            guarded => return guarded.map(|()| held),
        }
    }
}

/// For locks that are waited for before the definition's own limit is known.
const LOCK_PATIENCE: &str = "set local lock_timeout = '30s'";

/// Somebody else is at the view. Whoever asks now is told so; a request that waited its turn goes on waiting, because
/// what it was made for may have been written after the other one began to read.
async fn yield_view(session: &Session, lease: Lease, task: Task<'_>) -> Result<(), Failure> {
    session.batch("rollback").await?;
    match task.asked {
        Asked::Now(_) => settle_skip(session, lease, task.view_id, "already_running".into()).await,
        Asked::Claimed(_) => queue::release(session, lease, YIELD).await,
    }
}

/// Gives the session what the definition pins, for this transaction only.
pub(crate) async fn pin(session: &Session, settings: &Settings) -> Result<(), Failure> {
    let path: Vec<_> = settings.search_path.iter().map(crate::name::Identifier::to_sql).collect();
    let mut pairs = vec![
        ("TimeZone", settings.time_zone.clone()),
        ("DateStyle", "ISO, MDY".into()),
        ("IntervalStyle", "postgres".into()),
        ("extra_float_digits", "1".into()),
        ("row_security", "on".into()),
        ("search_path", path.join(", ")),
        ("lock_timeout", settings.lock_budget_ms.to_string()),
        ("statement_timeout", settings.statement_timeout_ms.to_string()),
    ];
    pairs.extend(settings.parameters.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let (names, values): (Vec<&str>, Vec<String>) = pairs.into_iter().unzip();
    let params = [
        (&names as _, tokio_postgres::types::Type::TEXT_ARRAY),
        (&values as _, tokio_postgres::types::Type::TEXT_ARRAY),
    ];
    session.query(include_str!("pin.sql"), &params).await.map(drop)
}

/// Writes the failure of a run whose transaction is over.
pub(super) async fn settle_failure(
    session: &Session,
    lease: Lease,
    began: Instant,
    failure: &Failure,
    next: Option<Next>,
) -> Result<(), Error> {
    let cancelled = as_cancelled(session, lease, failure).await?;
    let failure = cancelled.as_ref().unwrap_or(failure);
    let ending = Ending {
        strategy: failure.attempted.strategy.clone(),
        reason: failure.attempted.reason.clone(),
        lock_wait_ms: failure.attempted.lock_wait.map(whole_millis),
        duration_ms: Some(millis(began)),
        error: Some((*failure.complaint).clone()),
        meta: json!({ "failure": failure.kind }),
        ..Ending::default()
    };
    Ok(queue::end(session, lease, resolve::status_after(failure), &ending, next).await?)
}

/// Under one snapshot a request to cancel, which is written to the row of the run, shows as a conflict at its end.
async fn as_cancelled(
    session: &Session,
    lease: Lease,
    failure: &Failure,
) -> Result<Option<Failure>, Failure> {
    let asked =
        failure.kind == FailureKind::Serialization && runs::is_cancel_asked(session, lease.run_id).await?;
    Ok(asked.then(|| Failure::new(FailureKind::Cancelled, "cancelled on request")))
}

/// Writes that there was nothing to try, after the transaction of the run.
pub(super) async fn settle_skip(
    session: &Session,
    lease: Lease,
    view_id: i64,
    reason: String,
) -> Result<(), Failure> {
    let winner = runs::other_live_run(session, view_id, lease.run_id).await?;
    let meta = winner.map_or_else(|| json!({}), |run| json!({ "running": run }));
    let ending = Ending { reason: Some(reason), meta, ..Ending::default() };
    runs::settle(session, lease, Status::Skipped, &ending).await
}

/// The time since then in whole milliseconds.
pub(super) fn millis(since: Instant) -> i64 {
    whole_millis(since.elapsed())
}

/// A duration in whole milliseconds, as a run keeps it.
pub(super) fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Notes for a run's meta; nothing where there is nothing to note.
pub(super) fn with_notes(mut meta: Value, notes: &[String]) -> Value {
    if !notes.is_empty() {
        meta["notes"] = json!(notes);
    }
    meta
}
