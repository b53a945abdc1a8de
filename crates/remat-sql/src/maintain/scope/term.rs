//! The values of the scope columns that a change of one leaf can affect, as a query.
//!
//! Law: a term joins no more leaves than the way from the changed one to the scope columns needs. Whatever else is read is
//! read as it is and as it was, so a row that lost its partner in the same turn is found through the old one.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::ir::{self, Body, ColumnRef, Distinct, Expr, Query, Select, Source, SourceKind, Target, quoted};

use super::flat::{Flat, LeafKind, Window, equal, words};
use crate::maintain::{Turn, clock::as_of_since};

/// A query of values of the scope columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Term {
    /// The source whose change it follows.
    pub(super) source: usize,
    /// Whether it follows rows that crossed a bound of time, and not the changes.
    crossing: bool,
    select: String,
    from: Vec<Reading>,
    filter: Vec<String>,
}

/// One item of FROM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    alias: String,
    /// The relation or the call.
    text: String,
    /// The source, where it is one, and its columns that are read.
    source: Option<(usize, Vec<String>)>,
}

/// The changes of a source, as the statement names them.
pub(super) fn changes_of(source: usize) -> String {
    format!("remat_x{source}")
}

impl Term {
    /// As SQL, if anything can have changed that it follows.
    pub(super) fn sql(&self, turn: &Turn, distinct: bool) -> Option<String> {
        let has_changed = |source: usize| turn.changes.get(source).is_some_and(Option::is_some);
        if !self.crossing && !has_changed(self.source) {
            return None;
        }
        let reading = |(n, reading): (usize, &Reading)| {
            let Reading { alias, text, source } = reading;
            match source {
                Some((source, _)) if n == 0 && !self.crossing => format!("{} {alias}", changes_of(*source)),
                Some((source, columns)) if n > 0 && has_changed(*source) => {
                    let (columns, changes) = (columns.join(", "), changes_of(*source));
                    format!(
                        "(select {columns} from {text} union all select {columns} from {changes} where remat_w = -1) {alias}"
                    )
                }
                _ => format!("{text} {alias}"),
            }
        };
        let from: Vec<_> = self.from.iter().enumerate().map(reading).collect();
        let filter = if self.filter.is_empty() {
            String::new()
        } else {
            format!(" where {}", self.filter.join(" and "))
        };
        let distinct = if distinct { "distinct " } else { "" };
        Some(format!("select {distinct}{} from {}{filter}", self.select, from.join(", ")))
    }

    /// The columns of sources that it names.
    pub(super) fn columns(&self) -> impl Iterator<Item = (usize, &[String])> {
        self.from.iter().filter_map(|reading| {
            reading.source.as_ref().map(|(source, columns)| (*source, columns.as_slice()))
        })
    }
}

/// The way from a leaf to the scope columns.
struct Way<'a> {
    flat: &'a Flat,
    holding: Vec<&'a Expr>,
    classes: Vec<BTreeSet<ColumnRef>>,
    /// In the order of FROM.
    chosen: Vec<usize>,
    exprs: Vec<Expr>,
}

/// The term of a leaf's changes, or of its rows that crossed a bound; none where any row of the leaf matters to rows of all kinds.
pub(super) fn term(
    flat: &Flat,
    leaf: usize,
    exprs: &[Expr],
    window: Option<&Window>,
    source_of: &mut dyn FnMut(&crate::catalog::QualifiedName) -> usize,
) -> Option<Term> {
    let visible = flat.visible(flat.leaves[leaf].context);
    let holding = flat.holding(&visible);
    let classes = flat.classes(&holding);
    let mut way = Way { flat, holding, classes, chosen: vec![leaf], exprs: exprs.to_vec() };
    let may_cross = !visible.is_disjoint(&flat.guarded);
    way.find(may_cross)?;
    let mut filter = way.filter();
    if let Some(window) = window {
        filter.push(crossing(window)?);
    }
    Some(way.term(&filter, window.is_some(), source_of))
}

/// The condition that a row crossed a bound of time since the last refresh.
fn crossing(window: &Window) -> Option<Expr> {
    let (then, now) = (as_of_since(&window.bound)?, window.bound.clone());
    let text = |words: &'static str| move || Expr::text(words);
    let (row, then, now) = (|| window.expr.clone(), || then.clone(), || now.clone());
    Some(words(&[
        &text("("),
        &row,
        &text(" >= LEAST("),
        &then,
        &text(", "),
        &now,
        &text(") AND "),
        &row,
        &text(" <= GREATEST("),
        &then,
        &text(", "),
        &now,
        &text("))"),
    ]))
}

/// The condition that a row of a leaf crossed a bound of time, as SQL.
pub(super) fn crossing_sql(flat: &Flat, window: &Window) -> Option<String> {
    let relation = relation_sql(&flat.leaves[window.leaf].kind)?;
    let condition = ir::expr_sql(&level(flat, &[window.leaf]), &crossing(window)?);
    Some(format!("exists (select from {relation} as {} where {condition})", alias(0)))
}

