//! From a query to the flat joins through which its rows can be traced.
//!
//! Law: every row of a relation that has a part in a row of the view, by its presence or by its absence, stands in a row of one
//! of the flat joins over the old and new images together, and the traced columns have the same values there. What cannot be followed has no
//! traced column, and conditions over it are left out; both only make more rows suspect.
//!
//! A query that combines others gives a flat join for each of them. Within a context of its own (see [`flat`](super::flat)) they
//! stand side by side in one flat join instead.

mod from;
mod sublink;

use crate::{
    Code, Rejection,
    catalog::Catalog,
    ir::{Body, ColumnRef, Expr, Place, Query, Select, Target},
};

use super::{
    flat::{Flat, LeafKind},
    usable::{Usable, is_of_everything},
};

/// How many flat joins a view may become.
const FLATS_MAX: usize = 64;

/// The columns of something, as expressions over leaves; none for one that cannot be traced.
pub(super) type Columns = Vec<Option<Expr>>;

/// Reads queries.
pub(super) struct Tracer<'a> {
    pub(super) catalog: &'a Catalog,
}

/// A flat join that grows, and the names that are visible where it grows.
#[derive(Clone)]
struct State<'a> {
    flat: Flat,
    /// The innermost last.
    levels: Vec<Level<'a>>,
}

#[derive(Clone)]
struct Level<'a> {
    query: &'a Query,
    /// By source.
    columns: Vec<Columns>,
}

/// Where a query stands.
#[derive(Clone, Copy)]
struct Standing {
    context: usize,
    /// Whether its result is asked for anew for each row around it, so that it may depend on all its rows together.
    free: bool,
}

impl<'a> Tracer<'a> {
    /// The flat joins of a view, each with the columns that come out.
    pub(super) fn trace(&self, query: &'a Query) -> Result<Vec<(Flat, Columns)>, Rejection> {
        let state = State { flat: Flat::new(), levels: Vec::new() };
        let traced = self.query(state, query, Standing { context: 0, free: false })?;
        Ok(traced.into_iter().map(|(state, columns)| (state.flat, columns)).collect())
    }

    fn query(
        &self,
        mut state: State<'a>,
        query: &'a Query,
        at: Standing,
    ) -> Result<Vec<(State<'a>, Columns)>, Rejection> {
        if (query.limit.is_some() || query.offset.is_some()) && !at.free {
            return Err(refused(Code::NotMaintained, "LIMIT", "a row may come or go because of any other"));
        }
        state.levels.push(Level { query, columns: Vec::new() });
        let mut traced = match &query.body {
            Body::Select(select) => self.select(state, query, select, at)?,
            Body::Set { operands, .. } => {
                let state = self.loose_sublinks(state, query, at)?;
                let mut all = Vec::new();
                for operand in operands {
                    all.extend(self.query(state.clone(), operand, at)?);
                }
                all
            }
            Body::Values(rows) => vec![values(self.loose_sublinks(state, query, at)?, rows, at)],
        };
        few(traced.len())?;
        for (state, columns) in &mut traced {
            state.levels.pop();
            if query.limit.is_some() || query.offset.is_some() {
                columns.fill(None);
            }
        }
        Ok(traced)
    }

