//! Whether a failed run is tried again, and when.
//!
//! Law: the [`Remedy`] of a failure decides, in one exhaustive match. A wait for a lock and broken work are paid from
//! budgets of their own, so that a view behind a long reader does not use up what a broken connection needs. What only
//! a person can mend is never tried again by itself.
//!
//! The delay grows with the number of the attempt and is shortened by up to a half, by a seed: runs that failed together
//! do not come back together, and the same seed and attempt always give the same delay.

use std::time::Duration;

use crate::failure::{FailureKind, Remedy};

/// The delays before another try for a lock: from one second, half as much again each time, to a minute.
const LOCK: Backoff = Backoff { first: Duration::from_secs(1), factor: 1.5, most: Duration::from_mins(1) };
/// The delays before the work is done again: from two seconds, doubled each time, to ten minutes.
const WORK: Backoff = Backoff { first: Duration::from_secs(2), factor: 2.0, most: Duration::from_mins(10) };
/// What the server broke to let others through is over at once: three quick tries come first.
const QUICK: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// What a run has spent, and what it may still spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// How many more times it may be tried again after a lock was not granted.
    pub lock_retries_left: i32,
    /// How many more times it may be tried again after its work broke.
    pub work_retries_left: i32,
    /// The number of the attempt that failed, from 1.
    pub attempt: i32,
}

/// Which budget pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// That of lock waits: many tries, soon.
    Lock,
    /// That of work: few tries, later.
    Work,
}

/// Another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// What it is paid from.
    pub budget: Budget,
    /// How long to wait before it.
    pub delay: Duration,
}

/// Whether a run that failed so is tried again.
///
/// ```
/// use remat::{failure::FailureKind, run::retry::{self, Budget, Budgets}};
/// let spent = Budgets { lock_retries_left: 10, work_retries_left: 0, attempt: 1 };
/// let retry = retry::after(FailureKind::LockTimeout, spent, 7).unwrap();
/// assert_eq!(retry.budget, Budget::Lock);
/// assert!(retry.delay.as_millis() >= 500 && retry.delay.as_millis() <= 1000);
/// assert_eq!(retry::after(FailureKind::ConnectionLost, spent, 7), None);
/// ```
pub fn after(failure: FailureKind, spent: Budgets, seed: u64) -> Option<Retry> {
    let (budget, left) = match failure.remedy() {
        Remedy::RetryLock => (Budget::Lock, spent.lock_retries_left),
        Remedy::RetryWork => (Budget::Work, spent.work_retries_left),
        Remedy::Operator(_) | Remedy::Definition(_) | Remedy::Nothing => return None,
    };
    let earlier = usize::try_from(spent.attempt.saturating_sub(1)).unwrap_or_default();
    let longest = longest(failure, budget, earlier);
    (left > 0).then(|| Retry { budget, delay: shortened(longest, mixed(seed, earlier as u64)) })
}

/// The delay before it is shortened.
fn longest(failure: FailureKind, budget: Budget, earlier: usize) -> Duration {
    let is_quick = matches!(failure, FailureKind::Deadlock | FailureKind::Serialization);
    match budget {
        Budget::Lock => LOCK.delay(earlier),
        Budget::Work if is_quick => {
            QUICK.get(earlier).copied().unwrap_or_else(|| WORK.delay(earlier - QUICK.len()))
        }
        Budget::Work => WORK.delay(earlier),
    }
}

/// Delays that grow by a factor, up to a limit.
struct Backoff {
    first: Duration,
    factor: f64,
    most: Duration,
}

impl Backoff {
    fn delay(&self, earlier: usize) -> Duration {
        // Far beyond the limit already, and a power that is still a finite number.
        let exponent = i32::try_from(earlier.min(64)).unwrap_or(64);
        let grown = self.first.as_secs_f64() * self.factor.powi(exponent);
        Duration::from_secs_f64(grown.min(self.most.as_secs_f64()))
    }
}

/// Between half of it and all of it.
fn shortened(longest: Duration, random: u64) -> Duration {
    // 2^-32 of the upper bits: a fraction in 0..1.
    let fraction = f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + fraction / 2.0)
}

