//! Values that are typed on the command line: words, lengths of time, instants.

use std::{str::FromStr, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{
    SignedDuration, SpanRelativeTo, Timestamp, civil::DateTime, fmt::friendly::SpanParser, tz::TimeZone,
};
use remat::error::Error;

/// Reads one of the words of an enum of the library.
pub(crate) fn one_of<T>(all: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + FromStr<Err = Error> + Send + Sync,
{
    PossibleValuesParser::new(all.iter().map(|value| word(*value))).try_map(|typed| typed.parse())
}

/// A length of time such as `90s`, `10min` or `2 days`.
pub(crate) fn duration(typed: &str) -> Result<SignedDuration, String> {
    let span = SpanParser::new().parse_span(typed.trim()).ok();
    let read = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    read.filter(SignedDuration::is_positive)
        .ok_or_else(|| "write a length of time such as 90s, 10min or 2 days".into())
}

/// A length of time as above, or `0`.
pub(crate) fn time(typed: &str) -> Result<Duration, String> {
    if typed.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    duration(typed).map(SignedDuration::unsigned_abs)
}

/// An instant: `2026-08-01T06:00:00Z`, a local `2026-08-01 06:00`, or a length of time from now.
pub(crate) fn instant(typed: &str) -> Result<Timestamp, String> {
    let typed = typed.trim();
    let absolute = typed.parse::<Timestamp>().ok();
    let local = || TimeZone::system().to_timestamp(typed.parse::<DateTime>().ok()?).ok();
    let ahead = || Timestamp::now().checked_add(duration(typed).ok()?).ok();
    absolute.or_else(local).or_else(ahead).ok_or_else(|| {
        "write an instant such as 2026-08-01T06:00:00Z, or a length of time from now such as 2h".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_need_a_unit_and_a_direction_forward() {
        assert_eq!(duration("10min"), Ok(SignedDuration::from_mins(10)));
        assert_eq!(duration("2 days"), Ok(SignedDuration::from_hours(48)));
        for typed in ["10", "", "soon", "-5s", "0s"] {
            assert!(duration(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn a_time_may_be_none_at_all() {
        assert_eq!((time("0"), time("2 days")), (Ok(Duration::ZERO), Ok(Duration::from_hours(48))));
        assert!(time("-1h").is_err());
    }

    #[test]
    fn an_instant_may_be_absolute_or_ahead() {
        assert_eq!(instant("2026-08-01T06:00:00Z"), Ok("2026-08-01T06:00:00Z".parse().unwrap()));
        assert!(instant("2h").unwrap() > Timestamp::now());
        assert!(instant("tomorrow-ish").is_err());
    }
}
