//! How a run ended whose connection was lost.
//!
//! Law: nothing is guessed. The row says `success` or not; while the run's advisory lock is held, its transaction may
//! still commit, and the run is `unknown`; once the lock is free and the row does not say `success`, the work was
//! rolled back. A server that cannot be reached in time leaves the run `unknown` until anybody looks again.

use std::time::{Duration, Instant};

use super::attempt::Asked;
use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    pg::Session,
    run::{Run, Status},
    store::{
        queue::{self, Claim, Next},
        runs::{self, Ending, Lease},
    },
};

/// How long to wait for the server and for the lost transaction to end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn outcome(
    remat: &Remat,
    lease: Lease,
    asked: Asked<'_>,
    lost: &Failure,
) -> Result<Run, Error> {
    let next = asked.next(remat, lost);
    let began = Instant::now();
    let mut newest = None;
    while began.elapsed() < PATIENCE {
        let left = PATIENCE.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, ask(remat, lease, next, lost)).await {
            Ok(Ok(Answer::Over(run))) => {
                suspect(remat, asked, &run).await;
                return Ok(run);
            }
            Ok(Ok(Answer::Open(run))) => newest = Some(run),
            Ok(Err(error)) => tracing::debug!(%error, "the server does not answer yet"),
            Err(_) => break,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    newest.ok_or_else(|| unresolved(lease))
}

/// A view that takes its connection down again and again is paused.
async fn suspect(remat: &Remat, asked: Asked<'_>, run: &Run) {
    let Asked::Claimed(Claim { view_id: Some(view_id), .. }) = asked else { return };
    if run.status != Status::Failed {
        return;
    }
    let paused = remat.with_session(async |session| Ok(queue::quarantine(session, *view_id).await?)).await;
    match paused {
        Ok(true) => {
            tracing::error!(view = run.view.as_ref().map(ToString::to_string), "the view is quarantined");
        }
        Ok(false) => {}
        Err(error) => tracing::debug!(%error, "the view could not be judged"),
    }
}

/// What the server says of a run.
enum Answer {
    /// Nothing more is ours to do: it has ended, or somebody else has it.
    Over(Run),
    /// Its transaction lives.
    Open(Run),
}

async fn ask(remat: &Remat, lease: Lease, next: Option<Next>, lost: &Failure) -> Result<Answer, Error> {
    remat
        .with_session(async |session| {
            let run = runs::get(session, lease.run_id).await?;
            if run.status.is_final() {
                return Ok(Answer::Over(run));
            }
            if runs::is_alive(session, lease.run_id).await? {
                runs::mark_unknown(session, lease).await?;
                return Ok(Answer::Open(runs::get(session, lease.run_id).await?));
            }
            // Also when the row was not ours any more: a server that crashes may take back a claim, and then the run waits
            // for the next one.
            settle_rolled_back(session, lease, next, lost).await?;
            Ok(Answer::Over(runs::get(session, lease.run_id).await?))
        })
        .await
}

async fn settle_rolled_back(
    session: &Session,
    lease: Lease,
    next: Option<Next>,
    lost: &Failure,
) -> Result<(), Failure> {
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
    // It may have committed between the two questions; then the row says so and stays.
    queue::end(session, lease, status_after(lost), &ending, next).await
}

/// How a run ends that was rolled back.
pub(super) fn status_after(failure: &Failure) -> Status {
    if failure.kind == FailureKind::Cancelled { Status::Cancelled } else { Status::Failed }
}

fn unresolved(lease: Lease) -> Error {
    Error::from(Failure::new(
        FailureKind::ConnectionLost,
        format!("the outcome of run {} is not known yet", lease.run_id),
    ))
    .with_hint(format!("The server could not be asked. Run `remat run {}` once it answers.", lease.run_id))
}
