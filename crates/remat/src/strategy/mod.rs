//! The ways to bring a view up to date.
//!
//! Law: a strategy works inside a transaction that its caller opened and will commit together with the run's success;
//! it neither opens nor ends runs, and does not know who asked. It takes `data_as_of` before it sends the statement
//! that reads the sources. The set of strategies is closed, so dispatch is a match and not a trait.

mod choose;
pub(crate) mod concurrent;
pub(crate) mod incremental;
pub(crate) mod key;
pub(crate) mod merge;
mod perform;
mod program;
mod regular;
mod swap;
pub(crate) mod verify;
mod weigh;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub(crate) use choose::{Choice, Facts, choose};
pub(crate) use perform::{Place, perform};
pub(crate) use program::Program;

use crate::{
    failure::Failure,
    pg::{Session, catalog::Relation},
    replace::Rebuilt,
    store::runs::Rows,
    view::{Strategy, View},
};

/// What a strategy needs: a session in a transaction, the view, and what stands under its name.
pub(crate) struct Work<'a> {
    pub(crate) session: &'a Session,
    pub(crate) view: &'a View,
    pub(crate) relation: &'a Relation,
    /// Rows after the last success, where remat counted them.
    pub(crate) known_rows: Option<i64>,
    pub(crate) phases: Phases,
}

/// What a strategy did.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) data_as_of: Option<Timestamp>,
    pub(crate) lock_wait: Duration,
    pub(crate) rows: Rows,
    /// True when the contents stand in a new file without a visibility map.
    pub(crate) wants_vacuum: bool,
    /// True when a new relation stands under the name.
    pub(crate) replaced: bool,
    /// Dependents that are other objects now.
    pub(crate) rebuilt: Vec<Rebuilt>,
    pub(crate) notes: Vec<String>,
    /// Further facts for the run's meta; an object, or null.
    pub(crate) facts: Value,
}

/// Refreshes by the strategy that was chosen, unless that is to follow changes; see [`incremental`].
pub(crate) async fn refresh(work: &mut Work<'_>, strategy: Strategy) -> Result<Report, Failure> {
    match strategy {
        Strategy::Regular => regular::refresh(work).await,
        Strategy::Concurrent => concurrent::refresh(work).await,
        Strategy::Swap => swap::refresh(work).await,
        Strategy::Merge => merge::refresh(work).await,
        Strategy::Incremental | Strategy::Auto => unreachable!("that is chosen elsewhere, or never"),
    }
}

impl Work<'_> {
    /// Where the statements of a managed table run.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { session: self.session, view: self.view, relation: self.relation }
    }

    /// The server's clock now. Taken just before a statement is sent, it is never later than that statement's
    /// snapshot, whatever locks the statement then waits for.
    pub(crate) async fn as_of(&self) -> Result<Timestamp, Failure> {
        Ok(self.session.query_one("select pg_catalog.clock_timestamp()", &[]).await?.get(0))
    }

    /// Rows before the run without reading the view: what the last success left, else the server's estimate.
    #[allow(clippy::cast_possible_truncation)] // an estimate of rows fits
    pub(crate) fn rows_before(&self) -> Option<i64> {
        let estimate = (self.relation.estimated_rows >= 0.0).then_some(self.relation.estimated_rows as i64);
        if self.relation.populated { self.known_rows.or(estimate) } else { Some(0) }
    }
}

/// How long each part of a run took.
#[derive(Debug, Default)]
pub(crate) struct Phases(Vec<(&'static str, Duration)>);

impl Phases {
    pub(crate) fn push(&mut self, name: &'static str, took: Duration) {
        self.0.push((name, took));
    }

    /// The time of these phases together.
    pub(crate) fn of(&self, names: &[&str]) -> Duration {
        self.0.iter().filter(|(name, _)| names.contains(name)).map(|(_, took)| *took).sum()
    }

    /// Milliseconds by phase, for the run's meta.
    pub(crate) fn to_json(&self) -> Value {
        let mut sums: Vec<(&str, Duration)> = Vec::new();
        for (name, took) in &self.0 {
            match sums.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += *took,
                None => sums.push((name, *took)),
            }
        }
        let entries = sums.into_iter().map(|(name, took)| (name.to_owned(), json!(millis_f64(took))));
        Value::Object(entries.collect::<Map<_, _>>())
    }
}

/// Milliseconds with three digits behind the point.
pub(crate) fn millis_f64(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
