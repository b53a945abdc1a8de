//! What a query is made of: its own expressions, and the queries directly within it.
//!
//! Law: every expression of a level is in [`Query::exprs`] once, every query within is in [`Query::children`] once. Whatever
//! walks a query is built on these two, so none of them forgets a corner.

use std::fmt;

use super::{Body, Call, ColumnRef, Expr, GroupKey, OrderKey, Over, Piece, Query, Select, SortBy};
use super::{SourceKind, Sublink, SublinkKind, Tree, Using, WindowSpec};

/// Where an expression stands in its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a column that comes out.
    Item(usize),
    /// In DISTINCT ON.
    DistinctOn,
    /// In the call of the source at this place.
    Function(usize),
    /// A conjunct of ON: of which join, counted as [`Select::joins`] has them, and which conjunct.
    On(usize, usize),
    /// A conjunct of WHERE.
    Filter(usize),
    /// In GROUP BY.
    Group,
    /// A conjunct of HAVING.
    Having(usize),
    /// In a window that has a name.
    Window,
    /// In ORDER BY.
    Order,
    /// In LIMIT or OFFSET.
    Limit,
    /// In VALUES.
    Values,
}

/// One step from a query to one directly within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To a common table expression, by its place.
    With(usize),
    /// To an operand of a set operation, by its place.
    Operand(usize),
    /// To a source, by its place.
    Source(usize),
    /// To a sub-select in an expression, counted in the order of [`Query::exprs`].
    Sublink(usize),
}

/// The way from the outermost query to one within.
pub type Path = Vec<Step>;

impl Query {
    /// Every expression of this level, those of queries within left out.
    pub fn exprs(&self) -> Vec<(Place, &Expr)> {
        let mut exprs = match &self.body {
            Body::Select(select) => select.exprs(),
            Body::Set { .. } => Vec::new(),
            Body::Values(rows) => rows.iter().flatten().map(|expr| (Place::Values, expr)).collect(),
        };
        exprs.extend(sorted_by(&self.order).map(|expr| (Place::Order, expr)));
        exprs.extend(self.offset.iter().map(|expr| (Place::Limit, expr)));
        exprs.extend(self.limit.iter().map(|limit| (Place::Limit, &limit.rows)));
        exprs
    }

    /// Every query directly within, with the step that leads there.
    pub fn children(&self) -> Vec<(Step, &Query)> {
        let sublinks = self.sublinks().into_iter().enumerate();
        let mut children = self.tables();
        children.extend(sublinks.map(|(n, sublink)| (Step::Sublink(n), &sublink.query)));
        children
    }

    /// The sub-selects in expressions of this level, outer ones before those in their tests.
    pub fn sublinks(&self) -> Vec<&Sublink> {
        let mut sublinks = Vec::new();
        for (_, expr) in self.exprs() {
            expr.each(&mut |piece| {
                if let Piece::Sublink(sublink) = piece {
                    sublinks.push(&**sublink);
                }
            });
        }
        sublinks
    }

    /// Calls `f` with each column that is named from here or from within, and is `depth` queries out or more; counted
    /// from there.
    pub(crate) fn each_column(&self, depth: usize, f: &mut dyn FnMut(ColumnRef)) {
        for (_, expr) in self.exprs() {
            expr.each_column(depth, f);
        }
        for using in self.select().into_iter().flat_map(Select::usings) {
            named_from(&using.left, depth, f);
            named_from(&using.right, depth, f);
        }
        for (_, child) in self.tables() {
            child.each_column(depth + 1, f);
        }
    }

    fn tables(&self) -> Vec<(Step, &Query)> {
        let with = self.with.iter().enumerate().map(|(n, cte)| (Step::With(n), &cte.query));
        let mut tables: Vec<_> = with.collect();
        match &self.body {
            Body::Select(select) => tables.extend(select.subqueries()),
            Body::Set { operands, .. } => {
                tables.extend(operands.iter().enumerate().map(|(n, query)| (Step::Operand(n), query)));
            }
            Body::Values(_) => {}
        }
        tables
    }
}

impl Select {
    /// Every join, an outer one before those within.
    pub fn joins(&self) -> Vec<&super::Join> {
        self.from.iter().flat_map(Tree::joins).collect()
    }

    fn usings(&self) -> impl Iterator<Item = &Using> {
        self.joins().into_iter().flat_map(|join| &join.using)
    }

    fn subqueries(&self) -> impl Iterator<Item = (Step, &Query)> {
        self.sources.iter().enumerate().filter_map(|(place, source)| {
            let SourceKind::Query { query, .. } = &source.kind else { return None };
            Some((Step::Source(place), &**query))
        })
    }

    fn exprs(&self) -> Vec<(Place, &Expr)> {
        let mut exprs: Vec<_> =
            self.items.iter().enumerate().map(|(n, item)| (Place::Item(n), &item.expr)).collect();
        if let super::Distinct::On(on) = &self.distinct {
            exprs.extend(on.iter().map(|expr| (Place::DistinctOn, expr)));
        }
        for (n, source) in self.sources.iter().enumerate() {
            if let SourceKind::Function { call, .. } = &source.kind {
                exprs.push((Place::Function(n), call));
            }
        }
        for (n, join) in self.joins().into_iter().enumerate() {
            exprs.extend(join.on.iter().enumerate().map(|(k, expr)| (Place::On(n, k), expr)));
        }
        exprs.extend(self.filter.iter().enumerate().map(|(n, expr)| (Place::Filter(n), expr)));
        let keys = self.group.iter().flat_map(|group| &group.keys);
        exprs.extend(keys.flat_map(GroupKey::exprs).map(|expr| (Place::Group, expr)));
        exprs.extend(self.having.iter().enumerate().map(|(n, expr)| (Place::Having(n), expr)));
        let specs = self.windows.iter().flat_map(|window| window.spec.exprs());
        exprs.extend(specs.map(|expr| (Place::Window, expr)));
        exprs
    }
}

