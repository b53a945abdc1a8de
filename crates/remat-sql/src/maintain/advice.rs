//! Which indexes of the tables that a view reads would serve its refreshes.
//!
//! Law: pure, and modest: what is named here is looked up by a statement of the plan, by equality or by a bound of time.
//! Whether an index stands already, and whether a table is large enough for one, is for others to say.

use std::collections::BTreeSet;

use super::{Plan, Technique};
use crate::{
    catalog::{Catalog, QualifiedName},
    ir::{Body, ColumnRef, Expr, GroupKey, Over, Piece, Query, Select, SourceKind, Target, equalities},
    window::clocks,
};

/// Rows of a table that refreshes look up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lookup {
    /// The table.
    pub relation: QualifiedName,
    /// By which columns; an index serves that begins with one of them.
    pub columns: Vec<String>,
    /// What for.
    pub purpose: Purpose,
}

/// What rows are looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// They are partners of rows that changed.
    Join,
    /// They cross a bound of time.
    Time,
    /// They belong to a key that is computed again.
    Key,
}

/// Everything that a plan looks up in its sources; `query` is what it was compiled from.
pub fn lookups(plan: &Plan, query: &Query, catalog: &Catalog) -> Vec<Lookup> {
    let mut found = BTreeSet::new();
    let computes_keys = plan.stages.iter().any(|stage| stage.technique() == Technique::Scope);
    query.each_query(&mut Vec::new(), &mut |_, query| {
        let Some(select) = query.select() else { return };
        found.extend(joined(select, catalog));
        if computes_keys {
            found.extend(keys(query, select, catalog));
        }
    });
    for window in clocks(query).windows {
        let select = query.at(&window.path).and_then(Query::select);
        let column =
            window.expr.bare_column().zip(select).and_then(|(column, select)| base(select, column, catalog));
        found.extend(column.map(|(relation, column)| Lookup {
            relation,
            columns: vec![column],
            purpose: Purpose::Time,
        }));
    }
    let read = |lookup: &Lookup| plan.sources.iter().any(|source| source.relation == lookup.relation);
    found.into_iter().filter(read).collect()
}

/// Columns that are equal to those of other sources; a relation alone joins nothing.
fn joined(select: &Select, catalog: &Catalog) -> Vec<Lookup> {
    let classes = equalities(select)
        .into_iter()
        .filter(|class| class.iter().map(|column| column.source).collect::<BTreeSet<_>>().len() > 1);
    let inner = classes.flatten().collect::<Vec<_>>();
    let outer = select.joins().into_iter().flat_map(|join| &join.on).chain(&select.filter);
    let outer = outer.flat_map(partners);
    let columns = inner.into_iter().chain(outer);
    let lookup = |(relation, column)| Lookup { relation, columns: vec![column], purpose: Purpose::Join };
    columns.filter_map(|column| base(select, &column, catalog)).map(lookup).collect()
}

/// The columns of this level that a conjunct compares for equality with columns of other sources.
fn partners(conjunct: &Expr) -> Vec<ColumnRef> {
    let Some(comparison) = conjunct.comparison().filter(|comparison| comparison.operator == "=") else {
        return Vec::new();
    };
    let (Some(left), Some(right)) = (comparison.left.bare_column(), comparison.right.bare_column()) else {
        return Vec::new();
    };
    if (left.up, left.source) == (right.up, right.source) {
        return Vec::new();
    }
    [left, right].into_iter().filter(|column| column.up == 0).cloned().collect()
}

/// The keys of groups and of the partitions of windows, those of one relation together.
fn keys(query: &Query, select: &Select, catalog: &Catalog) -> Vec<Lookup> {
    let mut sets: Vec<Vec<&Expr>> = Vec::new();
    sets.extend(select.group.as_ref().map(|group| {
        group
            .keys
            .iter()
            .filter_map(|key| if let GroupKey::Expr(key) = key { Some(key) } else { None })
            .collect()
    }));
    sets.extend(select.windows.iter().map(|window| window.spec.partition.iter().collect()));
    for (_, expr) in query.exprs() {
        expr.each(&mut |piece| {
            if let Piece::Window(window) = piece
                && let Over::Spec(spec) = &window.over
            {
                sets.push(spec.partition.iter().collect());
            }
        });
    }
    sets.into_iter().flat_map(|set| of_relations(select, &set, catalog)).collect()
}

fn of_relations(select: &Select, set: &[&Expr], catalog: &Catalog) -> Vec<Lookup> {
    let mut lookups: Vec<Lookup> = Vec::new();
    let bases = set.iter().filter_map(|expr| base(select, expr.bare_column()?, catalog));
    for (relation, column) in bases {
        match lookups.iter_mut().find(|lookup| lookup.relation == relation) {
            Some(lookup) => lookup.columns.push(column),
            None => lookups.push(Lookup { relation, columns: vec![column], purpose: Purpose::Key }),
        }
    }
    lookups
}

/// The column of a relation that a column is, through queries in FROM.
fn base(select: &Select, column: &ColumnRef, catalog: &Catalog) -> Option<(QualifiedName, String)> {
    let source = select.sources.get(column.source).filter(|_| column.up == 0)?;
    let Target::Column(place) = column.target else { return None };
    match &source.kind {
        // The query may see it under another name.
        SourceKind::Relation { relation, .. } => {
            let known = catalog.relations.get(relation)?.columns.get(place)?;
            Some((relation.clone(), known.name.clone()))
        }
        SourceKind::Query { query, .. } => {
            let Body::Select(inner) = &query.body else { return None };
            base(inner, inner.items.get(place)?.expr.bare_column()?, catalog)
        }
        SourceKind::Cte { .. } | SourceKind::Function { .. } | SourceKind::Join => None,
    }
}
