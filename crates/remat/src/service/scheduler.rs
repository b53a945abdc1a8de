//! Makes runs of what falls due.
//!
//! Law: any number of schedulers may run; each nominal time is dealt with by whoever inserts its row first, in the same
//! transaction as the runs (`remat.fire`). So a scheduler needs no leader and no memory: what was missed while none ran,
//! the rows tell, and the misfire policy decides. Time is the server's.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::{Pass, Service, clock::Clock, counted, own_session::OwnSession};
use crate::{
    Remat,
    backend::JobBackend,
    error::Error,
    failure::{Failure, FailureKind, Remedy},
    schedule::{
        Schedule,
        misfire::{self, GRACE},
    },
    store::fires::{self, Fire, Source, Subject, Timing},
};

/// How often what fires is read again, for definitions that changed and times that other schedulers dealt with.
const READ_EVERY: Duration = Duration::from_secs(5);
/// How many nominal times go in one statement.
const AT_ONCE: usize = 200;

/// The service.
pub struct Scheduler {
    remat: Remat,
    session: OwnSession,
    backend: Arc<dyn JobBackend>,
    wake: Arc<Notify>,
    seed: u64,
    clock: Option<Clock>,
    planned: HashMap<Subject, Planned>,
}

/// Something that fires, and when it does so next.
struct Planned {
    source: Source,
    rhythm: Rhythm,
    next: Timestamp,
}

/// A schedule that was read, or the reason why nothing fires.
enum Rhythm {
    Cron(Box<Schedule>),
    Lag { due: Timestamp, again_after: Duration },
}

/// Times to deal with, of one subject.
struct Owed {
    subject: Subject,
    times: Vec<(Timestamp, u32, Duration, Option<&'static str>)>,
    trigger: &'static str,
}

impl Scheduler {
    /// `wake` is rung when there is something to claim; `seed` spreads what fires late.
    pub fn new(remat: &Remat, backend: Arc<dyn JobBackend>, wake: Arc<Notify>, seed: u64) -> Self {
        let (remat, session) = (remat.clone(), OwnSession::new(remat));
        Self { remat, session, backend, wake, seed, clock: None, planned: HashMap::new() }
    }

    /// Fires before it reads: what is due must not wait until a thousand definitions have been read again.
    async fn tick(&mut self) -> Result<Pass, Error> {
        let clock = match self.clock.take() {
            Some(clock) => clock,
            None => self.read().await?,
        };
        let owed = self.owed(clock.now());
        let fired = self.fire(&owed).await?;
        let clock = if clock.age() < READ_EVERY { clock } else { self.read().await? };
        // What broke off above is read again.
        self.clock = Some(clock);
        let next = self.planned.values().map(|planned| planned.next).min();
        let until_read = READ_EVERY.saturating_sub(clock.age());
        let rest = next.map_or(until_read, |next| clock.until(next).min(until_read));
        let did = (fired > 0).then(|| format!("enqueued {}", counted(fired, "run")));
        Ok(Pass { did, rest })
    }

    /// Reads what fires. A schedule that stands as it stood keeps the time that was worked out for it.
    async fn read(&mut self) -> Result<Clock, Error> {
        let (now, sources) = self.session.with(async |session| Ok(fires::sources(session).await?)).await?;
        let mut before = std::mem::take(&mut self.planned);
        for source in sources {
            let known = before.remove(&source.subject).filter(|planned| planned.source == source);
            if let Some(planned) = known.or_else(|| plan(source)) {
                self.planned.insert(planned.source.subject.clone(), planned);
            }
        }
        Ok(Clock::set(now))
    }

    fn owed(&mut self, now: Timestamp) -> Vec<Owed> {
        let seed = self.seed;
        let due = self.planned.values_mut().filter(|planned| planned.next <= now);
        let mut owed: Vec<Owed> = due.map(|planned| planned.owed(now, seed)).collect();
        // Schedulers of several processes insert the same rows and wait for each other: in one order, never in a circle.
        owed.sort_by(|a, b| a.subject.cmp(&b.subject));
        owed
    }

    /// Deals with the times; those that another scheduler has dealt with are none of ours.
    async fn fire(&self, owed: &[Owed]) -> Result<usize, Error> {
        let all: Vec<Fire<'_>> = owed.iter().flat_map(Owed::fires).collect();
        let mut runs = Vec::new();
        for fires in all.chunks(AT_ONCE) {
            let fired = self.fire_together(fires).await?;
            let ids = match fired {
                Ok(ids) => ids,
                Err(failure) if is_refusal(&failure) => self.fire_each(fires).await?,
                Err(failure) => return Err(failure.into()),
            };
            self.wake.notify_one();
            runs.extend(ids);
        }
        // Within this database the rows were announced as they were written.
        if !runs.is_empty() && self.backend.kind() != "postgres" {
            self.remat.tell(self.backend.as_ref(), &runs).await;
        }
        Ok(runs.len())
    }

