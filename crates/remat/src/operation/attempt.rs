//! The frame around every operation.

use std::time::Instant;

use serde_json::{Value, json};

use super::resolve;
use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    pg::{Session, lock},
    run::{Operation, Run, Status, Trigger},
    store::runs::{self, Ending, Lease},
    view::{Settings, View},
};

/// How the work ended without failing.
pub(super) enum Done {
    /// Commit it, with what there is to say.
    Success(Box<Ending>),
    /// There was nothing to try; roll back and say why.
    Skipped(String),
}

/// A session inside the transaction of a run.
pub(super) struct Frame<'a> {
    pub(super) session: &'a Session,
    pub(super) lease: Lease,
}

/// Runs `work` as one run of `view` and gives the run as its row has it afterwards. A failed run is not an error
/// here; an error means that the run could not even be recorded.
pub(super) async fn attempt<W>(
    remat: &Remat,
    view: &View,
    kind: (Operation, Trigger),
    work: W,
) -> Result<Run, Error>
where
    W: AsyncFnOnce(&Frame<'_>) -> Result<Done, Failure>,
{
    let session = remat.session().await?;
    session.forget_cancel();
    let lease = runs::open(&session, view.id, kind.0, kind.1).await?;
    let _cancellable = remat.cancellable(&session);
    let began = Instant::now();
    let frame = Frame { session: &session, lease };
    let done = within_transaction(&frame, view, began, work).await;
    let Err(failure) = done else {
        let run = runs::get(&session, lease.run_id).await;
        remat.give_back(session);
        return run;
    };
    if is_lost(&session, &failure) || settle_failure(&session, lease, began, &failure).await.is_err() {
        return resolve::outcome(remat, lease, &failure).await;
    }
    let run = runs::get(&session, lease.run_id).await;
    remat.give_back(session);
    run
}

/// The connection is gone or about to go, so the server must be asked over another one.
fn is_lost(session: &Session, failure: &Failure) -> bool {
    session.is_closed()
        || matches!(failure.kind, FailureKind::ConnectionLost | FailureKind::ServerUnavailable)
}

async fn within_transaction<W>(frame: &Frame<'_>, view: &View, began: Instant, work: W) -> Result<(), Failure>
where
    W: AsyncFnOnce(&Frame<'_>) -> Result<Done, Failure>,
{
    let Frame { session, lease } = *frame;
    // A refresh under an older snapshot would put older contents over newer ones, whatever the role's default is.
    session.batch("begin transaction isolation level read committed read write").await?;
    let done = if lock::claim(session, lease.run_id, view.id).await? {
        pin(session, &view.definition.settings).await?;
        work(frame).await?
    } else {
        Done::Skipped("already_running".into())
    };
    match done {
        Done::Success(mut ending) => {
            ending.duration_ms = millis(began);
            runs::settle(session, lease, Status::Success, &ending).await?;
            session.batch("commit").await
        }
        Done::Skipped(reason) => {
            session.batch("rollback").await?;
            settle_skip(session, lease, view.id, reason).await
        }
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

async fn settle_failure(
    session: &Session,
    lease: Lease,
    began: Instant,
    failure: &Failure,
) -> Result<(), Error> {
    session.batch("rollback").await?;
    let status = if failure.kind == FailureKind::Cancelled { Status::Cancelled } else { Status::Failed };
    let ending = Ending {
        duration_ms: millis(began),
        error: Some((*failure.complaint).clone()),
        meta: json!({ "failure": failure.kind }),
        ..Ending::default()
    };
    match runs::settle(session, lease, status, &ending).await {
        // Somebody ended the run meanwhile; the row tells what they found.
        Err(lost) if lost.kind == FailureKind::LeaseLost => Ok(()),
        other => Ok(other?),
    }
}

async fn settle_skip(session: &Session, lease: Lease, view_id: i64, reason: String) -> Result<(), Failure> {
    let winner = runs::other_live_run(session, view_id, lease.run_id).await?;
    let meta = winner.map_or_else(|| json!({}), |run| json!({ "running": run }));
    let ending = Ending { reason: Some(reason), meta, ..Ending::default() };
    runs::settle(session, lease, Status::Skipped, &ending).await
}

pub(super) fn millis(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// Notes for a run's meta; nothing where there is nothing to note.
pub(super) fn with_notes(mut meta: Value, notes: &[String]) -> Value {
    if !notes.is_empty() {
        meta["notes"] = json!(notes);
    }
    meta
}
