//! The rules: what they are called, what they can be told, and which of them means a view.
//!
//! Law: each kind has one rule of its own name, which is on unless somebody turns it off. Further rules of the same kind
//! are for the views that they name by name or tag, and the most particular one that means a view is the only one of its
//! kind that judges it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::facts::ViewFacts;
use crate::run::words;

words! {
    /// What a rule looks for.
    RuleKind {
        /// The last run failed, and nothing will try again by itself.
        Failed = "failed",
        /// So many attempts failed in a row, also those that are tried again.
        Streak = "streak",
        /// A refresh takes much longer than the last ones did.
        Slow = "slow",
        /// The contents are older than the target.
        Stale = "stale",
        /// The relation that remat made is gone.
        Missing = "missing",
        /// A verification found contents that differ from the query.
        Mismatch = "mismatch",
        /// A view was paused because its attempts took their connection down.
        Quarantined = "quarantined",
        /// Something fires by the clock, and no scheduler has looked for a while.
        Scheduler = "scheduler_stalled",
        /// A worker fell silent without leaving.
        Worker = "worker_lost",
    }
}

words! {
    /// How bad it is.
    Severity {
        /// Somebody should look within the day.
        Warning = "warning",
        /// Somebody should look now.
        Critical = "critical",
    }
}

impl RuleKind {
    /// Whether it judges views; the others judge processes.
    pub fn is_of_views(self) -> bool {
        !matches!(self, Self::Scheduler | Self::Worker)
    }

    fn severity(self) -> Severity {
        match self {
            Self::Streak | Self::Missing | Self::Mismatch | Self::Quarantined | Self::Scheduler => {
                Severity::Critical
            }
            Self::Failed | Self::Slow | Self::Stale | Self::Worker => Severity::Warning,
        }
    }
}

/// The name of what concerns all rules, in tables and mutes.
pub const MAIN: &str = "*";

/// What concerns all rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct All {
    /// Whether anything is judged.
    pub enabled: bool,
    /// Whether the end of an alert is told as well.
    pub resolved: bool,
    /// Where people reach the pages, for links; it ends without a slash.
    pub public_url: Option<String>,
}

impl Default for All {
    fn default() -> Self {
        Self { enabled: true, resolved: true, public_url: None }
    }
}

/// One rule. Each kind heeds its own part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it looks for.
    pub kind: RuleKind,
    /// Whether it looks; a particular rule that does not keeps its views from the general one.
    pub enabled: bool,
    /// How bad it is.
    pub severity: Severity,
    /// Only these views, as `schema.name`.
    pub views: Vec<String>,
    /// Only views with one of these tags.
    pub tags: Vec<String>,
    /// Only to these destinations; to all of them when none is named.
    pub destinations: Vec<String>,
    /// For `streak`: how many failures in a row.
    pub failures: u32,
    /// For `slow`: over so many hundredths of the average.
    pub over_percent: u32,
    /// For `slow`: the average of how many refreshes.
    pub samples: u32,
    /// For `slow`: never below so long, in milliseconds.
    pub at_least_ms: u64,
    /// For `stale`: how long past the target, in milliseconds.
    pub grace_ms: u64,
    /// For `scheduler_stalled` and `worker_lost`: how long a silence, in milliseconds.
    pub silence_ms: u64,
}

impl Rule {
    /// A rule of this kind with the defaults.
    pub fn new(kind: RuleKind) -> Self {
        Self {
            kind,
            enabled: true,
            severity: kind.severity(),
            views: Vec::new(),
            tags: Vec::new(),
            destinations: Vec::new(),
            failures: 3,
            over_percent: 200,
            samples: 10,
            at_least_ms: 10_000,
            grace_ms: 30_000,
            silence_ms: 60_000,
        }
    }

    /// How particularly it means a view: by its name, by a tag, in general; none where it does not.
    fn means(&self, view: &ViewFacts) -> Option<u8> {
        if self.views.contains(&view.name.to_string()) {
            return Some(2);
        }
        if self.tags.iter().any(|tag| view.tags.contains(tag)) {
            return Some(1);
        }
        (self.views.is_empty() && self.tags.is_empty()).then_some(0)
    }
}

/// All rules by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What concerns them all.
    pub all: All,
    rules: BTreeMap<String, Rule>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(All::default(), Vec::new())
    }
}

impl Rules {
    /// The defaults, and what somebody wrote over them.
    pub fn new(all: All, written: Vec<(String, Rule)>) -> Self {
        let plain = RuleKind::ALL.iter().map(|kind| (kind.as_str().to_owned(), Rule::new(*kind)));
        Self { all, rules: plain.chain(written).collect() }
    }

    /// Every rule with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules.iter().map(|(name, rule)| (name.as_str(), rule))
    }

    /// The rule of this name.
    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.rules.get(name)
    }

    /// The rule of a kind that judges a view; of two that mean it alike, the one whose name comes first.
    pub fn of_view(&self, kind: RuleKind, view: &ViewFacts) -> Option<(&str, &Rule)> {
        let of_kind = self.iter().filter(|(_, rule)| rule.kind == kind);
        let mut best: Option<(u8, (&str, &Rule))> = None;
        for (name, rule) in of_kind {
            if let Some(rank) = rule.means(view)
                && best.is_none_or(|(known, _)| rank > known)
            {
                best = Some((rank, (name, rule)));
            }
        }
        best.map(|(_, found)| found).filter(|(_, rule)| rule.enabled)
    }

    /// The rule of a kind that judges what is no view.
    pub fn general(&self, kind: RuleKind) -> Option<(&str, &Rule)> {
        self.rules
            .get_key_value(kind.as_str())
            .map(|(name, rule)| (name.as_str(), rule))
            .filter(|(_, rule)| rule.enabled)
    }

    /// How many durations the rules ask for, and from which length on.
    pub fn durations(&self) -> (i64, Duration) {
        let slow: Vec<_> =
            self.rules.values().filter(|rule| rule.kind == RuleKind::Slow && rule.enabled).collect();
        let most = slow.iter().map(|rule| i64::from(rule.samples) + 1).max().unwrap_or(0);
        let least = slow.iter().map(|rule| rule.at_least_ms).min().unwrap_or(u64::MAX);
        (most, Duration::from_millis(least))
    }
}
