//! What differs between two definitions, in the words of a view file.
//!
//! Law: every field of a definition is compared; a field that is added to it does not compile here until it is. The
//! name is not: it tells which definitions to compare.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use crate::{
    name::Identifier,
    schedule::Dispatch,
    view::{Definition, IndexSpec, Settings},
};

/// One thing that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The key of a view file that says it, or `query`, `name`, `relation`.
    pub what: String,
    /// What it was; none if nothing.
    pub from: Option<String>,
    /// What it will be; none if nothing.
    pub to: Option<String>,
}

impl Change {
    pub(super) fn new(what: impl Into<String>, from: Option<String>, to: Option<String>) -> Self {
        Self { what: what.into(), from, to }
    }
}

/// One line of the difference between two queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// On which side it stands.
    pub side: Side,
    /// The line, without its end.
    pub text: String,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In both queries.
    Both,
    /// In the old one only.
    Old,
    /// In the new one only.
    New,
}

/// The lines of two queries.
pub(super) fn diff(old: &str, new: &str) -> Vec<DiffLine> {
    let side = |tag| match tag {
        ChangeTag::Equal => Side::Both,
        ChangeTag::Delete => Side::Old,
        ChangeTag::Insert => Side::New,
    };
    let (old, new) = (whole_lines(old), whole_lines(new));
    let diff = TextDiff::from_lines(&old, &new);
    diff.iter_all_changes()
        .map(|line| DiffLine {
            side: side(line.tag()),
            text: line.value().trim_end_matches(['\r', '\n']).to_owned(),
        })
        .collect()
}

/// Without it, a last line would differ from the same line in the middle of the other text.
fn whole_lines(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

/// Everything that differs.
pub(super) fn between(old: &Definition, new: &Definition) -> Vec<Change> {
    changes(facts(old), facts(new))
}

/// Everything that a new definition says.
pub(super) fn all_new(new: &Definition) -> Vec<Change> {
    changes(Vec::new(), facts(new))
}

/// Everything that a removed definition said.
pub(super) fn all_gone(old: &Definition) -> Vec<Change> {
    changes(facts(old), Vec::new())
}

fn changes(old: Vec<Fact>, new: Vec<Fact>) -> Vec<Change> {
    let mut before: BTreeMap<String, Option<String>> = old.iter().cloned().collect();
    let order = new.into_iter().map(|(what, to)| (before.remove(&what).flatten(), what, to));
    let mut changes: Vec<Change> = order.map(|(from, what, to)| Change { what, from, to }).collect();
    let gone = old.into_iter().filter(|(what, _)| before.contains_key(what));
    changes.extend(gone.map(|(what, from)| Change { what, from, to: None }));
    changes.retain(|change| change.from != change.to);
    changes
}

type Fact = (String, Option<String>);

fn facts(definition: &Definition) -> Vec<Fact> {
    let Definition {
        name: _,
        query,
        strategy,
        strict,
        key,
        indexes,
        schedule,
        schedule_zone,
        target_lag_s,
        row_count,
        settings,
        tags,
        owner,
        description,
        dispatch,
        publish,
        renamed_from: _,
    } = definition;
    let mut facts: Vec<Fact> = [
        ("query", Some(query.clone())),
        ("strategy", Some(strategy.to_string())),
        ("strict", strict.then(|| "true".into())),
        ("key", list(key)),
        ("indexes", not_empty(&indexes.iter().map(index).collect::<Vec<_>>())),
        ("schedule", schedule.clone()),
        ("zone", Some(schedule_zone.clone())),
        ("target_lag", target_lag_s.map(|seconds| duration(SignedDuration::from_secs(seconds)))),
        ("row_count", Some(row_count.to_string())),
        ("tags", not_empty(tags)),
        ("owner", owner.as_ref().map(Identifier::to_string)),
        ("description", description.clone()),
        ("publish", publish.as_ref().map(ToString::to_string)),
    ]
    .map(|(what, value)| (what.to_owned(), value))
    .into();
    facts.extend(session(settings));
    facts.extend(runs(dispatch));
    facts
}

fn session(settings: &Settings) -> Vec<Fact> {
    let Settings {
        time_zone,
        search_path,
        lock_timeout_ms,
        lock_budget_ms,
        statement_timeout_ms,
        parameters,
    } = settings;
    let milliseconds = |ms: &u32| Some(duration(SignedDuration::from_millis(i64::from(*ms))));
    let mut facts: Vec<Fact> = [
        ("time_zone", Some(time_zone.clone())),
        ("search_path", list(search_path)),
        ("lock_timeout", milliseconds(lock_timeout_ms)),
        ("lock_budget", milliseconds(lock_budget_ms)),
        ("statement_timeout", milliseconds(statement_timeout_ms)),
    ]
    .map(|(what, value)| (what.to_owned(), value))
    .into();
    facts.extend(parameters.iter().map(|(name, value)| (format!("parameters.{name}"), Some(value.clone()))));
    facts
}

fn runs(dispatch: &Dispatch) -> Vec<Fact> {
    let Dispatch { queue, priority, overlap, misfire, catch_up_s, jitter_s, lock_retries, work_retries } =
        dispatch;
    let seconds = |seconds: &i64| duration(SignedDuration::from_secs(*seconds));
    [
        ("queue", queue.clone()),
        ("priority", priority.to_string()),
        ("overlap", overlap.to_string()),
        ("misfire", misfire.to_string()),
        ("catch_up", seconds(catch_up_s)),
        ("jitter", seconds(jitter_s)),
        ("lock_retries", lock_retries.to_string()),
        ("work_retries", work_retries.to_string()),
    ]
    .map(|(what, value)| (what.to_owned(), Some(value)))
    .into()
}

fn index(index: &IndexSpec) -> String {
    let IndexSpec { columns, unique, method } = index;
    let unique = if *unique { "unique " } else { "" };
    format!("{unique}{method} ({})", list(columns).unwrap_or_default())
}

fn list(names: &[Identifier]) -> Option<String> {
    not_empty(&names.iter().map(Identifier::to_string).collect::<Vec<_>>())
}

fn not_empty(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn duration(duration: SignedDuration) -> String {
    format!("{duration:#}")
}
