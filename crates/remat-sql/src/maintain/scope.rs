//! Computes the rows of affected keys again.
//!
//! Law: the *scope* are columns of the public table such that its rows with one value of them depend only on rows below that
//! can be traced to that value. From the changes comes a superset of the values whose rows may differ; the query is
//! computed again for these and compared with what stands there under the same values. Where a change cannot be
//! traced, the query is computed again as a whole.
//!
//! | module | does |
//! |---|---|
//! | [`trace`] | the query to flat joins, by which rows are traced |
//! | [`usable`] | which columns of a SELECT may be traced through |
//! | [`choose`] | the scope columns |
//! | [`term`] | from a changed row to values of the scope columns |
//! | [`narrow`] | the query, restricted where its rows are read |

mod choose;
mod flat;
mod narrow;
mod term;
mod trace;
mod usable;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Plan, Source, Stage, Turn, View, apply::Target, changes_gap};
use crate::{Code, Rejection, catalog::QualifiedName, ir, window};
use choose::{Choice, choose};
use flat::{Flat, LeafKind};
use narrow::{KEYS, Narrower, Want, key_name};
use term::Term;
use trace::{Tracer, refused};

/// The public table, restricted to the keys that a change can affect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// For a person.
    pub(super) title: String,
    pub(super) target: Target,
    /// The places of the scope columns.
    places: Vec<usize>,
    /// Whether they may be NULL.
    nullable: bool,
    /// The columns of each source that are read from its changes, quoted.
    read: Vec<Vec<String>>,
    terms: Vec<Term>,
    /// The sources whose changes cannot be traced.
    everything: BTreeSet<usize>,
    /// The query as a whole.
    whole: String,
    /// The query of the rows with affected values.
    restricted: String,
    /// The types of the scope columns.
    types: Vec<String>,
}

/// Plans a view whose affected rows are computed again.
///
/// # Errors
/// When no columns of the view can serve as its scope.
pub fn plan(view: View<'_>) -> Result<Plan, Rejection> {
    let target = Target::new(view.columns, view.key).ok_or_else(|| {
        refused(Code::UnknownName, "key", "the key names a column that the view does not have")
    })?;
    if let Some(clock) = window::clocks(view.query).other.first() {
        let text = &clock.clock.text;
        return Err(refused(
            Code::Clock,
            text,
            &format!("{text} is not part of a condition on a row of one table"),
        ));
    }
    let traced = Tracer { catalog: view.catalog }.trace(view.query)?;
    let choice = choose(&view, traced)?;
    let mut found = Found::default();
    for (flat, exprs) in &choice.flats {
        found.follow(flat, exprs)?;
    }
    Ok(found.plan(&view, &choice, target))
}

/// What follows the changes, and what it reads.
#[derive(Default)]
struct Found {
    relations: Vec<QualifiedName>,
    terms: Vec<Term>,
    everything: BTreeSet<usize>,
    crossings: BTreeSet<String>,
}

impl Found {
    fn follow(&mut self, flat: &Flat, exprs: &[ir::Expr]) -> Result<(), Rejection> {
        for (n, leaf) in flat.leaves.iter().enumerate() {
            let LeafKind::Relation { name, .. } = &leaf.kind else { continue };
            let source = self.source(name);
            match self.term(flat, n, exprs, None) {
                Some(term) => self.add(term),
                None => {
                    self.everything.insert(source);
                }
            }
            for window in flat.windows.iter().filter(|window| window.leaf == n) {
                self.cross(flat, n, exprs, window)?;
            }
        }
        Ok(())
    }

    fn cross(
        &mut self,
        flat: &Flat,
        leaf: usize,
        exprs: &[ir::Expr],
        window: &flat::Window,
    ) -> Result<(), Rejection> {
        let untraceable = || {
            refused(
                Code::Untraceable,
                "clock",
                "rows that cross a bound of time cannot be traced to rows of the view",
            )
        };
        let term = self.term(flat, leaf, exprs, Some(window)).ok_or_else(untraceable)?;
        self.crossings.insert(term::crossing_sql(flat, window).ok_or_else(untraceable)?);
        self.add(term);
        Ok(())
    }

    fn term(
        &mut self,
        flat: &Flat,
        leaf: usize,
        exprs: &[ir::Expr],
        window: Option<&flat::Window>,
    ) -> Option<Term> {
        term::term(flat, leaf, exprs, window, &mut |name| self.source(name))
    }

    fn add(&mut self, term: Term) {
        if !self.terms.contains(&term) {
            self.terms.push(term);
        }
    }

    fn source(&mut self, name: &QualifiedName) -> usize {
        self.relations.iter().position(|known| known == name).unwrap_or_else(|| {
            self.relations.push(name.clone());
            self.relations.len() - 1
        })
    }

