//! The server's clock, carried on by this machine's monotonic one.
//!
//! Law: what time it is, the database says, so that all processes mean the same and a jump of a local clock changes
//! nothing. Between two answers of the server, elapsed time is counted, never read from a wall clock.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// What the server said, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    said: Timestamp,
    heard: Instant,
}

impl Clock {
    /// The server says that it is now `said`.
    pub(super) fn set(said: Timestamp) -> Self {
        Self { said, heard: Instant::now() }
    }

    pub(super) fn now(self) -> Timestamp {
        self.said.checked_add(self.heard.elapsed()).unwrap_or(Timestamp::MAX)
    }

    /// How long until then; zero when it has passed.
    pub(super) fn until(self, then: Timestamp) -> Duration {
        Duration::try_from(then.duration_since(self.now())).unwrap_or_default()
    }

    pub(super) fn age(self) -> Duration {
        self.heard.elapsed()
    }
}
