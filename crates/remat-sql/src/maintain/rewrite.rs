//! What stands above a group by, over the columns of its hidden table.
//!
//! Law: after it nothing of the rows below is left: each aggregate has become an expression over states, each group
//! expression the column that keeps it. What is left over is refused, never guessed.

use std::collections::BTreeSet;

use crate::{
    Rejection,
    ir::{Call, ColumnRef, Comparison, Expr, OrderKey, Over, Piece, SortBy, WindowCall, WindowSpec},
};

/// What takes the place of group expressions and aggregates.
pub(super) struct Rewrite<'a> {
    /// Each group expression, with the words in its place.
    pub(super) groups: &'a [(Expr, String)],
    /// The words in the place of an aggregate.
    pub(super) aggregate: &'a mut dyn FnMut(&Call) -> Result<String, Rejection>,
}

impl Rewrite<'_> {
    /// The expression over the hidden table. Columns of the rows that are no group expression stay.
    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Expr, Rejection> {
        let mut pieces = expr.pieces.clone();
        for (group, words) in self.groups {
            replace(&mut pieces, group, words);
        }
        let mut rewritten = Expr::default();
        for piece in pieces {
            let piece = self.piece(piece)?;
            rewritten.push(piece);
        }
        Ok(rewritten)
    }

    fn piece(&mut self, piece: Piece) -> Result<Piece, Rejection> {
        Ok(match piece {
            Piece::Text(_) | Piece::Column(_) | Piece::Clock(_) => piece,
            Piece::Comparison(comparison) => Piece::Comparison(Box::new(Comparison {
                left: self.expr(&comparison.left)?,
                operator: comparison.operator,
                right: self.expr(&comparison.right)?,
            })),
            Piece::Aggregate(call) => Piece::Text((self.aggregate)(&call)?),
            Piece::Window(window) => Piece::Window(Box::new(self.window(&window)?)),
            Piece::Sublink(_) => {
                return Err(super::rows::refused(
                    "a sub-select beside aggregates",
                    "it is another query for each group",
                ));
            }
        })
    }

    fn window(&mut self, window: &WindowCall) -> Result<WindowCall, Rejection> {
        let mut call = window.call.clone();
        call.args = self.exprs(&call.args)?;
        call.filter = self.exprs(&call.filter)?;
        call.order = self.order(&call.order)?;
        let over = match &window.over {
            Over::Named(name) => Over::Named(name.clone()),
            Over::Spec(spec) => Over::Spec(self.spec(spec)?),
        };
        Ok(WindowCall { call, over })
    }

    /// A window over the hidden table.
    pub(super) fn spec(&mut self, spec: &WindowSpec) -> Result<WindowSpec, Rejection> {
        Ok(WindowSpec {
            base: spec.base.clone(),
            partition: self.exprs(&spec.partition)?,
            order: self.order(&spec.order)?,
            frame: spec.frame.as_ref().map(|frame| self.expr(frame)).transpose()?,
        })
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) -> Result<Vec<Expr>, Rejection> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    /// Sort keys over the hidden table.
    pub(super) fn order(&mut self, keys: &[OrderKey]) -> Result<Vec<OrderKey>, Rejection> {
        let key = |key: &OrderKey| {
            let by = match &key.by {
                SortBy::Expr(expr) => SortBy::Expr(self.expr(expr)?),
                SortBy::Output(n) => SortBy::Output(*n),
            };
            Ok(OrderKey { by, ..key.clone() })
        };
        keys.iter().map(key).collect()
    }
}

/// The columns of the rows that an expression names outside of aggregates and group expressions.
pub(super) fn left_over(expr: &Expr, groups: &[(Expr, String)]) -> Result<BTreeSet<ColumnRef>, Rejection> {
    let mut aggregate = |_: &Call| Ok(String::new());
    Ok(Rewrite { groups, aggregate: &mut aggregate }.expr(expr)?.columns())
}

/// Puts words in the place of every run of pieces that is the pattern. Expressions are closed, so a run that begins and
/// ends where words begin and end is the same expression. The server leaves parentheses around an expression out where
/// nothing stands beside it.
fn replace(pieces: &mut Vec<Piece>, pattern: &Expr, words: &str) {
    if pattern.pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
        return;
    }
    replace_run(pieces, &pattern.pieces, words, &|before, after| {
        !before.ends_with(is_word) && !after.starts_with(is_word)
    });
    if let Some(bare) = without_parentheses(pattern) {
        replace_run(pieces, &bare, words, &|before, after| {
            let (before, after) = (before.trim_end(), after.trim_start());
            (before.is_empty() || before.ends_with(['(', ',']))
                && (after.is_empty() || after.starts_with([')', ',']))
        });
    }
}

fn replace_run(pieces: &mut Vec<Piece>, pattern: &[Piece], words: &str, apart: &dyn Fn(&str, &str) -> bool) {
    let mut from = 0;
    while from + pattern.len() <= pieces.len() {
        match run(&pieces[from..from + pattern.len()], pattern).filter(|(before, after)| apart(before, after))
        {
            Some((before, after)) => {
                let replaced = [before, words.to_owned(), after].concat();
                pieces.splice(from..from + pattern.len(), [Piece::Text(replaced)]);
            }
            None => from += 1,
        }
    }
}

/// The words before and after the pattern, where these pieces hold it.
fn run(pieces: &[Piece], pattern: &[Piece]) -> Option<(String, String)> {
    let last = pattern.len() - 1;
    let (mut before, mut after) = (String::new(), String::new());
    for (n, (piece, wanted)) in pieces.iter().zip(pattern).enumerate() {
        match (piece, wanted) {
            (Piece::Text(words), Piece::Text(wanted)) if n == 0 => {
                words.strip_suffix(wanted.as_str())?.clone_into(&mut before);
            }
            (Piece::Text(words), Piece::Text(wanted)) if n == last => {
                words.strip_prefix(wanted.as_str())?.clone_into(&mut after);
            }
            _ if piece == wanted => {}
            _ => return None,
        }
    }
    Some((before, after))
}

/// The pieces between the parentheses around the whole expression, where there are such.
fn without_parentheses(expr: &Expr) -> Option<Vec<Piece>> {
    if !closes_at_the_end(&expr.pieces) {
        return None;
    }
    let mut pieces = expr.pieces.clone();
    let [Piece::Text(first), .., Piece::Text(last)] = pieces.as_mut_slice() else { return None };
    *first = first.strip_prefix('(')?.to_owned();
    *last = last.strip_suffix(')')?.to_owned();
    Some(pieces)
}

/// Whether the first parenthesis is closed by the last character and not before.
fn closes_at_the_end(pieces: &[Piece]) -> bool {
    let (mut depth, mut quote, mut closed) = (0_usize, None, false);
    for piece in pieces {
        let Piece::Text(words) = piece else {
            closed |= depth == 0;
            continue;
        };
        for c in words.chars() {
            if closed {
                return false;
            }
            match (quote, c) {
                (Some(open), c) if open == c => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, '(') => depth += 1,
                (None, ')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            closed = depth == 0;
        }
    }
    closed && quote.is_none()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '"' | '.' | '$' | ':')
}
