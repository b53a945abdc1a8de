//! Puts the restriction to affected keys where the rows are read.
//!
//! Law: the server pushes `column in (keys)` below neither GROUP BY nor DISTINCT nor a window, and does not carry it from one
//! column to an equal one across a sub-select. So it is written into each such query on its own, wherever it follows from the
//! restriction of the whole; a place that is passed over makes the statement slower, never wrong. The answer tells whether
//! the restriction of the whole is met exactly, so that nobody need ask again.

mod floor;

use std::collections::BTreeSet;

use crate::{
    catalog::Catalog,
    ir::{
        Body, ColumnRef, Cte, Distinct, Expr, Join, JoinKind, Piece, Query, Select, Source, SourceKind,
        SublinkKind, Target, equalities,
    },
};

use super::{
    choose::coalesced,
    flat::are_kin,
    usable::{Usable, is_of_everything, row_parts},
};

/// The common table expression of affected keys.
pub(super) const KEYS: &str = "remat_k";

/// A column that comes out of a query, and which key it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Want {
    pub(super) place: usize,
    pub(super) key: usize,
}

/// Columns of a SELECT's own sources that matter only where they are among the keys, each with its key.
type Known = BTreeSet<(ColumnRef, usize)>;

/// Writes restrictions.
pub(super) struct Narrower<'a> {
    pub(super) catalog: &'a Catalog,
    /// What common table expressions mean, by level.
    with: Vec<Vec<Cte>>,
}

