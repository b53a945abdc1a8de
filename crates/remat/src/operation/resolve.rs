//! How a run ended whose connection was lost.
//!
//! Law: nothing is guessed. The row says `success` or not; while the run's advisory lock is held, its transaction may
//! still commit, and the run is `unknown`; once the lock is free and the row does not say `success`, the work was
//! rolled back. A server that cannot be reached in time leaves the run `unknown` until anybody looks again.

use std::time::{Duration, Instant};

use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    pg::Session,
    run::{Run, Status},
    store::runs::{self, Ending, Lease},
};

/// How long to wait for the server and for the lost transaction to end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn outcome(remat: &Remat, lease: Lease, lost: &Failure) -> Result<Run, Error> {
    let began = Instant::now();
    let mut newest = None;
    while began.elapsed() < PATIENCE {
        match ask(remat, lease, lost).await {
            Ok(run) if run.status.is_final() => return Ok(run),
            Ok(run) => newest = Some(run),
            Err(error) => tracing::debug!(%error, "the server does not answer yet"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    newest.ok_or_else(|| unresolved(lease))
}

async fn ask(remat: &Remat, lease: Lease, lost: &Failure) -> Result<Run, Error> {
    let session = remat.session().await?;
    let run = runs::get(&session, lease.run_id).await?;
    if run.status.is_final() {
        return Ok(run);
    }
    if runs::is_alive(&session, lease.run_id).await? {
        runs::mark_unknown(&session, lease).await?;
    } else {
        settle_rolled_back(&session, lease, lost).await?;
    }
    let run = runs::get(&session, lease.run_id).await;
    remat.give_back(session);
    run
}

async fn settle_rolled_back(session: &Session, lease: Lease, lost: &Failure) -> Result<(), Failure> {
    let mut complaint = (*lost.complaint).clone();
    complaint.detail.get_or_insert_with(|| "The server rolled the work back.".into());
    complaint
        .hint
        .get_or_insert_with(|| "The contents are those of the last success. Refresh the view again.".into());
    let ending = Ending {
        error: Some(complaint),
        meta: serde_json::json!({ "failure": lost.kind }),
        ..Ending::default()
    };
    match runs::settle(session, lease, Status::Failed, &ending).await {
        // It committed between the two questions; the row says so.
        Err(failure) if failure.kind == FailureKind::LeaseLost => Ok(()),
        other => other,
    }
}

fn unresolved(lease: Lease) -> Error {
    Error::from(Failure::new(
        FailureKind::ConnectionLost,
        format!("the outcome of run {} is not known yet", lease.run_id),
    ))
    .with_hint(format!("The server could not be asked. Run `remat run {}` once it answers.", lease.run_id))
}
