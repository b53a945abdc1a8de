//! Chance that can be had again: the same seed gives the same choices, though not the same moments at the server.

use std::time::Duration;

/// How large the scenarios are, and by which seed.
pub(crate) fn is_soak() -> bool {
    std::env::var_os("REMAT_SOAK").is_some()
}

/// The first number in CI, the second in a soak.
pub(crate) fn size(short: usize, long: usize) -> usize {
    if is_soak() { long } else { short }
}

/// Numbers that look random (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    /// By the seed of this run, which is printed, and a word that sets scenarios apart.
    pub(crate) fn of(scenario: &str) -> Self {
        let seed: u64 = std::env::var("REMAT_SOAK_SEED").map_or(1, |seed| seed.parse().unwrap());
        eprintln!("{scenario}: seed {seed}");
        Self(scenario.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A time up to so many milliseconds.
    pub(crate) fn millis(&mut self, limit: usize) -> Duration {
        Duration::from_millis(self.below(limit).try_into().unwrap())
    }
}
