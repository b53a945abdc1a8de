//! Which times of a schedule are due now, and what becomes of those that nobody saw pass.
//!
//! Law: given the newest nominal time that was dealt with, a time later than it and not later than now is due, once. One
//! that is at most the grace late is in time and fires at once. An older one was missed, and [`Misfire`] decides:
//! - within the catch-up window it fires late (`once`: the newest for all of them, `all`: each of the newest 1000) or is
//!   skipped (`skip`); under `once`, a time that is due in time answers for those that were missed, and nothing fires late;
//! - beyond the window it is skipped under every policy.
//!
//! Skipped times are told by the newest and a number, so that a week that nobody watched is one row. Whoever keeps
//! [`Due::newest`] as the next `last` sees each time once. A clock that goes back finds nothing due.
//!
//! Cost: a missed time takes two questions to the schedule where the times are even, and twice the logarithm of the gap
//! in seconds where they are not; at most 2 × 1000 of them are looked at, however many there were, and every one within
//! the grace. Numbers of missed times end at 1000, which then stands for that many or more.

use std::{iter, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{Dispatch, Misfire, Schedule};
use crate::run::retry::mixed;

/// How late a time may be seen and still be in time, where nobody says otherwise.
pub const GRACE: Duration = Duration::from_mins(1);
/// How many missed times are looked at, and how many may fire.
const LIMIT: usize = 1000;

/// What is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// What fires, the oldest first.
    pub fire: Vec<Fire>,
    /// What was missed and does not fire.
    pub skipped: Option<Skipped>,
}

/// A time that fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fire {
    /// The nominal time.
    pub at: Timestamp,
    /// How long from now to wait; zero for a time that is in time.
    pub delay: Duration,
    /// How many earlier times this one answers for.
    pub missed: u32,
}

/// Times that do not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The newest of them.
    pub at: Timestamp,
    /// How many earlier ones there are.
    pub missed: u32,
    /// Why.
    pub reason: &'static str,
}

impl Due {
    /// The newest time that this deals with.
    pub fn newest(&self) -> Option<Timestamp> {
        let fired = self.fire.last().map(|fire| fire.at);
        fired.max(self.skipped.map(|skipped| skipped.at))
    }
}

/// What is due at an instant; `last` is the newest nominal time that was dealt with.
///
/// ```
/// use remat::schedule::{Dispatch, Schedule, misfire::{self, GRACE}};
/// let hourly = Schedule::parse("@hourly", "UTC").unwrap();
/// let (last, now) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-01T05:30:00Z".parse().unwrap());
/// let due = misfire::due(&hourly, last, now, &Dispatch::default(), GRACE, 7);
/// assert_eq!((due.fire.len(), due.fire[0].missed), (1, 4));
/// assert_eq!(due.newest(), Some("2026-01-01T05:00:00Z".parse().unwrap()));
/// ```
pub fn due(
    schedule: &Schedule,
    last: Timestamp,
    now: Timestamp,
    dispatch: &Dispatch,
    grace: Duration,
    seed: u64,
) -> Due {
    if now <= last {
        return Due::default();
    }
    let start = floor(last);
    let in_time_from = ceiling(earlier(now, seconds(grace)));
    let window_from = ceiling(earlier(now, dispatch.catch_up_s.max(0))).min(in_time_from);
    let late_from = if dispatch.misfire == Misfire::Skip { in_time_from } else { window_from };
    let next = |after: i64| schedule.next_after(instant(after)).map_or(i64::MAX, Timestamp::as_second);
    let late = newest(&next, in_time_from, start.max(late_from - 1));
    let left_out = match late[..] {
        [.., oldest] if late.len() == LIMIT && dispatch.misfire == Misfire::All => oldest,
        _ => late_from,
    };
    let skipped = newest(&next, left_out, start);
    let jitter = Jitter { most_s: dispatch.jitter_s, seed };
    let in_time = in_time(schedule, start.max(in_time_from - 1), now);
    Due {
        fire: match dispatch.misfire {
            Misfire::All => late.iter().rev().map(|at| jitter.late(*at, 0)).chain(in_time).collect(),
            Misfire::Once | Misfire::Skip => once(&late, in_time, jitter),
        },
        skipped: skipped.first().map(|at| Skipped {
            at: instant(*at),
            missed: number(skipped.len() - 1),
            reason: "missed",
        }),
    }
}

