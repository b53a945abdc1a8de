//! Who showed a wrong secret too often.
//!
//! Law: a secret has 256 random bits, so nobody guesses one; this keeps guessing from costing the database and the log
//! anything. It remembers a bounded number of addresses; when there are more, those share one count.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So many wrong secrets within [`WINDOW`] are one too many.
const FAILURES_MAX: u32 = 10;
/// How long a wrong secret counts.
pub(crate) const WINDOW: Duration = Duration::from_mins(1);
/// So many addresses are told apart.
const ADDRESSES_MAX: usize = 4_096;

/// Wrong secrets by address.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    known: Mutex<HashMap<Option<IpAddr>, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Attempts {
    /// Whether somebody at this address may try.
    pub(crate) fn may(&self, address: IpAddr, now: Instant) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let own = known.get(&Some(network(address)));
        let failures = own.or_else(|| (known.len() >= ADDRESSES_MAX).then(|| known.get(&None)).flatten());
        failures.is_none_or(|failures| {
            failures.count < FAILURES_MAX || now.duration_since(failures.since) >= WINDOW
        })
    }

    /// Counts a wrong secret.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Some(network(address));
        if known.len() >= ADDRESSES_MAX && !known.contains_key(&key) {
            known.retain(|_, failures| now.duration_since(failures.since) < WINDOW);
            if known.len() >= ADDRESSES_MAX {
                key = None;
            }
        }
        let failures = known.entry(key).or_insert(Failures { since: now, count: 0 });
        if now.duration_since(failures.since) >= WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
    }
}

/// One household has 2⁶⁴ addresses of the sixth version.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_wrong_secrets_are_one_too_many_until_a_minute_has_passed() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..FAILURES_MAX {
            assert!(attempts.may(one, now));
            attempts.failed(one, now);
        }
        assert!(!attempts.may(one, now) && attempts.may(other, now));
        assert!(!attempts.may(address("::ffff:192.0.2.1"), now), "the same address in other words");
        assert!(attempts.may(one, now + WINDOW));
        attempts.failed(one, now + WINDOW);
        assert!(attempts.may(one, now + WINDOW));
    }

    #[test]
    fn a_network_of_the_sixth_version_is_one_address() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for host in 0..FAILURES_MAX {
            attempts.failed(address(&format!("2001:db8::{host}")), now);
        }
        assert!(!attempts.may(address("2001:db8::ffff"), now));
        assert!(attempts.may(address("2001:db8:0:1::1"), now));
    }

    #[test]
    fn memory_is_bounded_and_the_many_share_one_count() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let numbered = |number: u32| IpAddr::from(number.to_be_bytes());
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 1_000 {
            attempts.failed(numbered(number), now);
        }
        assert!(attempts.known.lock().unwrap().len() <= ADDRESSES_MAX + 1);
        assert!(!attempts.may(numbered(u32::MAX), now));
        assert!(attempts.may(numbered(u32::MAX), now + WINDOW));
    }
}
