//! What is told: one message per alert and turn, the same for every destination.
//!
//! Law: the subject is one line that says what is the matter and where; the text says what follows and what to do. Names
//! and errors are words of strangers: control characters go, and each destination escapes what is markup to it. No row
//! of a user is in here: errors were redacted when they were stored, and details are left out.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rule::{RuleKind, Severity};
use crate::run::words;

words! {
    /// What a message tells of.
    Event {
        /// An alert that fires.
        Firing = "firing",
        /// Its end.
        Resolved = "resolved",
        /// Nothing: somebody tries the destination.
        Test = "test",
    }
}

words! {
    /// Why an alert ended.
    Resolution {
        /// What fired is quiet.
        Well = "it is well again",
        /// A person paused the view.
        Paused = "the view was paused",
        /// What it was about is no longer there.
        Gone = "it is no longer there",
        /// The rule was turned off or means other views now.
        Ruled = "the rule does not judge it any more",
    }
}

/// How many views are named; the rest is counted.
const NAMED: usize = 20;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What it tells of.
    pub event: Event,
    /// The database, by its name.
    pub database: String,
    /// The alert; none in a test.
    pub alert_id: Option<i64>,
    /// The name of the rule; none in a test.
    pub rule: Option<String>,
    /// The kind of the rule.
    pub kind: Option<RuleKind>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, such as `view public.sales`.
    pub about: String,
    /// The view, if it is about one, as `schema.name`.
    pub view: Option<String>,
    /// What is the matter: what follows `about` in a sentence.
    pub reason: String,
    /// What to do.
    pub advice: String,
    /// The run that shows it.
    pub run_id: Option<i64>,
    /// Since when.
    pub fired_at: Timestamp,
    /// Until when, once it has ended.
    pub resolved_at: Option<Timestamp>,
    /// Why it ended.
    pub resolution: Option<Resolution>,
    /// The views that read this one, and so grow old with it.
    pub dependents: Vec<String>,
    /// Where to read more.
    pub url: Option<String>,
}

impl Message {
    /// A message that only tries a destination.
    pub fn test(database: &str, now: Timestamp, url: Option<String>) -> Self {
        Self {
            event: Event::Test,
            database: database.into(),
            alert_id: None,
            rule: None,
            kind: None,
            severity: Severity::Warning,
            about: "this is a test".into(),
            view: None,
            reason: "of where alerts go".into(),
            advice: "Nothing is the matter, and nothing is to be done.".into(),
            run_id: None,
            fired_at: now,
            resolved_at: None,
            resolution: None,
            dependents: Vec::new(),
            url,
        }
    }

    /// One line.
    pub fn subject(&self) -> String {
        let line = match (self.event, self.resolution) {
            (Event::Resolved, Some(resolution)) => {
                format!("[remat {}] resolved: {}: {resolution}", self.database, self.about)
            }
            (Event::Resolved, None) => format!("[remat {}] resolved: {}", self.database, self.about),
            (Event::Firing | Event::Test, _) => {
                format!("[remat {}] {} {}", self.database, self.about, self.reason)
            }
        };
        one_line(&line)
    }

    /// What is told below the subject, in plain text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name}: {}", one_line(value));
        };
        match self.event {
            Event::Firing | Event::Test => line("what to do", &self.advice),
            Event::Resolved => line("it was", &format!("{} {}", self.about, self.reason)),
        }
        if let (Event::Firing, false) = (self.event, self.dependents.is_empty()) {
            line("views that read it and grow old with it", &self.dependents_in_words());
        }
        line("since", &in_utc(self.fired_at));
        if let Some(at) = self.resolved_at {
            line("until", &in_utc(at));
        }
        if let Some(rule) = &self.rule {
            line("rule", &format!("{rule} ({})", self.severity));
        }
        if let Some(run_id) = self.run_id {
            line("run", &format!("{run_id} (`remat run {run_id}`)"));
        }
        if let Some(url) = &self.url {
            line("more", url);
        }
        text
    }

    fn dependents_in_words(&self) -> String {
        let named = self.dependents.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        match self.dependents.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

/// A time with its zone.
fn in_utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Without what would begin another line or is not meant to be seen.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
