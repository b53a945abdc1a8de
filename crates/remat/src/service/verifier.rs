//! Asks from time to time whether a view that follows changes is still what its query gives.
//!
//! Law: one verification at a time, over all daemons, behind everything else that waits, and each view once per interval.
//! What is asked for is a run like any other: workers, limits and cancels mean it, too. How it is verified is none of its
//! concern; see [`RefreshOptions::verify`]. A view that was asked for and not verified, because its run failed or was
//! cancelled, waits for the next interval.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;

use super::{Pass, Service};
use crate::{
    Remat,
    backend::JobBackend,
    error::Error,
    failure::{Failure, FailureKind},
    job::Job,
    operation::RefreshOptions,
    pg::{Session, in_transaction},
    run::Trigger,
    schedule::Overlap,
    store::{
        queue::{self, Order, Outcome},
        verifications::{self, Survey},
        views,
    },
};

/// How often it looks, and how long it rests between two views at least.
const EVERY: Duration = Duration::from_secs(30);

/// A verification that no worker has claimed for so long holds no other one up: nobody may serve its queue.
const PATIENCE: Duration = Duration::from_hours(1);

/// Behind everything to which a person gives a priority.
const PRIORITY: i32 = -1_000_000;

/// The service.
pub struct Verifier {
    remat: Remat,
    backend: Arc<dyn JobBackend>,
    interval: Duration,
    /// Whether it said that its role may not do this.
    refused: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Ask for this view.
    Ask(i64),
    /// Nothing, for so long.
    Rest(Duration),
}

impl Verifier {
    /// Verifies each view once per `interval`.
    pub fn new(remat: &Remat, backend: Arc<dyn JobBackend>, interval: Duration) -> Self {
        Self { remat: remat.clone(), backend, interval, refused: false }
    }

    async fn round(&mut self) -> Result<Pass, Error> {
        let (interval, kind) = (self.interval, self.backend.kind());
        let asked = self
            .remat
            .with_session(async |session| Ok(in_transaction(session, ask(session, interval, kind)).await))
            .await?;
        let run_id = match asked {
            Ok(Ok(run_id)) => run_id,
            Ok(Err(rest)) => return Ok(Pass { did: None, rest }),
            // A daemon of a role that may keep when views were verified does it.
            Err(failure) if failure.kind == FailureKind::PermissionDenied => {
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(error = %failure.complaint, "this daemon verifies no views");
                }
                return Ok(Pass { did: None, rest: EVERY });
            }
            Err(failure) => return Err(failure.into()),
        };
        if kind != "postgres" {
            self.remat.tell(self.backend.as_ref(), &[run_id]).await;
        }
        Ok(Pass { did: Some(format!("asked for a verification, run {run_id}")), rest: EVERY })
    }
}

/// Asks for the view that is due the longest; gives the run, or how long there is nothing to do.
async fn ask(session: &Session, interval: Duration, backend: &str) -> Result<Result<i64, Duration>, Failure> {
    if !verifications::try_ask(session).await? {
        return Ok(Err(EVERY));
    }
    let view_id = match decide(&verifications::survey(session).await?, interval) {
        Step::Ask(view_id) => view_id,
        Step::Rest(rest) => return Ok(Err(rest)),
    };
    let Some(view) = views::by_id(session, view_id).await? else { return Ok(Err(EVERY)) };
    let mut dispatch = view.definition.dispatch;
    (dispatch.priority, dispatch.overlap, dispatch.work_retries) = (PRIORITY, Overlap::Skip, 0);
    let job = Job::Refresh(RefreshOptions { verify: true, ..RefreshOptions::default() });
    let order = Order {
        operation: job.operation(),
        view_id,
        arguments: job.to_json(),
        trigger: Trigger::Verifier,
        dispatch,
        backend,
        request_key: None,
        waits_for: Vec::new(),
    };
    let enqueued = queue::enqueue(session, &order, true).await?;
    if enqueued.outcome == Outcome::Skipped {
        return Ok(Err(EVERY));
    }
    verifications::asked(session, view_id).await?;
    Ok(Ok(enqueued.run_id))
}

fn decide(survey: &Survey, interval: Duration) -> Step {
    let Survey { now, views, works, waits_since } = survey;
    let waits = waits_since.is_some_and(|since| until(since, PATIENCE, *now) > Duration::ZERO);
    if *works || waits {
        return Step::Rest(EVERY);
    }
    let idle = views.iter().filter(|view| !view.is_busy);
    let Some(next) = idle.min_by_key(|view| (view.since, view.view_id)) else { return Step::Rest(EVERY) };
    match until(next.since, interval, *now) {
        Duration::ZERO => Step::Ask(next.view_id),
        rest => Step::Rest(rest.min(EVERY)),
    }
}

/// How long it is from now until so long after that time; zero when it has passed.
fn until(since: Timestamp, after: Duration, now: Timestamp) -> Duration {
    let then = since.checked_add(after).unwrap_or(Timestamp::MAX);
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

impl Service for Verifier {
    fn name(&self) -> &'static str {
        "verifier"
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        self.round().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::verifications::Verifiable;

    const DAY: Duration = Duration::from_hours(24);

    fn at(time: &str) -> Timestamp {
        format!("2026-01-02T{time}Z").parse().unwrap()
    }

    fn view(view_id: i64, since: &str) -> Verifiable {
        Verifiable { view_id, since: since.parse().unwrap(), is_busy: false }
    }

    fn survey(views: &[Verifiable]) -> Survey {
        Survey { now: at("12:00:00"), views: views.to_vec(), works: false, waits_since: None }
    }

    #[test]
    fn the_view_that_is_due_the_longest_comes_first() {
        let two = [view(1, "2026-01-01T11:00:00Z"), view(2, "2026-01-01T10:00:00Z")];
        assert_eq!(decide(&survey(&two), DAY), Step::Ask(2));
        let busy = [two[0], Verifiable { is_busy: true, ..two[1] }];
        assert_eq!(decide(&survey(&busy), DAY), Step::Ask(1));
    }

    #[test]
    fn nothing_is_asked_before_the_interval_is_over() {
        let one = [view(1, "2026-01-01T12:00:10Z")];
        assert_eq!(decide(&survey(&one), DAY), Step::Rest(Duration::from_secs(10)));
        assert_eq!(decide(&survey(&one), 2 * DAY), Step::Rest(EVERY));
        assert_eq!(decide(&survey(&[]), DAY), Step::Rest(EVERY));
    }

    #[test]
    fn one_verification_at_a_time_unless_nobody_claims_it() {
        let due = survey(&[view(1, "2025-01-01T00:00:00Z")]);
        assert_eq!(decide(&Survey { works: true, ..due.clone() }, DAY), Step::Rest(EVERY));
        let waits = |since| Survey { waits_since: Some(at(since)), ..due.clone() };
        assert_eq!(decide(&waits("11:30:00"), DAY), Step::Rest(EVERY));
        assert_eq!(decide(&waits("11:00:00"), DAY), Step::Ask(1));
    }
}
