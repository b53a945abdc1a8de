//! FROM: readings, functions and joins.
//!
//! Law: a row of the side that an outer join keeps needs no partner, so the other side is a context of its own, and lends
//! only bare columns, which are NULL where it is missing. A full join is two flat joins, one for each side that is kept.

use crate::{
    Code, Rejection,
    ir::{Expr, Join, JoinKind, Select, Source, SourceKind, Tree, Using},
};

use super::{Columns, Standing, State, Tracer, refused};
use crate::maintain::scope::flat::{LeafKind, equal};

/// The sides of an outer join.
struct Sides<'a> {
    kept: &'a Tree,
    other: &'a Tree,
    of_kept: fn(&Using) -> &crate::ir::ColumnRef,
}

impl<'a> Tracer<'a> {
    pub(super) fn tree(
        &self,
        state: State<'a>,
        select: &'a Select,
        tree: &'a Tree,
        at: Standing,
    ) -> Result<Vec<State<'a>>, Rejection> {
        match tree {
            Tree::Source(place) => self.source(state, *place, &select.sources[*place], at),
            Tree::Join(join) => self.join(state, select, join, at),
        }
    }

    fn source(
        &self,
        mut state: State<'a>,
        place: usize,
        source: &'a Source,
        at: Standing,
    ) -> Result<Vec<State<'a>>, Rejection> {
        match &source.kind {
            SourceKind::Relation { relation, only } => {
                let Some(known) = self.catalog.relations.get(relation) else {
                    return Err(refused(Code::UnknownName, &relation.name, "the relation is not known"));
                };
                let columns = known.columns.clone();
                let kind = LeafKind::Relation { name: relation.clone(), only: *only, columns };
                let columns = state.flat.add_leaf(at.context, kind);
                state.set(place, columns);
                Ok(vec![state])
            }
            SourceKind::Cte { up, index } => {
                let inner = state.levels.split_off(state.levels.len() - up);
                let Some(cte) = state.levels.last().map(|level| &level.query.with[*index]) else {
                    return Err(refused(Code::UnknownName, "WITH", "the query is not known"));
                };
                let traced = self.query(state, &cte.query, at)?;
                Ok(placed(traced, &inner, place))
            }
            SourceKind::Query { query, .. } => {
                let free = at.free || query.is_correlated();
                let traced = self.query(state, query, Standing { free, ..at })?;
                Ok(placed(traced, &[], place))
            }
            SourceKind::Function { call, ordinality, types, .. } => {
                let mut state = self.sublinks(state, call, at.context, false)?;
                if let Some(call) = state.resolve(call) {
                    let (columns, types) = (source.columns.clone(), types.clone());
                    let kind = LeafKind::Function { call, columns, ordinality: *ordinality, types };
                    let columns = state.flat.add_leaf(at.context, kind);
                    state.set(place, columns);
                }
                Ok(vec![state])
            }
            SourceKind::Join => Ok(vec![state]),
        }
    }

    fn join(
        &self,
        state: State<'a>,
        select: &'a Select,
        join: &'a Join,
        at: Standing,
    ) -> Result<Vec<State<'a>>, Rejection> {
        let left = Sides { kept: &join.left, other: &join.right, of_kept: |using| &using.left };
        let right = Sides { kept: &join.right, other: &join.left, of_kept: |using| &using.right };
        match join.kind {
            JoinKind::Inner | JoinKind::Cross => {
                let states = self.tree(state, select, &join.left, at)?;
                let states = Self::each(states, |state| self.tree(state, select, &join.right, at))?;
                let on = |state| self.on(state, join, at.context).map(|state| merged(state, join, &left));
                states.into_iter().map(on).collect()
            }
            JoinKind::Left => self.outer(state, select, join, &left, at),
            JoinKind::Right => self.outer(state, select, join, &right, at),
            JoinKind::Full => {
                let mut states = self.outer(state.clone(), select, join, &left, at)?;
                states.extend(self.outer(state, select, join, &right, at)?);
                Ok(states)
            }
        }
    }

    fn outer(
        &self,
        state: State<'a>,
        select: &'a Select,
        join: &'a Join,
        sides: &Sides<'a>,
        at: Standing,
    ) -> Result<Vec<State<'a>>, Rejection> {
        let states = self.tree(state, select, sides.kept, at)?;
        let beside = |state| {
            let (mut state, ways) = Self::optional(state, at.context, |state, context| {
                let states = self.tree(state, select, sides.other, Standing { context, ..at })?;
                states.into_iter().map(|state| self.on(state, join, context)).collect()
            })?;
            lend(&mut state, sides.other, ways == 1);
            Ok(merged(state, join, sides))
        };
        states.into_iter().map(beside).collect()
    }

    fn on(&self, mut state: State<'a>, join: &'a Join, context: usize) -> Result<State<'a>, Rejection> {
        for conjunct in &join.on {
            state = self.conjunct(state, conjunct, context)?;
        }
        for using in &join.using {
            let sides = (state.lookup(&using.left).cloned(), state.lookup(&using.right).cloned());
            if let (Some(left), Some(right)) = sides {
                state.flat.add_conjunct(context, equal(left, right));
            }
        }
        Ok(state)
    }
}

/// A query in FROM has its columns where it stands; the levels that it did not see come back.
fn placed<'a>(traced: Vec<(State<'a>, Columns)>, inner: &[super::Level<'a>], place: usize) -> Vec<State<'a>> {
    let place_one = |(mut state, columns): (State<'a>, Columns)| {
        state.levels.extend_from_slice(inner);
        state.set(place, columns);
        state
    };
    traced.into_iter().map(place_one).collect()
}

/// Leaves those columns of a side that are NULL where it is missing, and what they are elsewhere.
fn lend(state: &mut State<'_>, side: &Tree, is_one: bool) {
    let Some(level) = state.levels.last_mut() else { return };
    for place in side.sources() {
        for column in &mut level.columns[place] {
            if !is_one || column.as_ref().is_some_and(|expr| expr.bare_column().is_none()) {
                *column = None;
            }
        }
    }
}

/// The columns of USING are those of the side that is kept.
fn merged<'a>(mut state: State<'a>, join: &Join, sides: &Sides<'_>) -> State<'a> {
    if let Some(place) = join.source {
        let columns = join.using.iter().map(|using| state.lookup((sides.of_kept)(using)).cloned());
        let columns: Vec<Option<Expr>> = columns.collect();
        state.set(place, columns);
    }
    state
}
