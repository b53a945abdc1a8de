//! What is worth a message, decided from values.
//!
//! Law: a rule is a pure function from facts to a finding with its reason, or to nothing; it reads no clock and no table.
//! What fires is one finding per rule and subject. One finding may explain another, and then only the explanation is
//! told: a view that is stale because what it reads failed is named in the message about the failure. Sending is none of
//! its concern.

mod decide;
mod destination;
pub mod facts;
mod judge;
mod message;
mod rule;

pub use decide::{Decision, Mute, Open, Reads, Standing, decide, resolution};
pub use destination::{Destination, Mail, MailTls, Reach, Route, RouteKind, SecretRef};
pub use judge::{Finding, Subject, judge};
pub use message::{Event, Message, Resolution};
pub use rule::{All, MAIN, Rule, RuleKind, Rules, Severity};

/// A worker says every two seconds that it lives; one that was silent for so many seconds has lost its runs.
pub const SILENT_AFTER_S: f64 = 6.0;

/// A length of time for people, in its two largest units.
fn time_in_words(seconds: f64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float ends at the limits")]
    let whole = seconds.max(0.0).round() as u64;
    let at = UNITS.iter().position(|(unit, _)| whole >= *unit).unwrap_or(UNITS.len() - 1);
    let (unit, name) = UNITS[at];
    let rest = UNITS.get(at + 1).map(|(smaller, name)| (whole % unit / smaller, *name));
    match rest {
        Some((rest, smaller)) if rest > 0 => format!("{} {name} {rest} {smaller}", whole / unit),
        _ => format!("{} {name}", whole / unit),
    }
}

#[cfg(test)]
mod tests;