fn alias(place: usize) -> String {
    format!("x{place}")
}

/// A relation as SQL.
fn relation_sql(kind: &LeafKind) -> Option<String> {
    let LeafKind::Relation { name, only, .. } = kind else { return None };
    let only = if *only { "only " } else { "" };
    Some(format!("{only}{}.{}", quoted(&name.schema), quoted(&name.name)))
}

impl Way<'_> {
    /// Adds leaves until the scope columns are reached.
    fn find(&mut self, may_cross: bool) -> Option<()> {
        loop {
            self.express();
            let needed: BTreeSet<usize> =
                self.exprs.iter().flat_map(Expr::columns).map(|column| column.source).collect();
            let Some(goal) = needed.into_iter().find(|leaf| !self.chosen.contains(leaf)) else {
                return Some(());
            };
            let path = self.path(goal, true).or_else(|| self.path(goal, false));
            match path {
                Some(path) => path.into_iter().for_each(|leaf| self.choose(leaf)),
                None if may_cross => self.choose(goal),
                None => return None,
            }
        }
    }

    /// Puts equal columns of chosen leaves into the scope columns.
    fn express(&mut self) {
        let (chosen, classes, flat) = (&self.chosen, &self.classes, self.flat);
        for expr in &mut self.exprs {
            let is_bare = expr.bare_column().is_some();
            expr.substitute(&mut |column| {
                if chosen.contains(&column.source) {
                    return None;
                }
                let class = classes.iter().find(|class| class.contains(column))?;
                let same = |other: &&ColumnRef| {
                    let kind = flat.type_of(column);
                    is_bare || (kind.is_some_and(is_identical_when_equal) && kind == flat.type_of(other))
                };
                let other = chosen
                    .iter()
                    .find_map(|leaf| class.iter().filter(|other| other.source == *leaf).find(same));
                other.map(|other| Expr::column(other.clone()))
            });
        }
    }

    fn choose(&mut self, leaf: usize) {
        if self.chosen.contains(&leaf) {
            return;
        }
        for needed in named(self.flat, leaf) {
            self.choose(needed);
        }
        self.chosen.push(leaf);
    }

    /// The shortest way from the chosen leaves to another one, by equalities or by any condition.
    fn path(&self, goal: usize, equalities: bool) -> Option<Vec<usize>> {
        let links = self.links(equalities);
        let mut from: Vec<Option<usize>> = vec![None; self.flat.leaves.len()];
        let mut waiting: VecDeque<usize> = self.chosen.iter().copied().collect();
        let mut seen: BTreeSet<usize> = self.chosen.iter().copied().collect();
        while let Some(leaf) = waiting.pop_front() {
            if leaf == goal {
                break;
            }
            let beside = links.iter().filter_map(|(one, other)| match leaf {
                _ if leaf == *one => Some(*other),
                _ if leaf == *other => Some(*one),
                _ => None,
            });
            for next in beside.filter(|next| seen.insert(*next)).collect::<Vec<_>>() {
                from[next] = Some(leaf);
                waiting.push_back(next);
            }
        }
        let mut path = Vec::new();
        let mut at = seen.contains(&goal).then_some(goal)?;
        while let Some(before) = from[at] {
            path.push(at);
            at = before;
        }
        path.reverse();
        Some(path)
    }

    /// Which leaves are joined directly.
    fn links(&self, equalities: bool) -> BTreeSet<(usize, usize)> {
        let mut links = BTreeSet::new();
        for class in &self.classes {
            let leaves: BTreeSet<usize> = class.iter().map(|column| column.source).collect();
            links.extend(
                leaves.iter().flat_map(|one| leaves.range(one + 1..).map(move |other| (*one, *other))),
            );
        }
        for expr in &self.holding {
            let leaves: Vec<usize> = leaves_of(expr).into_iter().collect();
            let is_equality = expr.comparison().is_some_and(|comparison| comparison.operator == "=");
            if let ([one, other], true) = (leaves.as_slice(), is_equality || !equalities) {
                links.insert((*one, *other));
            }
        }
        for leaf in 0..self.flat.leaves.len() {
            links.extend(named(self.flat, leaf).into_iter().map(|needed| (needed, leaf)));
        }
        links
    }

    /// The conditions between the chosen leaves.
    fn filter(&self) -> Vec<Expr> {
        let mut filter = Vec::new();
        for class in &self.classes {
            let own: Vec<_> = class.iter().filter(|column| self.chosen.contains(&column.source)).collect();
            for pair in own.windows(2) {
                filter.push(equal(Expr::column(pair[0].clone()), Expr::column(pair[1].clone())));
            }
        }
        let rest = self.holding.iter().filter(|expr| self.flat.kin(expr).is_none());
        let within = |expr: &&&Expr| leaves_of(expr).iter().all(|leaf| self.chosen.contains(leaf));
        filter.extend(rest.filter(within).map(|expr| (*expr).clone()));
        filter
    }

    fn term(
        &self,
        filter: &[Expr],
        crossing: bool,
        source_of: &mut dyn FnMut(&crate::catalog::QualifiedName) -> usize,
    ) -> Term {
        let level = level(self.flat, &self.chosen);
        let sql = |expr: &Expr| ir::expr_sql(&level, expr);
        let mut named: BTreeSet<ColumnRef> =
            filter.iter().chain(&self.exprs).flat_map(Expr::columns).collect();
        let calls = self.chosen.iter().flat_map(|leaf| self.flat.leaves[*leaf].kind.exprs());
        named.extend(calls.flat_map(Expr::columns));
        let mut reading = |(n, leaf): (usize, &usize)| {
            let kind = &self.flat.leaves[*leaf].kind;
            let source = match kind {
                LeafKind::Relation { name, columns, .. } => {
                    let own = named.iter().filter(|column| column.source == *leaf);
                    let name_of = |column: &ColumnRef| match &column.target {
                        Target::Column(place) => columns.get(*place).map(|column| quoted(&column.name)),
                        Target::Row | Target::System(_) => None,
                    };
                    Some((source_of(name), own.filter_map(name_of).collect()))
                }
                LeafKind::Function { .. } | LeafKind::Values { .. } => None,
            };
            Reading { alias: aliased(n, kind), text: text(kind, &sql), source }
        };
        let from: Vec<Reading> = self.chosen.iter().enumerate().map(&mut reading).collect();
        Term {
            source: from.first().and_then(|reading| reading.source.as_ref()).map_or(0, |(source, _)| *source),
            crossing,
            select: self.exprs.iter().map(sql).collect::<Vec<_>>().join(", "),
            from,
            filter: filter.iter().map(sql).collect(),
        }
    }
}

