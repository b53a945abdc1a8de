//! Conditions, and the sub-selects in them.
//!
//! Law: the rows of a sub-select matter to the row around it for which its conditions hold. `x IN (…)` adds that x is one
//! of them; where it matters whether the answer is NULL or false, also rows that are NULL count, and rows where x is NULL.

use crate::{
    Code, Rejection,
    ir::{Expr, Piece, Quantifier, Sublink, SublinkKind},
    window,
};

use super::{Columns, Standing, State, Tracer, refused};
use crate::maintain::scope::{
    flat::{Window, equal},
    usable::row_parts,
};

impl<'a> Tracer<'a> {
    /// A conjunct of WHERE or ON.
    pub(super) fn conjunct(
        &self,
        state: State<'a>,
        expr: &'a Expr,
        context: usize,
    ) -> Result<State<'a>, Rejection> {
        let mut state = self.sublinks(state, expr, context, true)?;
        if expr.has_clock() && !expr.has_sublink() {
            let window =
                window::sides(expr).and_then(|(of_row, _, bound)| state.window(of_row, bound, context));
            let window = window.ok_or_else(|| {
                refused(Code::Clock, "clock", "the condition on the clock is not one on a row of one table")
            })?;
            state.flat.windows.push(window);
        } else if let Some(expr) = state.resolve(expr) {
            state.flat.add_conjunct(context, expr);
        }
        Ok(state)
    }

    /// The sub-selects of an expression, each a context of its own. `certain`: rows for which the expression is not true do
    /// not matter.
    pub(super) fn sublinks(
        &self,
        mut state: State<'a>,
        expr: &'a Expr,
        context: usize,
        certain: bool,
    ) -> Result<State<'a>, Rejection> {
        let mut sublinks: Vec<&'a Sublink> = Vec::new();
        expr.each(&mut |piece| {
            if let Piece::Sublink(sublink) = piece {
                sublinks.push(sublink);
            }
        });
        let whole = expr.sublink().filter(|whole| certain && !whole.negated);
        for sublink in sublinks {
            let certain = whole.is_some_and(|whole| std::ptr::eq(whole, sublink));
            state = self.sublink(state, sublink, context, certain)?;
        }
        Ok(state)
    }

    fn sublink(
        &self,
        state: State<'a>,
        sublink: &'a Sublink,
        context: usize,
        certain: bool,
    ) -> Result<State<'a>, Rejection> {
        let test = match &sublink.kind {
            SublinkKind::In(test) => Some(test),
            SublinkKind::Compare { test, operator, quantifier: Quantifier::Any } if operator == "=" => {
                Some(test)
            }
            SublinkKind::Compare { .. } | SublinkKind::Exists | SublinkKind::Scalar | SublinkKind::Array => {
                None
            }
        };
        let grow = |state, context| {
            let traced = self.query(state, &sublink.query, Standing { context, free: true })?;
            let tested = |(state, columns)| match test {
                Some(test) => compared(state, test, &columns, context, certain),
                None => vec![state],
            };
            Ok(traced.into_iter().flat_map(tested).collect())
        };
        Ok(Self::optional(state, context, grow)?.0)
    }
}

/// The rows of a sub-select that matter to a value: those that equal it and, unless only that is asked, those that
/// are NULL, and all where it is NULL itself.
fn compared<'a>(
    state: State<'a>,
    test: &Expr,
    columns: &Columns,
    context: usize,
    certain: bool,
) -> Vec<State<'a>> {
    let tests = if columns.len() == 1 { Some(vec![test.clone()]) } else { row_parts(test) };
    let tests = tests.filter(|tests| tests.len() == columns.len()).unwrap_or_default();
    let pair = |(test, column): (&Expr, &Option<Expr>)| Some((state.resolve(test)?, column.clone()?));
    let known: Vec<_> = tests.iter().zip(columns).map(pair).collect();
    if !certain && (known.is_empty() || known.iter().any(Option::is_none)) {
        return vec![state];
    }
    let pairs: Vec<(Expr, Expr)> = known.into_iter().flatten().collect();
    let mut ways = Vec::new();
    if !certain {
        let sides = pairs.iter().flat_map(|(test, item)| [test, item]);
        for side in sides.filter(|side| !state.is_never_null(side, context)) {
            let mut way = state.clone();
            way.flat.add_conjunct(context, is_null(side.clone()));
            way.flat.guarded.insert(context);
            ways.push(way);
        }
    }
    let mut equals = state;
    for (test, item) in pairs {
        equals.flat.add_conjunct(context, equal(test, item));
    }
    ways.push(equals);
    ways
}

impl State<'_> {
    fn is_never_null(&self, expr: &Expr, context: usize) -> bool {
        let Some(column) = expr.bare_column() else { return false };
        let present = self.flat.visible(context).contains(&self.flat.context_of(column));
        present && self.flat.column_of(column).is_some_and(|column| column.not_null)
    }

    /// Where the leaf may be missing, only a bare column will do: what stands in the place of its NULL would cross bounds, too.
    fn window(&self, of_row: &Expr, bound: &Expr, context: usize) -> Option<Window> {
        let expr = self.resolve(of_row)?;
        let columns = expr.columns();
        let leaf = columns.first()?.source;
        let of_one =
            columns.iter().all(|column| self.flat.type_of(column).is_some() && column.source == leaf);
        let present = self.flat.visible(context).contains(&self.flat.leaves[leaf].context);
        (of_one && (present || expr.bare_column().is_some())).then(|| Window {
            leaf,
            expr,
            bound: bound.clone(),
        })
    }
}

fn is_null(expr: Expr) -> Expr {
    let mut null = Expr::text("(");
    expr.pieces.into_iter().for_each(|piece| null.push(piece));
    null.push_text(" IS NULL)");
    null
}
