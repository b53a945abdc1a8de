//! The maintenance compiler: how a view follows the changes of what it reads.
//!
//! Law: a [`Plan`] is correct by itself or it is not given. It holds statements in words, with gaps for what differs from
//! one refresh to the next: where the changes stand, since when, and the names of its tables. It knows neither logs nor
//! snapshots; whoever runs it sees to it that all statements of one refresh see one snapshot, and that the hidden tables
//! were filled under the snapshot since which the changes are told.
//!
//! A query is cut into stages (ADR 21); the last one is the public table, the others are hidden. Each follows its inputs by one
//! [`Technique`].

pub mod advice;
mod aggregate;
mod apply;
mod clock;
mod cut;
mod delta;
mod group;
mod knowledge;
mod rewrite;
mod rows;
pub mod scope;
mod whole;

use std::fmt;

use serde::{Deserialize, Serialize};

use knowledge::Knowledge;
pub use knowledge::Types;

use crate::{
    Rejection,
    catalog::{Catalog, Column, QualifiedName},
    ir::Query,
};

/// The compiler's version: a plan that another version made is made again.
pub const VERSION: u32 = 1;

/// What is to be maintained.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its query; plain views that it reads are expanded already.
    pub query: &'a Query,
    /// What the query may name.
    pub catalog: &'a Catalog,
    /// The columns of the public table, in the order in which the query gives them, with their types.
    pub columns: &'a [Column],
    /// The names of the public table's key columns. None of them is ever NULL.
    pub key: &'a [String],
    /// What the server answered to [`questions`].
    pub types: &'a Types,
}

/// How a view follows the changes of what it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The relations whose changes it must be told.
    pub sources: Vec<Source>,
    /// The hidden tables, in the order in which they are filled.
    pub hidden: Vec<Hidden>,
    /// What one refresh does, stage by stage; the last one is the public table's.
    pub stages: Vec<Stage>,
    /// Conditions of which one is true when rows crossed a bound of time.
    pub crossings: Vec<String>,
}

/// A relation whose changes a plan must be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Which.
    pub relation: QualifiedName,
    /// The columns that it must be told, by name.
    pub columns: Vec<String>,
}

/// A table beside the public one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// The query that fills it, for `create table … as … with no data` and for `insert into …`. It may read hidden tables
    /// before it.
    pub query: String,
    /// The expressions of its unique index, each an operand; NULLs count as equal there already.
    pub key: Vec<String>,
    /// The expressions of further indexes, with their directions.
    pub indexes: Vec<Vec<String>>,
}

/// How a stage follows the changes of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Technique {
    /// Adds what came and takes off what went.
    SignedDelta,
    /// Computes the affected keys again.
    Scope,
    /// Computes everything again from inputs that are small.
    Whole,
}

/// What one stage does in a refresh: one statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Adds the change to the groups of a hidden table, and shows them where they are the rows of the view.
    Group(Box<group::Group>),
    /// Computes the affected keys of the public table again.
    Scope(scope::Scope),
    /// Computes the public table again from hidden tables.
    Whole(whole::Whole),
}

/// What differs from one refresh to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The public table, quoted.
    pub public: String,
    /// The hidden tables, quoted.
    pub hidden: Vec<String>,
    /// The changes of each source since the last refresh, as a query in parentheses without an alias: `remat_w` (`int4`, 1 for a
    /// new image, -1 for an old one) and the columns of the source by name. None where nothing changed.
    pub changes: Vec<Option<String>>,
    /// The time of the last refresh, as a constant of type `timestamptz` in SQL.
    pub since: String,
}

/// What the server must be asked before a view can be compiled: queries of whose columns the types are wanted. Ask, put the
/// answers into [`View::types`], and call again until nothing is asked.
pub fn questions(view: View<'_>) -> Vec<String> {
    let knowledge = Knowledge::new(view.catalog, view.types);
    // What is refused now may be refused for want of an answer.
    let _ = plan(view, &knowledge);
    knowledge.asked()
}

/// Compiles a view.
///
/// # Errors
/// When no technique fits a part of the query, with the part and the reason.
pub fn compile(view: View<'_>) -> Result<Plan, Rejection> {
    plan(view, &Knowledge::new(view.catalog, view.types))
}

fn plan(view: View<'_>, known: &Knowledge<'_>) -> Result<Plan, Rejection> {
    let query = view.query.clone().without_ctes().ok_or_else(|| {
        rows::refused("common table expressions", "they are read too often within each other")
    })?;
    let text = crate::ir::sql(&query);
    if text.contains(['\u{1}', '\u{2}']) {
        return Err(rows::refused(
            "a control character",
            "a constant holds one that the compiler uses itself",
        ));
    }
    let attempts: [Attempt; 4] = [cut::grouped, traced, cut::above_groups, whole::first_rows];
    let mut refusals = Vec::new();
    for attempt in attempts {
        // What a refused attempt learned of sources does not count.
        known.forget_sources();
        match attempt(view, &query, known) {
            Ok(plan) => return Ok(plan),
            Err(refusal) => refusals.push(refusal),
        }
    }
    // The second attempt is the most general one: it tells best what stands in the way.
    Err(refusals.swap_remove(1))
}

