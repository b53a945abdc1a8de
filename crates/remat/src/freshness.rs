//! How fresh a view was over time.
//!
//! Law: pure. From the moment at which a refresh becomes visible the contents are as old as the time since its `data_as_of`,
//! and they age until the next one. Before the first refresh that is known nothing is claimed.

use jiff::Timestamp;

use crate::store::history::Fill;

/// A stretch of time in which one refresh is what readers see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// From here,
    pub from: Timestamp,
    /// to here.
    pub to: Timestamp,
    /// How old the contents are at its beginning, in seconds.
    pub age_from: f64,
    /// How old they are at its end.
    pub age_to: f64,
}

/// The stretches between two moments, in order. `fills` are ordered by time.
pub fn stretches(fills: &[Fill], from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    for (at, fill) in fills.iter().enumerate() {
        let begin = fill.visible_at.max(from);
        let end = fills.get(at + 1).map_or(to, |next| next.visible_at).min(to);
        if begin < end {
            let age = |moment: Timestamp| moment.duration_since(fill.data_as_of).as_secs_f64();
            stretches.push(Stretch { from: begin, to: end, age_from: age(begin), age_to: age(end) });
        }
    }
    stretches
}

/// Which part of the time between two moments, from 0 to 1, the contents were at most so old; none where nothing is known.
#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
pub fn share_within(fills: &[Fill], target_s: i64, from: Timestamp, to: Timestamp) -> Option<f64> {
    let target = target_s as f64;
    let (mut within, mut known) = (0.0, 0.0);
    for stretch in stretches(fills, from, to) {
        let length = stretch.age_to - stretch.age_from;
        known += length;
        within += (target - stretch.age_from).clamp(0.0, length);
    }
    (known > 0.0).then(|| within / known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn fill(data_as_of: i64, visible_at: i64) -> Fill {
        Fill { data_as_of: at(data_as_of), visible_at: at(visible_at) }
    }

    #[test]
    fn contents_age_until_the_next_refresh_is_visible() {
        let found = stretches(&[fill(0, 10), fill(90, 100)], at(0), at(200));
        let ages: Vec<_> = found.iter().map(|stretch| (stretch.age_from, stretch.age_to)).collect();
        assert_eq!(ages, [(10.0, 100.0), (10.0, 110.0)]);
    }

    #[test]
    fn time_before_the_first_refresh_counts_for_nothing() {
        assert_eq!(share_within(&[], 60, at(0), at(100)), None);
        assert_eq!(share_within(&[fill(50, 50)], 60, at(0), at(100)), Some(1.0));
    }

    #[test]
    fn the_part_within_the_target_is_counted_to_the_second() {
        // Ages 0 to 100, then 0 to 100: within 25 of each.
        let share = share_within(&[fill(0, 0), fill(100, 100)], 25, at(0), at(200));
        assert_eq!(share, Some(0.25));
    }
}