impl<'a> Narrower<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, with: Vec::new() }
    }

    /// Restricts a query to rows whose columns are among the keys. `here`: also where the server does so by itself, if told outside.
    pub(super) fn query(&mut self, query: &mut Query, wants: &[Want], here: bool) -> bool {
        if query.limit.is_some() || query.offset.is_some() || query.with.iter().any(|cte| cte.name == KEYS) {
            return false;
        }
        self.with.push(query.with.clone());
        let as_it_was = query.clone();
        let is_exact = match &mut query.body {
            Body::Select(select) => self.select(&as_it_was, select, wants, here),
            Body::Set { operands, .. } => {
                let mut is_exact = true;
                for operand in operands {
                    is_exact &= self.query(operand, wants, true);
                }
                is_exact
            }
            Body::Values(_) => false,
        };
        self.with.pop();
        is_exact
    }

    fn select(&mut self, query: &Query, select: &mut Select, wants: &[Want], here: bool) -> bool {
        let Some(as_it_was) = query.select() else { return false };
        if is_of_everything(query, as_it_was) {
            return false;
        }
        let usable = Usable::of(query, as_it_was);
        let able = |want: &&Want| {
            let item = as_it_was.items.get(want.place);
            item.is_some_and(|item| usable.is_usable(&item.expr) && !may_give_sets(&item.expr))
        };
        let able: Vec<(Expr, usize)> = wants
            .iter()
            .filter(able)
            .map(|want| (as_it_was.items[want.place].expr.clone(), want.key))
            .collect();
        if able.is_empty() {
            return false;
        }
        let known = self.known(as_it_was, &able);
        self.sources(query, select, &known);
        self.sublinks(as_it_was, select, &known);
        if here || !is_transparent(as_it_was, &usable) {
            select.filter.extend(among_keys(&able));
            let type_of = |column: &ColumnRef| self.type_of(as_it_was, column, 0);
            select.filter.extend(able.iter().flat_map(|(expr, key)| floor::bounds(expr, *key, type_of)));
        }
        able.len() == wants.len()
    }

    /// Restricts queries in FROM, and both sides of full joins.
    fn sources(&mut self, query: &Query, select: &mut Select, known: &Known) {
        let read = query.columns_read();
        let in_full_join = full_sides(select);
        for place in 0..select.sources.len() {
            let own = known.iter().filter(|(column, _)| column.source == place);
            let wants: Vec<Want> = own.filter_map(|(column, key)| want(column, *key)).collect();
            let wants = one_for_each_key(wants);
            if wants.is_empty() {
                continue;
            }
            let plain =
                read.get(&place).is_none_or(|read| read.iter().all(|of| matches!(of, Target::Column(_))));
            let source = &mut select.sources[place];
            self.inline(source);
            match &mut source.kind {
                SourceKind::Query { query, .. } => {
                    self.query(query, &wants, false);
                }
                SourceKind::Relation { .. } if plain && in_full_join.contains(&place) => wrap(source, &wants),
                SourceKind::Relation { .. }
                | SourceKind::Cte { .. }
                | SourceKind::Function { .. }
                | SourceKind::Join => {}
            }
        }
    }

    /// A common table expression that is read here becomes a query of its own.
    fn inline(&self, source: &mut Source) {
        let SourceKind::Cte { up, index } = source.kind else { return };
        let level = self.with.len().checked_sub(1 + up).and_then(|level| self.with.get(level));
        let Some(cte) = level.and_then(|with| with.get(index)) else { return };
        let query = Box::new(cte.query.clone().moved_in(up));
        source.name.get_or_insert_with(|| cte.name.clone());
        source.listed = true;
        source.kind = SourceKind::Query { lateral: false, query };
    }

    /// Restricts what the sub-selects of conditions look through.
    fn sublinks(&mut self, outer: &Select, select: &mut Select, known: &Known) {
        for conjunct in &mut select.filter {
            let [Piece::Sublink(sublink)] = conjunct.pieces.as_mut_slice() else { continue };
            match &sublink.kind {
                SublinkKind::In(test) => {
                    let wants = self.tested(outer, test, &sublink.query, known);
                    // NOT IN asks whether a row is NULL, too: where none can be, the others do not matter either.
                    let sound =
                        !sublink.negated || wants.iter().all(|want| self.never_null(&sublink.query, *want));
                    if !wants.is_empty() && sound {
                        self.query(&mut sublink.query, &wants, sublink.negated);
                    }
                }
                SublinkKind::Exists => self.correlated(outer, &mut sublink.query, known),
                SublinkKind::Compare { .. } | SublinkKind::Scalar | SublinkKind::Array => {}
            }
        }
    }

    /// Restricts the queries that EXISTS reads, by its conditions on the rows around it.
    fn correlated(&mut self, outer: &Select, query: &mut Query, known: &Known) {
        let as_it_was = query.clone();
        let (Some(inner), Body::Select(select)) = (as_it_was.select(), &mut query.body) else { return };
        if query.limit.is_some() || query.offset.is_some() || query.with.iter().any(|cte| cte.name == KEYS) {
            return;
        }
        let mut own = Known::new();
        for comparison in inner.filter.iter().filter_map(Expr::comparison).filter(|of| of.operator == "=") {
            let sides = (comparison.left.bare_column(), comparison.right.bare_column());
            let (Some(left), Some(right)) = sides else { continue };
            for (inside, outside) in [(left, right), (right, left)] {
                let seen = ColumnRef { up: 0, ..outside.clone() };
                let keys =
                    known.iter().filter(|(column, _)| *column == seen && outside.up == 1 && inside.up == 0);
                let keys: Vec<usize> = keys.map(|(_, key)| *key).collect();
                let outer_type = self.type_of(outer, &seen, 0);
                self.with.push(as_it_was.with.clone());
                let inner_type = self.type_of(inner, inside, 0);
                self.with.pop();
                if matches!((outer_type, inner_type), (Some(one), Some(other)) if are_kin(&one, &other)) {
                    own.extend(keys.into_iter().map(|key| (inside.clone(), key)));
                }
            }
        }
        self.with.push(as_it_was.with.clone());
        let own = self.closure(inner, own);
        self.sources(&as_it_was, select, &own);
        self.with.pop();
    }

    /// The columns of a sub-select that are compared with known ones.
    fn tested(&mut self, outer: &Select, test: &Expr, query: &Query, known: &Known) -> Vec<Want> {
        let tests = row_parts(test).unwrap_or_else(|| vec![test.clone()]);
        let mut wants = Vec::new();
        for (place, test) in tests.iter().enumerate() {
            let Some(column) = test.bare_column() else { continue };
            let types = (self.type_of(outer, column, 0), self.type_of_item(query, place));
            if matches!(types, (Some(one), Some(other)) if are_kin(&one, &other)) {
                let own = known.iter().find(|(known, _)| known == column);
                wants.extend(own.map(|(_, key)| Want { place, key: *key }));
            }
        }
        wants
    }

    fn type_of_item(&mut self, query: &Query, place: usize) -> Option<String> {
        self.with.push(query.with.clone());
        let of = query
            .select()
            .and_then(|select| self.type_of(select, select.items.get(place)?.expr.bare_column()?, 0));
        self.with.pop();
        of
    }

    /// Whether a column that comes out is one of a relation, and no row lacks it.
    fn never_null(&self, query: &Query, want: Want) -> bool {
        let Some(select) = query.select() else { return false };
        let column = select.items.get(want.place).and_then(|item| item.expr.bare_column());
        let Some(ColumnRef { up: 0, source, target: Target::Column(place) }) = column else { return false };
        let inner_only = select.joins().iter().all(|join| join.kind.keeps() == (false, false));
        match &select.sources[*source].kind {
            SourceKind::Relation { relation, .. } if inner_only => {
                let known = self.catalog.relations.get(relation).and_then(|known| known.columns.get(*place));
                known.is_some_and(|column| column.not_null)
            }
            _ => false,
        }
    }

    /// What follows from the restriction for the columns of the sources.
    fn known(&self, select: &Select, able: &[(Expr, usize)]) -> Known {
        let mut known = Known::new();
        for (expr, key) in able {
            let columns = expr.bare_column().map(|column| vec![column.clone()]);
            let columns = columns.or_else(|| self.coalesced_by_full_join(select, expr));
            known.extend(columns.unwrap_or_default().into_iter().map(|column| (column, *key)));
        }
        self.closure(select, known)
    }

    /// With all that follows by the joins.
    fn closure(&self, select: &Select, mut known: Known) -> Known {
        let rules = self.rules(select);
        loop {
            let follows = rules.iter().flat_map(|(from, to)| {
                let own = known.iter().filter(move |(column, _)| column == from);
                own.map(move |(_, key)| (to.clone(), *key))
            });
            let more: Known = follows.filter(|new| !known.contains(new)).collect();
            if more.is_empty() {
                return known;
            }
            known.extend(more);
        }
    }

    /// From which column to which the restriction carries over.
    fn rules(&self, select: &Select) -> Vec<(ColumnRef, ColumnRef)> {
        let mut rules = Vec::new();
        for class in equalities(select) {
            let pairs = class.iter().flat_map(|from| class.iter().map(move |to| (from.clone(), to.clone())));
            rules.extend(pairs.filter(|(from, to)| self.are_kin(select, from, to)));
        }
        for join in select.joins() {
            let using = join.using.iter().map(|using| (&using.left, &using.right));
            let pairs = join.on.iter().filter_map(Expr::column_equality).chain(using);
            let pairs: Vec<_> = pairs.filter(|(one, other)| self.are_kin(select, one, other)).collect();
            let both_ways = pairs.iter().flat_map(|(one, other)| [(*one, *other), (*other, *one)]);
            let allowed = both_ways.filter(|(_, to)| reaches(join, to));
            rules.extend(allowed.map(|(from, to)| (from.clone(), to.clone())));
            rules.extend(merged(join));
        }
        rules
    }

    /// The sides of `COALESCE(a, b)` where a full join says that they are equal.
    fn coalesced_by_full_join(&self, select: &Select, expr: &Expr) -> Option<Vec<ColumnRef>> {
        let columns = coalesced(expr)?;
        let [one, other] = columns.as_slice() else { return None };
        let says = |join: &&Join| {
            let pairs = join.on.iter().filter_map(Expr::column_equality);
            let mut same = pairs.filter(|pair| *pair == (one, other) || *pair == (other, one));
            join.kind == JoinKind::Full && same.next().is_some()
        };
        let kin = self.are_kin(select, one, other);
        (kin && select.joins().iter().any(says)).then_some(columns)
    }

    fn are_kin(&self, select: &Select, one: &ColumnRef, other: &ColumnRef) -> bool {
        let types = (self.type_of(select, one, 0), self.type_of(select, other, 0));
        matches!(types, (Some(one), Some(other)) if are_kin(&one, &other))
    }

    /// The type of a column, where it comes from a relation unchanged. `left` levels of names are left already.
    fn type_of(&self, select: &Select, column: &ColumnRef, left: usize) -> Option<String> {
        let Target::Column(place) = &column.target else { return None };
        if column.up > 0 || left > TYPE_DEPTH_MAX {
            return None;
        }
        let inner = |query: &Query| {
            let select = query.select()?;
            self.type_of(select, select.items.get(*place)?.expr.bare_column()?, left + 1)
        };
        match &select.sources.get(column.source)?.kind {
            SourceKind::Relation { relation, .. } => {
                Some(self.catalog.relations.get(relation)?.columns.get(*place)?.type_name.clone())
            }
            SourceKind::Query { query, .. } => inner(query),
            SourceKind::Cte { up, index } if left == 0 => {
                let level = self.with.len().checked_sub(1 + up)?;
                inner(&self.with.get(level)?.get(*index)?.query)
            }
            SourceKind::Cte { .. } | SourceKind::Function { .. } | SourceKind::Join => None,
        }
    }
}