    fn select(
        &self,
        state: State<'a>,
        query: &'a Query,
        select: &'a Select,
        at: Standing,
    ) -> Result<Vec<(State<'a>, Columns)>, Rejection> {
        let usable = Usable::of(query, select);
        if usable.has_window_over_everything() && !at.free {
            return Err(refused(
                Code::Untraceable,
                "window over everything",
                "a window without PARTITION BY makes every row depend on all others",
            ));
        }
        let is_of_everything = is_of_everything(query, select);
        let states = if is_of_everything {
            // Its one row stands even without rows below.
            let rows = |state, context| self.rows(state, query, select, Standing { context, ..at });
            vec![Self::optional(state, at.context, rows)?.0]
        } else {
            self.rows(state, query, select, at)?
        };
        let out = |state: State<'a>| {
            let item = |expr: &Expr| {
                let one = !is_of_everything || expr.columns().iter().all(|column| column.up > 0);
                (one && usable.is_usable(expr)).then(|| state.resolve(expr)).flatten()
            };
            let columns = select.items.iter().map(|item_of| item(&item_of.expr)).collect();
            (state, columns)
        };
        Ok(states.into_iter().map(out).collect())
    }

    /// FROM and WHERE, and the sub-selects of everything else.
    fn rows(
        &self,
        mut state: State<'a>,
        query: &'a Query,
        select: &'a Select,
        at: Standing,
    ) -> Result<Vec<State<'a>>, Rejection> {
        let columns = select.sources.iter().map(|source| vec![None; source.columns.len()]).collect();
        if let Some(level) = state.levels.last_mut() {
            level.columns = columns;
        }
        let mut states = vec![state];
        for tree in &select.from {
            states = Self::each(states, |state| self.tree(state, select, tree, at))?;
        }
        let finished = states.into_iter().map(|mut state| {
            for conjunct in &select.filter {
                state = self.conjunct(state, conjunct, at.context)?;
            }
            self.loose_sublinks(state, query, at)
        });
        finished.collect()
    }

    fn each(
        states: Vec<State<'a>>,
        f: impl Fn(State<'a>) -> Result<Vec<State<'a>>, Rejection>,
    ) -> Result<Vec<State<'a>>, Rejection> {
        let mut all = Vec::new();
        for state in states {
            all.extend(f(state)?);
            few(all.len())?;
        }
        Ok(all)
    }

    /// The sub-selects that stand neither in a condition nor in FROM.
    fn loose_sublinks(
        &self,
        mut state: State<'a>,
        query: &'a Query,
        at: Standing,
    ) -> Result<State<'a>, Rejection> {
        for (place, expr) in query.exprs() {
            if !matches!(place, Place::Filter(_) | Place::On(..) | Place::Function(_)) {
                state = self.sublinks(state, expr, at.context, false)?;
            }
        }
        Ok(state)
    }

    /// Grows a flat join by a context of its own. Also says how many ways there were to grow; the columns of more
    /// than one have no meaning together.
    fn optional(
        base: State<'a>,
        parent: usize,
        grow: impl FnOnce(State<'a>, usize) -> Result<Vec<State<'a>>, Rejection>,
    ) -> Result<(State<'a>, usize), Rejection> {
        let mut state = base.clone();
        let context = state.flat.add_context(parent);
        let ways = grow(state, context)?;
        let count = ways.len();
        let mut ways = ways.into_iter();
        let Some(mut merged) = ways.next() else { return Ok((base, 0)) };
        for other in ways {
            merged.flat.absorb(&base.flat, other.flat);
        }
        Ok((merged, count))
    }
}

impl State<'_> {
    /// An expression over leaves, where everything that it names can be traced.
    fn resolve(&self, expr: &Expr) -> Option<Expr> {
        if expr.has_call() || expr.has_sublink() || expr.has_clock() {
            return None;
        }
        let (mut resolved, mut is_whole) = (expr.clone(), true);
        resolved.substitute(&mut |column| {
            let known = self.lookup(column).cloned();
            is_whole &= known.is_some();
            known
        });
        is_whole.then_some(resolved)
    }

    fn lookup(&self, column: &ColumnRef) -> Option<&Expr> {
        let level = &self.levels[self.levels.len().checked_sub(1 + column.up)?];
        let Target::Column(place) = &column.target else { return None };
        level.columns.get(column.source)?.get(*place)?.as_ref()
    }

    fn set(&mut self, source: usize, columns: Columns) {
        if let Some(level) = self.levels.last_mut() {
            level.columns[source] = columns;
        }
    }
}

/// VALUES as a leaf.
fn values<'a>(mut state: State<'a>, rows: &[Vec<Expr>], at: Standing) -> (State<'a>, Columns) {
    let resolve = |row: &Vec<Expr>| row.iter().map(|expr| state.resolve(expr)).collect::<Option<Vec<_>>>();
    let columns = match rows.iter().map(resolve).collect() {
        Some(rows) => state.flat.add_leaf(at.context, LeafKind::Values { rows }),
        None => vec![None; rows.first().map_or(0, Vec::len)],
    };
    (state, columns)
}

fn few(flats: usize) -> Result<(), Rejection> {
    if flats <= FLATS_MAX {
        return Ok(());
    }
    Err(refused(Code::Untraceable, "query", "a row may come about in too many ways to trace each"))
}

pub(super) fn refused(code: Code, construct: &str, reason: &str) -> Rejection {
    Rejection::new(code, construct, 0..0).because(reason)
}
