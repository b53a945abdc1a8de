//! Which columns of the public table are the scope, and what they are in each flat join.
//!
//! Law: a scope column can be traced in every flat join. A column of the key is never NULL, so a flat join whose scope
//! column is bare stands only for rows where the column's side of an outer join is present; any other expression is taken
//! twice, with the side and with NULL in its place.

use std::collections::BTreeSet;

use crate::{
    Code, Rejection,
    ir::{ColumnRef, Expr, Piece},
};

use super::{
    flat::Flat,
    trace::{Columns, refused},
};
use crate::maintain::View;

/// How many flat joins a view may become when sides are missing.
const VARIANTS_MAX: usize = 64;

/// The scope of a view.
pub(super) struct Choice {
    /// The places of the scope columns in the public table.
    pub(super) places: Vec<usize>,
    /// Whether they are columns of the key, and so never NULL.
    pub(super) is_of_key: bool,
    /// The flat joins, each with the scope columns.
    pub(super) flats: Vec<(Flat, Vec<Expr>)>,
}

pub(super) fn choose(view: &View<'_>, traced: Vec<(Flat, Columns)>) -> Result<Choice, Rejection> {
    let is_key = |place: &usize| view.key.contains(&view.columns[*place].name);
    let everywhere =
        |place: &usize| traced.iter().all(|(_, columns)| columns.get(*place).is_some_and(Option::is_some));
    let traceable: Vec<usize> = (0..view.columns.len()).filter(everywhere).collect();
    let of_key: Vec<usize> = traceable.iter().copied().filter(is_key).collect();
    let is_of_key = !of_key.is_empty();
    // One column that may be NULL is enough; more would only make the comparison with NULL dearer.
    let bare = |place: &&usize| {
        traced
            .iter()
            .all(|(_, columns)| columns[**place].as_ref().is_some_and(|expr| expr.bare_column().is_some()))
    };
    let one = traceable.iter().find(bare).or(traceable.first());
    let places = if is_of_key { of_key } else { one.copied().into_iter().collect() };
    if places.is_empty() {
        return Err(refused(
            Code::Untraceable,
            "key",
            "no column of the view can be traced to the rows that it comes from",
        )
        .hint("Let a group or partition expression be a column of the view."));
    }
    let mut flats = Vec::new();
    for (flat, columns) in traced {
        let exprs = places.iter().filter_map(|place| columns[*place].clone()).collect();
        variants(flat, exprs, &mut flats)?;
    }
    let is_constant = |(_, exprs): &(Flat, Vec<Expr>)| exprs.iter().all(|expr| expr.columns().is_empty());
    if flats.len() == 1 && flats.iter().all(is_constant) {
        return Err(refused(Code::Untraceable, "key", "the view has one row, which every change affects"));
    }
    Ok(Choice { places, is_of_key, flats })
}

/// Settles which sides of outer joins are there.
fn variants(
    mut flat: Flat,
    mut exprs: Vec<Expr>,
    settled: &mut Vec<(Flat, Vec<Expr>)>,
) -> Result<(), Rejection> {
    for expr in &mut exprs {
        simplify_coalesce(&flat, expr);
    }
    for expr in &exprs {
        if let Some(column) = expr.bare_column() {
            let context = flat.context_of(column);
            flat.required.insert(context);
        }
    }
    let visible = flat.visible(0);
    let columns = exprs.iter().flat_map(Expr::columns).collect::<BTreeSet<_>>();
    let missing = columns.iter().map(|column| flat.context_of(column)).find(|own| !visible.contains(own));
    let Some(missing) = missing else {
        settled.push((flat, exprs));
        return if settled.len() <= VARIANTS_MAX {
            Ok(())
        } else {
            Err(refused(
                Code::Untraceable,
                "outer joins",
                "a row may come about in too many ways to trace each",
            ))
        };
    };
    let mut without = exprs.clone();
    for expr in &mut without {
        put_null(&flat, missing, expr);
    }
    variants(flat.clone(), without, settled)?;
    flat.required.insert(missing);
    variants(flat, exprs, settled)
}

fn put_null(flat: &Flat, missing: usize, expr: &mut Expr) {
    expr.substitute(&mut |column| {
        let is_missing = flat.context_of(column) == missing;
        let null = flat.type_of(column).map_or_else(|| "NULL".to_owned(), |of| format!("NULL::{of}"));
        is_missing.then(|| Expr::text(null))
    });
}

/// `COALESCE(a, b)` of columns that are equal where both are there is the one that is always there.
fn simplify_coalesce(flat: &Flat, expr: &mut Expr) {
    let Some(columns) = coalesced(expr) else { return };
    let root = flat.visible(0);
    let (there, maybe): (Vec<_>, Vec<_>) =
        columns.into_iter().partition(|column| root.contains(&flat.context_of(column)));
    let [there] = there.as_slice() else { return };
    let follows = |column: &ColumnRef| {
        let visible = flat.visible(flat.context_of(column));
        let classes = flat.classes(&flat.holding(&visible));
        classes.iter().any(|class| class.contains(column) && class.contains(there))
    };
    if maybe.iter().all(follows) {
        *expr = Expr::column(there.clone());
    }
}

/// The columns of `COALESCE(a, b, …)`.
pub(super) fn coalesced(expr: &Expr) -> Option<Vec<ColumnRef>> {
    let (first, rest) = expr.pieces.split_first()?;
    let (last, middle) = rest.split_last()?;
    let is = |piece: &Piece, words: &str| matches!(piece, Piece::Text(text) if text.trim() == words);
    if !is(first, "COALESCE(") || !is(last, ")") {
        return None;
    }
    let mut columns = Vec::new();
    for (n, piece) in middle.iter().enumerate() {
        match piece {
            Piece::Column(column) if n % 2 == 0 => columns.push(column.clone()),
            comma if n % 2 == 1 && is(comma, ",") => {}
            _ => return None,
        }
    }
    Some(columns)
}