/// A number that looks random, and is the same for the same seed and step (splitmix64).
pub(crate) fn mixed(seed: u64, step: u64) -> u64 {
    let mut z = seed.wrapping_add((step.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RETRIED: [(FailureKind, Budget); 5] = [
        (FailureKind::LockTimeout, Budget::Lock),
        (FailureKind::Deadlock, Budget::Work),
        (FailureKind::Serialization, Budget::Work),
        (FailureKind::ConnectionLost, Budget::Work),
        (FailureKind::ServerUnavailable, Budget::Work),
    ];

    const FINAL: [FailureKind; 16] = [
        FailureKind::DiskFull,
        FailureKind::OutOfResources,
        FailureKind::StatementTimeout,
        FailureKind::Cancelled,
        FailureKind::Prerequisite,
        FailureKind::NotUnique,
        FailureKind::NullKey,
        FailureKind::Data,
        FailureKind::UndefinedObject,
        FailureKind::Dependents,
        FailureKind::PermissionDenied,
        FailureKind::Restricted,
        FailureKind::ReadOnly,
        FailureKind::Drifted,
        FailureKind::LeaseLost,
        FailureKind::Other,
    ];

    fn plenty(attempt: i32) -> Budgets {
        Budgets { lock_retries_left: 1, work_retries_left: 1, attempt }
    }

    fn delay(failure: FailureKind, attempt: i32, seed: u64) -> Duration {
        after(failure, plenty(attempt), seed).unwrap().delay
    }

    fn most(failure: FailureKind, attempt: i32) -> Duration {
        (0..2000).map(|seed| delay(failure, attempt, seed)).max().unwrap()
    }

    #[test]
    fn only_locks_connections_and_conflicts_are_tried_again() {
        for (failure, budget) in RETRIED {
            assert_eq!(after(failure, plenty(1), 0).unwrap().budget, budget);
        }
        for failure in FINAL {
            assert_eq!(after(failure, plenty(1), 0), None, "{failure:?}");
        }
    }

    #[test]
    fn an_empty_budget_is_not_paid_from_the_other() {
        let no_work = Budgets { lock_retries_left: 5, work_retries_left: 0, attempt: 1 };
        assert_eq!(after(FailureKind::Deadlock, no_work, 0), None);
        assert!(after(FailureKind::LockTimeout, no_work, 0).is_some());
        let no_lock = Budgets { lock_retries_left: 0, work_retries_left: 5, attempt: 1 };
        assert_eq!(after(FailureKind::LockTimeout, no_lock, 0), None);
        assert!(after(FailureKind::Deadlock, no_lock, 0).is_some());
    }

    #[test]
    fn delays_grow_as_stated() {
        let near = |found: Duration, stated: f64| (found.as_secs_f64() - stated).abs() < stated / 100.0;
        for (failure, attempt, stated) in [
            (FailureKind::LockTimeout, 1, 1.0),
            (FailureKind::LockTimeout, 2, 1.5),
            (FailureKind::LockTimeout, 5, 5.0625),
            (FailureKind::LockTimeout, 20, 60.0),
            (FailureKind::ConnectionLost, 1, 2.0),
            (FailureKind::ConnectionLost, 3, 8.0),
            (FailureKind::ConnectionLost, 30, 600.0),
            (FailureKind::Deadlock, 1, 0.05),
            (FailureKind::Deadlock, 2, 0.25),
            (FailureKind::Serialization, 3, 1.0),
            (FailureKind::Serialization, 4, 2.0),
        ] {
            assert!(near(most(failure, attempt), stated), "{failure:?} {attempt}");
        }
    }

    #[test]
    fn runs_that_fail_together_are_spread() {
        let mut quarters = [0; 4];
        for run in 0..1000 {
            // From one second down to half a second: the quarter of that half in which it falls.
            let fraction = (delay(FailureKind::LockTimeout, 1, run).as_secs_f64() - 0.5) * 2.0;
            let quarter = (0..4).find(|at| fraction <= f64::from(at + 1) / 4.0).unwrap();
            quarters[usize::try_from(quarter).unwrap()] += 1;
        }
        assert!(quarters.iter().all(|runs| (200..300).contains(runs)), "{quarters:?}");
    }

    proptest! {
        #[test]
        fn a_budget_ends(lock in 0..20_i32, work in 0..20_i32, failures in proptest::collection::vec(0..5_usize, 60), seed: u64) {
            let mut spent = Budgets { lock_retries_left: lock, work_retries_left: work, attempt: 1 };
            let (mut locks, mut works) = (0, 0);
            for failure in failures {
                let Some(retry) = after(RETRIED[failure].0, spent, seed) else { continue };
                match retry.budget {
                    Budget::Lock => (locks, spent.lock_retries_left) = (locks + 1, spent.lock_retries_left - 1),
                    Budget::Work => (works, spent.work_retries_left) = (works + 1, spent.work_retries_left - 1),
                }
                spent.attempt += 1;
            }
            prop_assert!(locks <= lock && works <= work);
        }

        #[test]
        fn a_delay_is_within_its_bounds(failure in 0..5_usize, attempt: i32, seed: u64) {
            let failure = RETRIED[failure].0;
            let limit = if failure == FailureKind::LockTimeout { LOCK.most } else { WORK.most };
            let delay = delay(failure, attempt, seed);
            prop_assert!(delay >= QUICK[0] / 2 && delay <= limit);
            prop_assert_eq!(delay, after(failure, plenty(attempt), seed).unwrap().delay);
        }

        #[test]
        fn later_attempts_may_wait_no_less(failure in 0..5_usize, attempt in 0..1000_i32) {
            let failure = RETRIED[failure].0;
            let at = |attempt| longest(failure, after(failure, plenty(1), 0).unwrap().budget, attempt);
            let attempt = usize::try_from(attempt).unwrap();
            prop_assert!(at(attempt) <= at(attempt + 1));
        }

        #[test]
        fn a_budget_below_zero_is_empty(left in i32::MIN..=0, failure in 0..5_usize) {
            let spent = Budgets { lock_retries_left: left, work_retries_left: left, attempt: 1 };
            prop_assert_eq!(after(RETRIED[failure].0, spent, 0), None);
        }
    }
}
