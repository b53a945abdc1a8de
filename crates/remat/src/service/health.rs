//! Whether the loops of a process still turn.
//!
//! Law: a loop says by when it will be back, and one that is not back by then has stalled. Whether its work succeeds is
//! another matter: a server that is down is no reason to restart this process. Time is this machine's monotonic clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Pass, Service};
use crate::error::Error;

/// How late a loop may be on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the loops of a process have promised.
#[derive(Clone, Debug, Default)]
pub struct Health {
    promises: Arc<Mutex<BTreeMap<&'static str, Promise>>>,
}

/// What one loop has promised, and what it did.
#[derive(Clone, Copy, Debug, Default)]
struct Promise {
    /// When it will be back; none while it waits for something that may take any time.
    by: Option<Instant>,
    /// When it last did its work.
    turned: Option<Instant>,
}

impl Promise {
    fn is_late(self, now: Instant) -> bool {
        self.by.is_some_and(|by| by < now)
    }
}

/// How a loop of this process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What the log calls it.
    pub service: &'static str,
    /// How long ago it last did its work, if it has.
    pub ago: Option<Duration>,
    /// Whether it is not back in time.
    pub is_stalled: bool,
}

impl Health {
    /// The loops that are not back in time.
    pub fn stalled(&self) -> Vec<&'static str> {
        let now = Instant::now();
        let promises = self.promises.lock().unwrap_or_else(PoisonError::into_inner);
        let late = promises.iter().filter(|(_, promise)| promise.is_late(now));
        late.map(|(name, _)| *name).collect()
    }

    /// Every loop that has begun, by name.
    pub fn loops(&self) -> Vec<Turn> {
        let now = Instant::now();
        let promises = self.promises.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = |(service, promise): (&&'static str, &Promise)| Turn {
            service,
            ago: promise.turned.map(|turned| now.duration_since(turned)),
            is_stalled: promise.is_late(now),
        };
        promises.iter().map(turn).collect()
    }

    /// A loop of this name begins.
    pub(crate) fn pulse(&self, name: &'static str) -> Pulse {
        Pulse { health: self.clone(), name }
    }

    fn promise(&self, name: &'static str, by: Option<Instant>) {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().by = by;
    }

    fn turned(&self, name: &'static str) {
        let mut promises = self.promises.lock().unwrap_or_else(PoisonError::into_inner);
        promises.entry(name).or_default().turned = Some(Instant::now());
    }
}

/// With which one loop says that it turns; it has ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Pulse {
    health: Health,
    name: &'static str,
}

impl Pulse {
    /// The loop will be back within this time.
    pub(crate) fn back_within(&self, time: Duration) {
        self.health.promise(self.name, Some(Instant::now() + time + PATIENCE));
    }

    /// The loop waits for something that may take any time.
    pub(crate) fn waits(&self) {
        self.health.promise(self.name, None);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.waits();
    }
}

/// A service whose passes are watched.
pub(crate) struct Watched {
    service: Box<dyn Service>,
    pulse: Pulse,
}

impl Watched {
    pub(crate) fn new(service: Box<dyn Service>, health: &Health) -> Self {
        let pulse = health.pulse(service.name());
        Self { service, pulse }
    }
}

impl Service for Watched {
    fn name(&self) -> &'static str {
        self.service.name()
    }

    fn limit(&self) -> Duration {
        self.service.limit()
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        async {
            let limit = self.service.limit();
            self.pulse.back_within(limit);
            let pass = self.service.run_once().await;
            if pass.is_ok() {
                self.pulse.health.turned(self.pulse.name);
            }
            let rest = pass.as_ref().map(|pass| pass.rest).unwrap_or_default();
            self.pulse.back_within(rest + limit);
            pass
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_is_not_back_in_time_has_stalled_until_it_is() {
        let health = Health::default();
        let (late, waiting) = (health.pulse("late"), health.pulse("waiting"));
        health.promise("late", Instant::now().checked_sub(Duration::from_millis(1)));
        waiting.waits();
        assert_eq!(health.stalled(), ["late"]);
        late.back_within(Duration::ZERO);
        assert!(health.stalled().is_empty());
        health.promise("late", Instant::now().checked_sub(Duration::from_millis(1)));
        drop(late);
        assert!(health.stalled().is_empty(), "it has ended");
    }
}