/// How deep the type of a column is looked for.
const TYPE_DEPTH_MAX: usize = 16;

/// Whether the server looks through the SELECT by itself.
fn is_transparent(select: &Select, usable: &Usable<'_>) -> bool {
    select.group.is_none() && select.distinct == Distinct::No && !usable.has_windows()
}

/// Whether the restriction of one side of a join carries over to this column of the other: not to a side that is kept.
fn reaches(join: &Join, to: &ColumnRef) -> bool {
    match join.kind {
        JoinKind::Inner | JoinKind::Cross => true,
        JoinKind::Left => join.right.sources().contains(&to.source),
        JoinKind::Right => join.left.sources().contains(&to.source),
        JoinKind::Full => false,
    }
}

/// From a column that USING merged to what it was merged from.
fn merged(join: &Join) -> Vec<(ColumnRef, ColumnRef)> {
    let Some(source) = join.source else { return Vec::new() };
    let of = |(place, using): (usize, &crate::ir::Using)| {
        let own = ColumnRef { up: 0, source, target: Target::Column(place) };
        let sides = match join.kind {
            JoinKind::Right => vec![&using.right],
            JoinKind::Inner | JoinKind::Cross | JoinKind::Left => vec![&using.left],
            JoinKind::Full => vec![&using.left, &using.right],
        };
        sides.into_iter().map(|side| (own.clone(), side.clone())).collect::<Vec<_>>()
    };
    join.using.iter().enumerate().flat_map(of).collect()
}

