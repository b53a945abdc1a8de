//! When something fires: a cron line, read in a zone.
//!
//! Law: a [`Schedule`] answers for any instant which instant comes next; it reads no clock and remembers nothing.
//! The same line, zone and instant always give the same answer.
//!
//! When clocks change, two sorts of lines differ:
//! - A line with one second, one minute and one hour (`30 2 * * *`) names a time of day. Where that time does not
//!   exist, it fires at the first instant after the gap, even if that is on the next day; where it comes twice, it fires
//!   the first time only.
//! - Any other line (`*/15 * * * *`, `0 2,3 * * *`) names a rhythm. Times that do not exist are left out; those that
//!   come twice fire twice.
//!
//! If both the day of the month and the day of the week are given, either suffices, as in every cron.

mod dispatch;
mod fault;
pub mod misfire;

use std::{iter, sync::LazyLock};

use croner::{
    Cron, JobType,
    parser::{CronParser, Seconds, Year},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

pub(crate) use dispatch::queue_is_a_word;
pub use dispatch::{Dispatch, Misfire, Overlap};

use crate::error::{Error, ErrorKind};

static PARSER: LazyLock<CronParser> =
    LazyLock::new(|| CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build());

/// A cron line and its zone.
///
/// ```
/// use remat::schedule::Schedule;
/// let schedule = Schedule::parse("0 6 * * mon-fri", "Europe/Berlin").unwrap();
/// let next = schedule.next_after("2026-07-31T12:00:00Z".parse().unwrap()).unwrap();
/// assert_eq!(next.to_string(), "2026-08-03T04:00:00Z");
/// assert_eq!(schedule.in_words(), "At 06:00, on Monday, Tuesday, Wednesday, Thursday, and Friday (Europe/Berlin)");
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    zone_name: String,
}

impl Schedule {
    /// Reads a line of five fields (minute, hour, day of month, month, day of week), of six with the second first, or
    /// one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. A line that never fires is refused.
    pub fn parse(line: &str, zone: &str) -> Result<Self, Error> {
        let cron = PARSER.parse(line).map_err(|error| fault::explain(line, &error))?;
        let schedule = Self { cron, zone: self::zone(zone)?, zone_name: zone.to_owned() };
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(fault::invalid(line).with_detail("No date has that day, so it would never fire.")),
        }
    }

    /// The first firing later than an instant; none beyond the calendar (year 5000).
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let next =
            self.cron.find_next_occurrence(&after.to_zoned(self.zone.clone()), false).ok()?.timestamp();
        Some(self.carried_over_a_gap(after, next).unwrap_or(next))
    }

    /// The first change of clocks between two instants that leaps over the time of day that the line names. The day
    /// that counts is that of the leapt time: where clocks go from 23:00 to midnight, Saturday's 23:30 fires as Sunday
    /// begins, which croner leaves out.
    fn carried_over_a_gap(&self, after: Timestamp, next: Timestamp) -> Option<Timestamp> {
        if self.cron.determine_job_type() != JobType::FixedTime {
            return None;
        }
        let changes = self.zone.following(after).map(|change| change.timestamp());
        changes.take_while(|change| *change < next).find(|change| {
            let second = SignedDuration::from_secs(1);
            let last = self.zone.to_datetime(*change - second) + second;
            let leapt = self.cron.find_next_occurrence(&last, true);
            leapt.is_ok_and(|leapt| leapt < self.zone.to_datetime(*change))
        })
    }

    /// The next firings after an instant, at most `n`.
    pub fn next_fires(&self, after: Timestamp, n: usize) -> Vec<Timestamp> {
        iter::successors(self.next_after(after), |last| self.next_after(*last)).take(n).collect()
    }

    /// The schedule for people, in English.
    pub fn in_words(&self) -> String {
        format!("{} ({})", self.cron.describe().trim_end_matches('.'), self.zone_name)
    }
}

/// A zone by its name in the time zone database.
pub fn zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| {
        Error::new(ErrorKind::InvalidDefinition, format!("time zone \"{name}\" is not known"))
            .with_hint("Use a name such as UTC or Europe/Berlin.")
    })
}

#[cfg(test)]
mod tests;