    fn plan(self, view: &View<'_>, choice: &Choice, target: Target) -> Plan {
        let mut read = vec![BTreeSet::new(); self.relations.len()];
        for (source, columns) in self.terms.iter().flat_map(Term::columns) {
            read[source].extend(columns.iter().cloned());
        }
        let source = |(relation, read): (&QualifiedName, &BTreeSet<String>)| {
            let known = view.catalog.relations.get(relation).map(|known| known.columns.as_slice());
            let own = known.unwrap_or_default().iter().map(|column| column.name.clone());
            let columns = own.filter(|name| read.contains(&ir::quoted(name))).collect();
            Source { relation: relation.clone(), columns }
        };
        let sources = self.relations.iter().zip(&read).map(source).collect();
        let names: Vec<&str> = choice.places.iter().map(|place| view.columns[*place].name.as_str()).collect();
        let title = format!("rows by {}", names.join(", "));
        let types = choice.places.iter().map(|place| view.columns[*place].type_name.clone()).collect();
        let restricted = restricted(view, choice, &target);
        let scope = Scope {
            title,
            target,
            places: choice.places.clone(),
            nullable: !choice.is_of_key,
            read: read.into_iter().map(|columns| columns.into_iter().collect()).collect(),
            terms: self.terms,
            everything: self.everything,
            whole: ir::sql(view.query),
            restricted,
            types,
        };
        let crossings = self.crossings.into_iter().collect();
        Plan { sources, hidden: Vec::new(), stages: vec![Stage::Scope(scope)], crossings }
    }
}

/// The query of the rows with affected values, restricted where they are read if that can be said there.
fn restricted(view: &View<'_>, choice: &Choice, target: &Target) -> String {
    let mut query = view.query.clone();
    let wants: Vec<Want> =
        choice.places.iter().enumerate().map(|(key, place)| Want { place: *place, key }).collect();
    let is_exact = choice.is_of_key && Narrower::new(view.catalog).query(&mut query, &wants, true);
    let query = ir::sql(&query);
    if is_exact {
        return query;
    }
    let columns = (0..view.columns.len()).map(|place| target.column(place)).collect::<Vec<_>>().join(", ");
    let within = within(choice.is_of_key, &choice.places, target, "q");
    format!("select * from ({query}) as q ({columns}) where {within}")
}

/// That a row has affected values.
fn within(is_of_key: bool, places: &[usize], target: &Target, alias: &str) -> String {
    let columns: Vec<String> =
        places.iter().map(|place| format!("{alias}.{}", target.column(*place))).collect();
    let names: Vec<String> = (0..places.len()).map(key_name).collect();
    let (columns, names) = (columns.join(", "), names.join(", "));
    let distinct = if places.len() == 1 { "distinct " } else { "" };
    let within = format!("({columns}) in (select {distinct}{names} from {KEYS})");
    if is_of_key { within } else { format!("({within} or {columns} is null)") }
}

impl Scope {
    pub(super) fn statement(&self, turn: &Turn) -> String {
        let has_changed = |source: &usize| turn.changes.get(*source).is_some_and(Option::is_some);
        if self.everything.iter().any(has_changed) {
            return self.target.apply(&[], &self.whole, None);
        }
        let mut with = self.changes(turn);
        with.push(format!("{KEYS} ({}) as materialized ({})", self.listed(key_name), self.affected(turn)));
        let reach = within(!self.nullable, &self.places, &self.target, "t");
        self.target.apply(&with, &self.restricted, Some(&reach))
    }

    /// The changes of each source, read once.
    fn changes(&self, turn: &Turn) -> Vec<String> {
        let used = (0..self.read.len()).filter(|n| turn.changes.get(*n).is_some_and(Option::is_some));
        let one = |n: usize| {
            let columns = [&["remat_w".to_owned()], &*self.read[n]].concat().join(", ");
            let (name, changes) = (term::changes_of(n), changes_gap(n));
            format!("{name} as materialized (select {columns} from {changes} as c)")
        };
        used.map(one).collect()
    }

    /// The query of affected values.
    fn affected(&self, turn: &Turn) -> String {
        let terms =
            |distinct| self.terms.iter().filter_map(|term| term.sql(turn, distinct)).collect::<Vec<_>>();
        match terms(false).as_slice() {
            [] => format!("select {} where false", self.listed(|n| format!("null::{}", self.types[n]))),
            [_] => terms(true).concat(),
            several => several.join(" union "),
        }
    }

    fn listed(&self, text: impl Fn(usize) -> String) -> String {
        (0..self.places.len()).map(text).collect::<Vec<_>>().join(", ")
    }
}