    /// All in one transaction; the inner error is what the server said.
    async fn fire_together(&self, fires: &[Fire<'_>]) -> Result<Result<Vec<i64>, Failure>, Error> {
        let kind = self.backend.kind();
        self.session.with(async |session| Ok(fires::fire(session, fires, kind).await)).await
    }

    /// Each by itself: one that the server refuses, such as that of a job whose policies somebody wrote by hand, must not
    /// hold up the others. It is recorded as skipped.
    async fn fire_each(&self, fires: &[Fire<'_>]) -> Result<Vec<i64>, Error> {
        let mut runs = Vec::new();
        for fire in fires {
            match self.fire_together(std::slice::from_ref(fire)).await? {
                Ok(ids) => runs.extend(ids),
                Err(failure) if is_refusal(&failure) => {
                    tracing::error!(subject = ?fire.subject, at = %fire.at, error = %failure.complaint, "what fell due cannot be enqueued");
                    let skipped = Fire { skip: Some("refused"), ..fire.clone() };
                    self.fire_together(&[skipped]).await??;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(runs)
    }
}

impl Service for Scheduler {
    fn name(&self) -> &'static str {
        "scheduler"
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        async {
            let began = Instant::now();
            let pass = self.tick().await;
            if pass.is_err() {
                // What was taken as dealt with may not have been; the rows know.
                (self.clock, self.planned) = (None, HashMap::new());
            }
            tracing::trace!(took_us = began.elapsed().as_micros(), "a tick");
            pass
        }
        .boxed()
    }
}

/// True when the same request will be refused again.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.kind.remedy(), Remedy::Definition(_)) || failure.kind == FailureKind::Other
}

/// Works out when something fires next. A schedule that cannot be read any more fires never, and says so.
fn plan(source: Source) -> Option<Planned> {
    let rhythm = match &source.timing {
        Timing::Cron { line, zone } => match Schedule::parse(line, zone) {
            Ok(schedule) => Rhythm::Cron(Box::new(schedule)),
            Err(error) => {
                tracing::error!(subject = ?source.subject, %error, "a schedule cannot be read and never fires");
                return None;
            }
        },
        Timing::Lag { target_s, data_as_of, usual_ms } => {
            let seconds = |number: i64| Duration::from_secs(u64::try_from(number).unwrap_or_default());
            let usual = Duration::from_millis(u64::try_from(*usual_ms).unwrap_or_default());
            let due = match data_as_of {
                Some(_) => misfire::lag_due(*data_as_of, seconds(*target_s), usual),
                None => source.last,
            };
            Rhythm::Lag { due, again_after: (seconds(*target_s) / 2).max(Duration::from_secs(1)) }
        }
    };
    let next = match &rhythm {
        Rhythm::Cron(schedule) => schedule.next_after(source.last)?,
        Rhythm::Lag { due, .. } => *due,
    };
    Some(Planned { source, rhythm, next })
}

impl Planned {
    /// What is owed now; from here on it counts as dealt with.
    fn owed(&mut self, now: Timestamp, seed: u64) -> Owed {
        let subject = self.source.subject.clone();
        match &self.rhythm {
            Rhythm::Cron(schedule) => {
                let due = misfire::due(schedule, self.source.last, now, &self.source.dispatch, GRACE, seed);
                let skipped = due.skipped.map(|s| (s.at, s.missed, Duration::ZERO, Some(s.reason)));
                let fires = due.fire.iter().map(|fire| (fire.at, fire.missed, fire.delay, None));
                let times = skipped.into_iter().chain(fires).collect();
                self.source.last = due.newest().unwrap_or(self.source.last);
                self.next = schedule.next_after(self.source.last).unwrap_or(Timestamp::MAX);
                Owed { subject, times, trigger: "schedule" }
            }
            Rhythm::Lag { due, again_after } => {
                let at = latest_step(*due, *again_after, now);
                self.next = at.checked_add(*again_after).unwrap_or(Timestamp::MAX);
                Owed { subject, times: vec![(at, 0, Duration::ZERO, None)], trigger: "lag" }
            }
        }
    }
}

impl Owed {
    fn fires(&self) -> impl Iterator<Item = Fire<'_>> {
        self.times.iter().map(|(at, missed, delay, skip)| Fire {
            subject: &self.subject,
            at: *at,
            missed: i64::from(*missed),
            delay_ms: i64::try_from(delay.as_millis()).unwrap_or(i64::MAX),
            skip: *skip,
            trigger: self.trigger,
        })
    }
}

/// The newest of the times `due`, `due + step`, … that is not after now: a view whose refreshes fail is tried again at
/// each of them, by one scheduler.
fn latest_step(due: Timestamp, step: Duration, now: Timestamp) -> Timestamp {
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let late_ms = now.as_millisecond().saturating_sub(due.as_millisecond()).max(0);
    let steps = late_ms / step_ms;
    due.checked_add(jiff::SignedDuration::from_millis(steps * step_ms)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_whose_refreshes_fail_is_tried_again_at_each_step() {
        let due: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let at = |now: &str| latest_step(due, Duration::from_mins(1), now.parse().unwrap()).to_string();
        assert_eq!(at("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z");
        assert_eq!(at("2026-01-01T00:00:59Z"), "2026-01-01T00:00:00Z");
        assert_eq!(at("2026-01-01T01:00:01Z"), "2026-01-01T01:00:00Z");
    }
}
