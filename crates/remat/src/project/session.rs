//! The keys that pin a session, which the project and each view may say.
//!
//! Law: what is not said is inherited. Durations are texts with a unit; 0 needs none. Parameters that remat sets by
//! itself are refused among the free ones, because the later of two settings would win in silence.

use std::collections::BTreeMap;

use jiff::{SignedDuration, fmt::friendly::SpanParser};

use super::table::Table;
use crate::{
    error::{Error, ErrorKind},
    view::Settings,
};

/// The keys that [`settings`] reads.
pub(super) const KEYS: [&str; 6] =
    ["time_zone", "search_path", "lock_timeout", "lock_budget", "statement_timeout", "parameters"];

/// Reads the keys over what is inherited.
pub(super) fn settings(table: &Table<'_, '_>, inherited: &Settings) -> Result<Settings, Error> {
    let time_zone = table.read("time_zone", |zone| Ok(zone.to_owned()))?;
    let search_path = table.names("search_path")?;
    let milliseconds = |key, inherited| table.read(key, milliseconds).map(|read| read.unwrap_or(inherited));
    let mut parameters: BTreeMap<_, _> = inherited.parameters.clone();
    parameters.extend(table.free("parameters", crate::view::parameter::free)?);
    Ok(Settings {
        time_zone: time_zone.unwrap_or_else(|| inherited.time_zone.clone()),
        search_path: search_path.unwrap_or_else(|| inherited.search_path.clone()),
        lock_timeout_ms: milliseconds("lock_timeout", inherited.lock_timeout_ms)?,
        lock_budget_ms: milliseconds("lock_budget", inherited.lock_budget_ms)?,
        statement_timeout_ms: milliseconds("statement_timeout", inherited.statement_timeout_ms)?,
        parameters,
    })
}

/// A length of time such as `50ms`, `30s`, `5 min` or `1h 30m`; `0` needs no unit.
pub(super) fn duration(text: &str) -> Result<SignedDuration, Error> {
    if text.trim() == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let read = SpanParser::new().parse_duration(text.trim()).ok().filter(|read| !read.is_negative());
    read.ok_or_else(|| {
        invalid(format!("\"{text}\" is not a length of time")).with_hint("Write 50ms, 30s or 5 min.")
    })
}

fn milliseconds(text: &str) -> Result<u32, Error> {
    let read = duration(text)?;
    if read.subsec_nanos() % 1_000_000 != 0 {
        return Err(invalid(format!("\"{text}\" is not a whole number of milliseconds")));
    }
    // The server keeps its timeouts in an int.
    let fits = i32::try_from(read.as_millis()).ok().and_then(|millis| u32::try_from(millis).ok());
    fits.ok_or_else(|| invalid(format!("\"{text}\" is longer than the server's 24 days")))
}

fn invalid(primary: String) -> Error {
    Error::new(ErrorKind::InvalidDefinition, primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        let read = |text| milliseconds(text).unwrap();
        assert_eq!(
            [read("50ms"), read("30s"), read("5 min"), read("1h 30m"), read("0")],
            [50, 30_000, 300_000, 5_400_000, 0]
        );
    }

    #[test]
    fn durations_without_unit_below_a_millisecond_or_negative_are_refused() {
        for text in ["50", "", "soon", "-5s", "5s ago", "10us", "60 days"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parameters_that_remat_sets_are_refused_in_any_case() {
        for name in
            ["TimeZone", "role", "default_transaction_isolation", "Statement_Timeout", "a b", "1x", ""]
        {
            assert!(crate::view::parameter::free(name).is_err(), "{name}");
        }
        assert_eq!(crate::view::parameter::free("work_mem"), Ok(()));
        assert_eq!(crate::view::parameter::free("app.tenant"), Ok(()));
    }
}
