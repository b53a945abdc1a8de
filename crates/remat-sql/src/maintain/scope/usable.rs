//! Which columns of a SELECT its rows can be told apart by while they are traced.
//!
//! Law: a column is usable if the rows with one of its values depend only on rows below that give the same value. So a group
//! lends its group expressions, a window what all windows partition by, DISTINCT ON its own expressions.

use std::collections::BTreeSet;

use crate::ir::{
    ColumnRef, Distinct, Expr, GroupKey, Grouping, Over, Piece, Query, Select, WindowSpec, equalities,
};

/// What the rows of a SELECT depend on together.
pub(super) struct Usable<'a> {
    select: &'a Select,
    /// Where it takes rows together by sets: the expressions that all sets have.
    common: Option<Vec<Expr>>,
    /// Where it has windows: the expressions by which all of them partition.
    partition: Option<Vec<&'a Expr>>,
    equal: Vec<BTreeSet<ColumnRef>>,
}

impl<'a> Usable<'a> {
    pub(super) fn of(query: &'a Query, select: &'a Select) -> Self {
        let sets = select.group.as_ref().filter(|group| group.plain().is_none());
        let common = sets.map(common_of);
        Self { select, common, partition: partition(query, select), equal: equalities(select) }
    }

    /// Whether a window looks at all rows.
    pub(super) fn has_window_over_everything(&self) -> bool {
        self.partition.as_ref().is_some_and(Vec::is_empty)
    }

    pub(super) fn has_windows(&self) -> bool {
        self.partition.is_some()
    }

    /// Whether an expression at the place of a column that comes out is usable.
    pub(super) fn is_usable(&self, expr: &Expr) -> bool {
        let plain = !expr.has_call() && !expr.has_sublink() && !expr.has_clock() && !asks_grouping(expr);
        let common = |common: &Vec<Expr>| common.contains(expr);
        let within = |partition: &Vec<&Expr>| self.is_covered(expr, partition);
        let distinct = match &self.select.distinct {
            Distinct::On(on) => self.is_covered(expr, &on.iter().collect::<Vec<_>>()),
            Distinct::No | Distinct::Rows => true,
        };
        plain
            && distinct
            && self.common.as_ref().is_none_or(common)
            && self.partition.as_ref().is_none_or(within)
    }

    /// Whether it is a function of these.
    fn is_covered(&self, expr: &Expr, by: &[&Expr]) -> bool {
        let same = |column: &ColumnRef| {
            let class = self.equal.iter().find(|class| class.contains(column));
            let known =
                |other: &ColumnRef| by.iter().any(|by| by.bare_column().is_some_and(|by| *by == *other));
            column.up > 0 || known(column) || class.is_some_and(|class| class.iter().any(known))
        };
        by.contains(&expr) || expr.columns().iter().all(same)
    }
}

/// Whether the SELECT gives a row even if there are none below.
pub(super) fn is_of_everything(query: &Query, select: &Select) -> bool {
    match &select.group {
        Some(group) => group.keys.iter().all(may_be_empty),
        None => !select.having.is_empty() || has_aggregate(query, 0),
    }
}

fn has_aggregate(query: &Query, depth: usize) -> bool {
    let own = |expr: &Expr| {
        let mut found = false;
        expr.each(&mut |piece| {
            found |= matches!(piece, Piece::Aggregate(call) if call.up == depth);
        });
        found
    };
    query.exprs().iter().any(|(_, expr)| own(expr))
        || query.children().iter().any(|(_, child)| has_aggregate(child, depth + 1))
}

fn may_be_empty(key: &GroupKey) -> bool {
    match key {
        GroupKey::Expr(expr) => row_parts(expr).is_some_and(|parts| parts.is_empty()),
        GroupKey::Rollup(_) | GroupKey::Cube(_) => true,
        GroupKey::Sets(keys) => keys.iter().any(may_be_empty),
    }
}

fn common_of(group: &Grouping) -> Vec<Expr> {
    group.keys.iter().flat_map(common_of_key).collect()
}

fn common_of_key(key: &GroupKey) -> Vec<Expr> {
    match key {
        GroupKey::Expr(expr) => row_parts(expr).unwrap_or_else(|| vec![expr.clone()]),
        GroupKey::Rollup(_) | GroupKey::Cube(_) => Vec::new(),
        GroupKey::Sets(keys) => {
            let mut sets = keys.iter().map(common_of_key);
            let first = sets.next().unwrap_or_default();
            sets.fold(first, |common, set| common.into_iter().filter(|expr| set.contains(expr)).collect())
        }
    }
}

/// The columns of `(a, b)`, `ROW(a, b)` or `()`.
pub(super) fn row_parts(expr: &Expr) -> Option<Vec<Expr>> {
    if let Some(Piece::Text(text)) = expr.only() {
        return (text.trim() == "()").then(Vec::new);
    }
    let (first, rest) = expr.pieces.split_first()?;
    let (last, middle) = rest.split_last()?;
    let is =
        |piece: &Piece, words: &[&str]| matches!(piece, Piece::Text(text) if words.contains(&text.trim()));
    if !is(first, &["(", "ROW("]) || !is(last, &[")"]) {
        return None;
    }
    let mut parts = Vec::new();
    for (n, piece) in middle.iter().enumerate() {
        match piece {
            Piece::Column(column) if n % 2 == 0 => parts.push(Expr::column(column.clone())),
            comma if n % 2 == 1 && is(comma, &[","]) => {}
            _ => return None,
        }
    }
    Some(parts)
}

/// What all windows of a level partition by; none where it has no window.
fn partition<'a>(query: &'a Query, select: &'a Select) -> Option<Vec<&'a Expr>> {
    let mut common: Option<Vec<&Expr>> = None;
    for (_, expr) in query.exprs() {
        expr.each(&mut |piece| {
            let Piece::Window(window) = piece else { return };
            let own = match &window.over {
                Over::Named(name) => partition_of_name(select, name),
                Over::Spec(spec) => partition_of(select, spec),
            };
            common = Some(match common.take() {
                None => own,
                Some(common) => common.into_iter().filter(|expr| own.contains(expr)).collect(),
            });
        });
    }
    common
}

fn partition_of<'a>(select: &'a Select, spec: &'a WindowSpec) -> Vec<&'a Expr> {
    match &spec.base {
        Some(base) if spec.partition.is_empty() => partition_of_name(select, base),
        _ => spec.partition.iter().collect(),
    }
}

fn partition_of_name<'a>(select: &'a Select, name: &str) -> Vec<&'a Expr> {
    let named = select.windows.iter().find(|window| window.name == name);
    named.map(|window| partition_of(select, &window.spec)).unwrap_or_default()
}

/// `GROUPING(…)` looks like a function and means the grouping set.
fn asks_grouping(expr: &Expr) -> bool {
    let mut found = false;
    expr.each(&mut |piece| {
        found |= matches!(piece, Piece::Text(text) if text.to_ascii_uppercase().contains("GROUPING("));
    });
    found
}