impl GroupKey {
    fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Expr(expr) => vec![expr],
            Self::Rollup(exprs) | Self::Cube(exprs) => exprs.iter().collect(),
            Self::Sets(keys) => keys.iter().flat_map(Self::exprs).collect(),
        }
    }
}

impl WindowSpec {
    pub(crate) fn exprs(&self) -> Vec<&Expr> {
        self.partition.iter().chain(sorted_by(&self.order)).chain(&self.frame).collect()
    }
}

impl Call {
    /// How many queries out the innermost column is that it names; none if it names none.
    pub(crate) fn innermost(&self) -> Option<usize> {
        self.exprs().into_iter().flat_map(Expr::columns).map(|column| column.up).min()
    }

    fn exprs(&self) -> Vec<&Expr> {
        let order = sorted_by(&self.order).chain(sorted_by(&self.within));
        self.args.iter().chain(order).chain(&self.filter).collect()
    }
}

impl Piece {
    /// The expressions directly within, those of a sub-select's query left out.
    fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Text(_) | Self::Column(_) | Self::Clock(_) => Vec::new(),
            Self::Comparison(comparison) => vec![&comparison.left, &comparison.right],
            Self::Aggregate(call) => call.exprs(),
            Self::Window(window) => match &window.over {
                Over::Named(_) => window.call.exprs(),
                Over::Spec(spec) => window.call.exprs().into_iter().chain(spec.exprs()).collect(),
            },
            Self::Sublink(sublink) => match &sublink.kind {
                SublinkKind::In(test) | SublinkKind::Compare { test, .. } => vec![test],
                SublinkKind::Exists | SublinkKind::Scalar | SublinkKind::Array => Vec::new(),
            },
        }
    }
}

impl Expr {
    /// Calls `f` with every piece of this level, outer ones before those within; sub-selects are not entered.
    pub fn each<'a>(&'a self, f: &mut dyn FnMut(&'a Piece)) {
        for piece in &self.pieces {
            f(piece);
            for expr in piece.exprs() {
                expr.each(f);
            }
        }
    }

    /// The columns that it names, also from within sub-selects; each once, counted from here.
    pub fn columns(&self) -> std::collections::BTreeSet<ColumnRef> {
        let mut columns = std::collections::BTreeSet::new();
        self.each_column(0, &mut |column| {
            columns.insert(column);
        });
        columns
    }

    /// Whether it asks a clock, sub-selects included.
    pub fn has_clock(&self) -> bool {
        self.any(&|piece| matches!(piece, Piece::Clock(_)))
    }

    /// Whether it holds a sub-select.
    pub fn has_sublink(&self) -> bool {
        self.any(&|piece| matches!(piece, Piece::Sublink(_)))
    }

    /// Whether it holds an aggregate or a window function, sub-selects included.
    pub fn has_call(&self) -> bool {
        self.any(&|piece| matches!(piece, Piece::Aggregate(_) | Piece::Window(_)))
    }

    /// Whether it names a column of a query around the one that it stands in.
    pub fn is_correlated(&self) -> bool {
        self.columns().iter().any(|column| column.up > 0)
    }

    pub(crate) fn each_column(&self, depth: usize, f: &mut dyn FnMut(ColumnRef)) {
        for piece in &self.pieces {
            if let Piece::Column(column) = piece {
                named_from(column, depth, f);
            }
            if let Piece::Sublink(sublink) = piece {
                sublink.query.each_column(depth + 1, f);
            }
            for expr in piece.exprs() {
                expr.each_column(depth, f);
            }
        }
    }

    fn any(&self, is: &dyn Fn(&Piece) -> bool) -> bool {
        let within = |piece: &Piece| matches!(piece, Piece::Sublink(sublink) if sublink.query.any(is));
        let mut found = false;
        self.each(&mut |piece| found = found || is(piece) || within(piece));
        found
    }
}

impl Query {
    /// Whether it asks a clock anywhere.
    pub fn has_clock(&self) -> bool {
        self.any(&|piece| matches!(piece, Piece::Clock(_)))
    }

    fn any(&self, is: &dyn Fn(&Piece) -> bool) -> bool {
        self.exprs().iter().any(|(_, expr)| expr.any(is))
            || self.tables().iter().any(|(_, query)| query.any(is))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::With(n) => write!(f, "with {}", n + 1),
            Self::Operand(n) => write!(f, "operand {}", n + 1),
            Self::Source(n) => write!(f, "source {}", n + 1),
            Self::Sublink(n) => write!(f, "sub-select {}", n + 1),
        }
    }
}

fn named_from(column: &ColumnRef, depth: usize, f: &mut dyn FnMut(ColumnRef)) {
    if let Some(up) = column.up.checked_sub(depth) {
        f(ColumnRef { up, ..column.clone() });
    }
}

fn sorted_by(keys: &[OrderKey]) -> impl Iterator<Item = &Expr> {
    keys.iter().filter_map(|key| match &key.by {
        SortBy::Expr(expr) => Some(expr),
        SortBy::Output(_) => None,
    })
}