/// One time for all that are late: the first that is in time, else the newest.
fn once(late: &[i64], in_time: impl Iterator<Item = Fire>, jitter: Jitter) -> Vec<Fire> {
    let mut fire: Vec<Fire> = in_time.collect();
    match (fire.first_mut(), late.first()) {
        (Some(first), _) => first.missed = number(late.len()),
        (None, Some(at)) => fire.push(jitter.late(*at, number(late.len() - 1))),
        (None, None) => {}
    }
    fire
}

fn in_time(schedule: &Schedule, after: i64, now: Timestamp) -> impl Iterator<Item = Fire> {
    let times = iter::successors(schedule.next_after(instant(after)), |at| schedule.next_after(*at));
    times.take_while(move |at| *at <= now).map(|at| Fire { at, delay: Duration::ZERO, missed: 0 })
}

/// Spreads what fires late.
#[derive(Clone, Copy)]
struct Jitter {
    most_s: i64,
    seed: u64,
}

impl Jitter {
    fn late(self, at: i64, missed: u32) -> Fire {
        let most_ms = u64::try_from(self.most_s).unwrap_or_default().saturating_mul(1000);
        let delay = mixed(self.seed, at.cast_unsigned()) % most_ms.saturating_add(1);
        Fire { at: instant(at), delay: Duration::from_millis(delay), missed }
    }
}

/// The times between two, both left out, the newest first, of a schedule that tells the next time after one; no more than the limit.
fn newest(next: &impl Fn(i64) -> i64, before: i64, floor: i64) -> Vec<i64> {
    let mut found = Vec::new();
    let (mut before, mut gap) = (before, 1);
    while found.len() < LIMIT {
        let Some(at) = previous(next, before, floor, gap) else { break };
        if !found.is_empty() {
            gap = before - at;
        }
        found.push(at);
        before = at;
    }
    found
}

/// The last time before an instant and after a floor, found by asking which time is next: first back by a
/// growing step until something lies between, then by halves. `gap` is a guess at how far it is.
fn previous(next: &impl Fn(i64) -> i64, before: i64, floor: i64, gap: i64) -> Option<i64> {
    let (mut step, mut highest) = (gap, before - 1);
    let mut lowest = loop {
        let from = before.saturating_sub(step).saturating_sub(1).max(floor);
        match next(from) {
            found if found < before => break found,
            _ if from <= floor => return None,
            _ => (highest, step) = (from, step.saturating_mul(2)),
        }
    };
    if next(lowest) >= before {
        return Some(lowest);
    }
    while lowest < highest {
        let middle = lowest + (highest - lowest) / 2;
        match next(middle) {
            found if found < before => lowest = found,
            _ => highest = middle,
        }
    }
    Some(lowest)
}

/// When a view must be refreshed so that its contents do not grow older than the target: early enough for a refresh of
/// twice the usual length, with a tenth of the target (at most half a minute) to spare, and not before half the target
/// has passed. A view that was never filled is due since ever.
///
/// ```
/// use std::time::Duration;
/// use remat::schedule::misfire::lag_due;
/// let due = lag_due(Some("2026-01-01T00:00:00Z".parse().unwrap()), Duration::from_secs(300), Duration::from_secs(20));
/// assert_eq!(due.to_string(), "2026-01-01T00:03:50Z");
/// ```
pub fn lag_due(data_as_of: Option<Timestamp>, target_lag: Duration, usual_duration: Duration) -> Timestamp {
    let Some(data_as_of) = data_as_of else { return Timestamp::UNIX_EPOCH };
    let spare = (target_lag / 10).min(Duration::from_secs(30));
    let latest = target_lag.saturating_sub(usual_duration.saturating_mul(2)).saturating_sub(spare);
    let age = SignedDuration::try_from(latest.max(target_lag / 2)).unwrap_or(SignedDuration::MAX);
    data_as_of.checked_add(age).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Times of a schedule are whole seconds; an instant is one of them or lies between two.
fn floor(at: Timestamp) -> i64 {
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

fn ceiling(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
