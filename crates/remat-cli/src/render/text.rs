//! Numbers, times and foreign text for people.

use std::fmt::Write as _;

use jiff::{Timestamp, tz::TimeZone};
use remat::name::RelationName;

/// What stands where nothing is known.
pub(crate) const NOTHING: &str = "-";

/// A number of milliseconds: `0 ms`, `12 ms`, `1.25 s`, `2 min 05 s`, `3 h 20 min`.
pub(crate) fn millis(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
        60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {:02} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// An age in seconds, in its one or two largest units: `4 s`, `3 min`, `2 h 05 min`, `4 d 03 h`.
#[allow(clippy::cast_possible_truncation, reason = "ages are far below the limits of an integer")]
pub(crate) fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as i64;
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A count with its thousands apart: `1,234,567`.
pub(crate) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in binary units: `512 B`, `8.0 KiB`, `1.5 GiB`.
#[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
pub(crate) fn bytes(number: i64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1_024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1_024.0;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1_024.0, unit + 1);
    }
    format!("{value:.1} {}", units[unit])
}

/// An instant in the zone of this machine.
pub(crate) fn time(instant: Timestamp) -> String {
    instant.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// How long ago an instant was, by this machine's clock.
pub(crate) fn ago(instant: Timestamp) -> String {
    format!("{} ago", age(Timestamp::now().duration_since(instant).as_secs_f64()))
}

/// A value that may be missing.
pub(crate) fn or_nothing<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), text)
}

/// A view's name.
pub(crate) fn name(name: &RelationName) -> String {
    clean(&name.to_string())
}

/// Foreign text in one line: control characters and those that turn the direction of writing are spelled out, so that
/// a name cannot move the cursor or hide what stands beside it.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            write!(cleaned, "{}", character.escape_default()).expect("a string takes all text");
        } else {
            cleaned.push(character);
        }
    }
    cleaned
}

/// Foreign text whose line ends stay, further lines indented.
pub(crate) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n    ")
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_grow_their_units() {
        let texts = [0, 999, 1_250, 65_000, 12_000_000].map(millis);
        assert_eq!(texts, ["0 ms", "999 ms", "1.25 s", "1 min 05 s", "3 h 20 min"]);
    }

    #[test]
    fn ages_show_their_largest_units() {
        let texts = [4.9, 200.0, 7_500.0, 356_400.0].map(age);
        assert_eq!(texts, ["4 s", "3 min", "2 h 05 min", "4 d 03 h"]);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, -1_234_567].map(count), ["0", "999", "1,000", "-1,234,567"]);
    }

    #[test]
    fn bytes_have_binary_units() {
        assert_eq!([512, 8_192, 1_610_612_736].map(bytes), ["512 B", "8.0 KiB", "1.5 GiB"]);
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(clean("größe"), "größe");
    }
}