type Attempt = fn(View<'_>, &Query, &Knowledge<'_>) -> Result<Plan, Rejection>;

fn traced(view: View<'_>, query: &Query, _: &Knowledge<'_>) -> Result<Plan, Rejection> {
    scope::plan(View { query, ..view })
}

impl Plan {
    /// The statements that make the hidden tables, empty, and their indexes.
    pub fn create(&self, turn: &Turn) -> Vec<String> {
        let mut statements = Vec::new();
        for (hidden, name) in self.hidden.iter().zip(&turn.hidden) {
            let query = fill_gaps(&hidden.query, turn);
            statements.push(format!("create table {name} as {query} with no data"));
            if !hidden.key.is_empty() {
                statements.push(format!("create unique index on {name} ({})", hidden.key.join(", ")));
            }
            for index in &hidden.indexes {
                statements.push(format!("create index on {name} ({})", index.join(", ")));
            }
        }
        statements
    }

    /// The statements that fill the hidden tables anew. Beside them the public table wants a merge.
    pub fn fill(&self, turn: &Turn) -> Vec<String> {
        let tables = self.held(turn);
        tables
            .flat_map(|(name, query)| [format!("delete from {name}"), format!("insert into {name} {query}")])
            .collect()
    }

    /// The hidden tables, each with the query whose rows it must hold, whatever was followed to fill it.
    pub fn held<'a>(&'a self, turn: &'a Turn) -> impl Iterator<Item = (&'a str, String)> {
        let tables = self.hidden.iter().zip(&turn.hidden);
        tables.map(|(hidden, name)| (name.as_str(), fill_gaps(&hidden.query, turn)))
    }

    /// The condition that rows crossed a bound of time since the last refresh; none where no row ever does.
    pub fn crossing(&self, turn: &Turn) -> Option<String> {
        (!self.crossings.is_empty()).then(|| fill_gaps(&self.crossings.join(" or "), turn))
    }

    /// The statements of one refresh: one for each stage. That of the last stage selects one array of five numbers
    /// (`int8[]`): rows of the public table in its reach before, rows there after, and how many it deleted, updated and
    /// inserted. The others touch hidden tables only.
    pub fn refresh(&self, turn: &Turn) -> Vec<String> {
        self.stages.iter().map(|stage| fill_gaps(&stage.statement(turn), turn)).collect()
    }
}

impl Stage {
    /// How.
    pub fn technique(&self) -> Technique {
        match self {
            Self::Group(_) => Technique::SignedDelta,
            Self::Scope(_) => Technique::Scope,
            Self::Whole(_) => Technique::Whole,
        }
    }

    /// What it is, in a few words for a person, e.g. `group by user_id: count(*), sum(points)`.
    pub fn title(&self) -> &str {
        match self {
            Self::Group(group) => &group.title,
            Self::Scope(scope) => &scope.title,
            Self::Whole(whole) => &whole.title,
        }
    }

    fn statement(&self, turn: &Turn) -> String {
        match self {
            Self::Group(group) => group.statement(turn),
            Self::Scope(scope) => scope.statement(turn),
            Self::Whole(whole) => whole.statement(),
        }
    }
}

// Gaps stand between control characters; a query that holds such a one is not compiled.

/// The gap of the public table.
pub(crate) const PUBLIC: &str = "\u{1}public\u{2}";

/// The gap of the time of the last refresh, a constant of type `timestamptz`.
pub(crate) const SINCE: &str = "\u{1}since\u{2}";

/// The gap of a hidden table.
pub(crate) fn hidden_gap(place: usize) -> String {
    format!("\u{1}hidden{place}\u{2}")
}

/// The gap of the changes of a source: a row source in parentheses without an alias, with `remat_w` (1 or -1) and the captured
/// columns by name. To be used only where the source has changes.
pub(crate) fn changes_gap(source: usize) -> String {
    format!("\u{1}changes{source}\u{2}")
}

fn fill_gaps(text: &str, turn: &Turn) -> String {
    let mut filled = text.replace(SINCE, &turn.since).replace(PUBLIC, &turn.public);
    for (n, name) in turn.hidden.iter().enumerate() {
        filled = filled.replace(&hidden_gap(n), name);
    }
    for (n, changes) in turn.changes.iter().enumerate() {
        filled = filled.replace(&changes_gap(n), changes.as_deref().unwrap_or_default());
    }
    filled
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SignedDelta => "signed delta",
            Self::Scope => "scope",
            Self::Whole => "whole",
        })
    }
}