/// The leaves that a leaf's call names.
fn named(flat: &Flat, leaf: usize) -> BTreeSet<usize> {
    flat.leaves[leaf].kind.exprs().into_iter().flat_map(leaves_of).collect()
}

fn leaves_of(expr: &Expr) -> BTreeSet<usize> {
    expr.columns().iter().map(|column| column.source).collect()
}

fn text(kind: &LeafKind, sql: &dyn Fn(&Expr) -> String) -> String {
    match kind {
        LeafKind::Relation { .. } => relation_sql(kind).unwrap_or_default(),
        LeafKind::Function { call, ordinality, .. } => {
            format!("lateral {}{}", sql(call), if *ordinality { " with ordinality" } else { "" })
        }
        LeafKind::Values { rows } => {
            let row = |row: &Vec<Expr>| format!("({})", row.iter().map(sql).collect::<Vec<_>>().join(", "));
            format!("lateral (values {})", rows.iter().map(row).collect::<Vec<_>>().join(", "))
        }
    }
}

fn aliased(place: usize, kind: &LeafKind) -> String {
    let own = alias(place);
    let columns = columns_of(kind);
    match kind {
        LeafKind::Relation { .. } => format!("as {own}"),
        LeafKind::Function { types: Some(types), .. } => {
            let defined = columns.iter().zip(types).map(|(name, of)| format!("{} {of}", quoted(name)));
            format!("as {own} ({})", defined.collect::<Vec<_>>().join(", "))
        }
        LeafKind::Function { .. } | LeafKind::Values { .. } => {
            let listed = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>();
            format!("as {own} ({})", listed.join(", "))
        }
    }
}

fn columns_of(kind: &LeafKind) -> Vec<String> {
    match kind {
        LeafKind::Relation { columns, .. } => columns.iter().map(|column| column.name.clone()).collect(),
        LeafKind::Function { columns, .. } => columns.clone(),
        LeafKind::Values { rows } => {
            (1..=rows.first().map_or(0, Vec::len)).map(|n| format!("c{n}")).collect()
        }
    }
}

/// A level of names whose sources are the leaves, named by their order in FROM, so that equal terms have equal words.
fn level(flat: &Flat, chosen: &[usize]) -> Query {
    let name = |leaf| chosen.iter().position(|own| *own == leaf).map(alias);
    let source = |(n, leaf): (usize, &super::flat::Leaf)| Source {
        name: name(n),
        columns: columns_of(&leaf.kind),
        listed: false,
        kind: SourceKind::Join,
    };
    let sources = flat.leaves.iter().enumerate().map(source).collect();
    let select = Select {
        distinct: Distinct::No,
        items: Vec::new(),
        sources,
        from: Vec::new(),
        filter: Vec::new(),
        group: None,
        having: Vec::new(),
        windows: Vec::new(),
    };
    let body = Body::Select(Box::new(select));
    Query { with: Vec::new(), body, order: Vec::new(), offset: None, limit: None }
}

/// Types whose equal values no function tells apart.
fn is_identical_when_equal(of: &str) -> bool {
    ["smallint", "integer", "bigint", "boolean", "date", "uuid"].contains(&of) || of.starts_with("timestamp")
}