fn full_sides(select: &Select) -> BTreeSet<usize> {
    let full = select.joins().into_iter().filter(|join| join.kind == JoinKind::Full);
    full.flat_map(|join| join.left.sources().into_iter().chain(join.right.sources())).collect()
}

fn want(column: &ColumnRef, key: usize) -> Option<Want> {
    let Target::Column(place) = &column.target else { return None };
    Some(Want { place: *place, key })
}

fn one_for_each_key(wants: Vec<Want>) -> Vec<Want> {
    let mut seen = BTreeSet::new();
    wants.into_iter().filter(|want| seen.insert(want.key)).collect()
}

/// A relation becomes a query of its rows among the keys.
fn wrap(source: &mut Source, wants: &[Want]) {
    let column = |place| Expr::column(ColumnRef { up: 0, source: 0, target: Target::Column(place) });
    let items = source.columns.iter().enumerate();
    let items =
        items.map(|(place, name)| crate::ir::Item { expr: column(place), name: name.clone() }).collect();
    let able: Vec<(Expr, usize)> = wants.iter().map(|want| (column(want.place), want.key)).collect();
    let kind = std::mem::replace(&mut source.kind, SourceKind::Join);
    let inner = Source { name: Some("r".to_owned()), columns: source.columns.clone(), listed: true, kind };
    let select = Select {
        distinct: Distinct::No,
        items,
        sources: vec![inner],
        from: vec![crate::ir::Tree::Source(0)],
        filter: among_keys(&able),
        group: None,
        having: Vec::new(),
        windows: Vec::new(),
    };
    let query = Query {
        with: Vec::new(),
        body: Body::Select(Box::new(select)),
        order: Vec::new(),
        offset: None,
        limit: None,
    };
    source.kind = SourceKind::Query { lateral: false, query: Box::new(query) };
}

/// That expressions are, together, among the keys. The first is compared alone, too, with DISTINCT: without it, the server takes half
/// of all rows to be among them, since it knows nothing about a common table expression.
fn among_keys(exprs: &[(Expr, usize)]) -> Vec<Expr> {
    let first = exprs.iter().take(1).map(|one| among(std::slice::from_ref(one), "DISTINCT "));
    let all = (exprs.len() > 1).then(|| among(exprs, ""));
    first.chain(all).collect()
}

fn among(exprs: &[(Expr, usize)], distinct: &str) -> Expr {
    let mut all = Expr::text("((");
    for (n, (expr, _)) in exprs.iter().enumerate() {
        all.push_text(if n > 0 { ", " } else { "" });
        expr.clone().pieces.into_iter().for_each(|piece| all.push(piece));
    }
    let names: Vec<String> = exprs.iter().map(|(_, key)| key_name(*key)).collect();
    all.push_text(&format!(") IN (SELECT {distinct}{} FROM {KEYS}))", names.join(", ")));
    all
}

/// The name of a key in the common table expression.
pub(super) fn key_name(key: usize) -> String {
    format!("k{}", key + 1)
}

/// Whether a call in an expression may give several rows, which WHERE does not allow: the server's own functions that do, and
/// any of a user.
fn may_give_sets(expr: &Expr) -> bool {
    let mut found = false;
    expr.each(&mut |piece| {
        if let Piece::Text(text) = piece {
            found |= calls(text).any(|name| name.contains('.') || SETS.contains(&name.trim_matches('"')));
        }
    });
    found
}

/// What stands before parentheses.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('(').map(|(end, _)| {
        let before = &text[..end];
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '$');
        before
            .rfind(|c| !is_name(c))
            .map_or(before, |start| before[start..].trim_start_matches(|c| !is_name(c)))
    })
}

/// Functions of the server that give sets.
const SETS: &[&str] = &[
    "unnest",
    "generate_series",
    "generate_subscripts",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "json_populate_recordset",
    "json_to_recordset",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "jsonb_path_query",
    "jsonb_path_query_tz",
    "jsonb_populate_recordset",
    "jsonb_to_recordset",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "aclexplode",
    "ts_parse",
    "ts_stat",
    "ts_token_type",
];
