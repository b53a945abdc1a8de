//! Other expressions in the place of columns, and expressions moved to another level.
//!
//! Law: what is changed is the tree, never text. An expression that takes the place of a column is given in terms of the
//! level where the change began, and is moved inwards where a sub-select names that column; in parentheses, because a
//! subscript or a field may follow. The walk meets what [`Query::exprs`] and [`Query::children`] meet; a test compares them.

use super::{
    Body, Call, ColumnRef, Cte, Distinct, Expr, GroupKey, Join, OrderKey, Over, Piece, Query, Select, SortBy,
    Source, SourceKind, SublinkKind, Tree, WindowSpec,
};

/// What to do with everything that points to a level, by how many queries out it is from where it stands, and with
/// every query.
pub(super) trait Change {
    /// What takes the place of a column that is named from `depth` queries within; nothing keeps it.
    fn column(&mut self, _column: &mut ColumnRef, _depth: usize) -> Option<Expr> {
        None
    }
    /// Changes how many queries out something is that is named from `depth` queries within.
    fn up(&mut self, _up: &mut usize, _depth: usize) {}
    /// Changes a query after all within it.
    fn query(&mut self, _query: &mut Query) {}
    /// Meets the common table expressions of a query that is `depth` queries within, changed already.
    fn with(&mut self, _: &mut Vec<Cte>, _: usize) {}
    /// Meets a source of such a query, before what it reads is changed.
    fn source(&mut self, _: &mut Source, _: usize) {}
}

struct Substitution<'a>(&'a mut dyn FnMut(&ColumnRef) -> Option<Expr>);

impl Change for Substitution<'_> {
    fn column(&mut self, column: &mut ColumnRef, depth: usize) -> Option<Expr> {
        let seen = ColumnRef { up: column.up.checked_sub(depth)?, ..column.clone() };
        (self.0)(&seen).map(|expr| expr.moved_in(depth))
    }
}

/// Puts copies of common table expressions where they are read.
#[derive(Default)]
struct Inline {
    /// Those of the queries around the place, by depth.
    levels: Vec<Vec<Query>>,
    copies: usize,
}

impl Change for Inline {
    fn column(&mut self, _: &mut ColumnRef, _: usize) -> Option<Expr> {
        None
    }

    fn up(&mut self, _: &mut usize, _: usize) {}

    fn with(&mut self, with: &mut Vec<Cte>, depth: usize) {
        self.levels.resize(depth + 1, Vec::new());
        self.levels[depth] = with.iter().map(|cte| cte.query.clone()).collect();
    }

    fn source(&mut self, source: &mut Source, depth: usize) {
        let SourceKind::Cte { up, index } = source.kind else { return };
        let known = depth.checked_sub(up).and_then(|level| self.levels.get(level)?.get(index));
        let Some(query) = known else { return };
        self.copies += 1;
        if self.copies > MOST_COPIES {
            return;
        }
        source.kind = SourceKind::Query { lateral: false, query: Box::new(query.clone().moved_in(up)) };
        source.listed = true;
    }
}

/// Takes away the common table expressions that nothing reads any more.
struct Forget;

impl Change for Forget {
    fn column(&mut self, _: &mut ColumnRef, _: usize) -> Option<Expr> {
        None
    }

    fn up(&mut self, _: &mut usize, _: usize) {}

    fn with(&mut self, with: &mut Vec<Cte>, _: usize) {
        with.clear();
    }
}

/// Copies may hold what is copied again; beyond this the query is left as it is.
const MOST_COPIES: usize = 64;

struct Move(usize);

impl Change for Move {
    fn column(&mut self, column: &mut ColumnRef, depth: usize) -> Option<Expr> {
        self.up(&mut column.up, depth);
        None
    }

    fn up(&mut self, up: &mut usize, depth: usize) {
        if *up >= depth {
            *up += self.0;
        }
    }
}

impl Expr {
    /// Puts an expression in the place of each column for which `by` gives one. `by` is asked in terms of the level of
    /// this expression and answers so, also for what sub-selects name.
    ///
    /// ```
    /// use remat_sql::{catalog::Catalog, ir::{self, Body, Expr, SourceKind}, read};
    /// let text = "SELECT (q.a + 1) AS b FROM ( VALUES (1)) q(a)";
    /// let mut query = read(text, &Catalog::default()).unwrap();
    /// let Body::Select(select) = &mut query.body else { unreachable!() };
    /// select.items[0].expr.substitute(&mut |_| Some(Expr::text("7 * 6")));
    /// assert!(ir::sql(&query).contains("(7 * 6) + 1"), "{}", ir::sql(&query));
    /// ```
    pub fn substitute(&mut self, by: &mut dyn FnMut(&ColumnRef) -> Option<Expr>) {
        self.change(0, &mut Substitution(by));
    }

    /// The same expression where it stands `levels` queries further in.
    #[must_use]
    pub fn moved_in(mut self, levels: usize) -> Self {
        self.change(0, &mut Move(levels));
        self
    }

    fn change(&mut self, depth: usize, change: &mut dyn Change) {
        for mut piece in std::mem::take(&mut self.pieces) {
            let instead = match &mut piece {
                Piece::Column(column) => change.column(column, depth),
                other => {
                    other.change(depth, change);
                    None
                }
            };
            match instead {
                None => self.push(piece),
                Some(expr) if expr.bare_column().is_some() => self.pieces.extend(expr.pieces),
                Some(expr) => {
                    self.push_text("(");
                    for piece in expr.pieces {
                        self.push(piece);
                    }
                    self.push_text(")");
                }
            }
        }
    }
}

impl Query {
    /// The same query where it stands `levels` queries further in.
    #[must_use]
    pub fn moved_in(mut self, levels: usize) -> Self {
        // Seen from one query out, its own columns are none of what is around it.
        self.change(1, &mut Move(levels));
        self
    }

    /// The same query without common table expressions: where one is read, a copy of it stands. None where these
    /// would be too many.
    pub fn without_ctes(mut self) -> Option<Self> {
        let mut inline = Inline::default();
        self.change(0, &mut inline);
        self.change(0, &mut Forget);
        (inline.copies <= MOST_COPIES).then_some(self)
    }

    /// Puts an expression in the place of each column of this query's own sources, and of queries around it, for which
    /// `by` gives one; see [`Expr::substitute`]. The columns of USING stay.
    pub fn substitute(&mut self, by: &mut dyn FnMut(&ColumnRef) -> Option<Expr>) {
        self.change(0, &mut Substitution(by));
    }

    pub(super) fn change(&mut self, depth: usize, change: &mut dyn Change) {
        let mut with = std::mem::take(&mut self.with);
        let mut done = Vec::new();
        for mut cte in with.drain(..) {
            cte.query.change(depth + 1, change);
            done.push(cte);
            change.with(&mut done, depth);
        }
        self.with = done;
        match &mut self.body {
            Body::Select(select) => select.change(depth, change),
            Body::Set { operands, .. } => {
                for query in operands {
                    query.change(depth + 1, change);
                }
            }
            Body::Values(rows) => change_all(rows.iter_mut().flatten(), depth, change),
        }
        change_order(&mut self.order, depth, change);
        let limit = self.limit.iter_mut().map(|limit| &mut limit.rows);
        change_all(self.offset.iter_mut().chain(limit), depth, change);
        change.query(self);
    }
}

impl Select {
    fn change(&mut self, depth: usize, change: &mut dyn Change) {
        let items = self.items.iter_mut().map(|item| &mut item.expr);
        let on = match &mut self.distinct {
            Distinct::No | Distinct::Rows => [].iter_mut(),
            Distinct::On(on) => on.iter_mut(),
        };
        let conditions = self.filter.iter_mut().chain(&mut self.having);
        change_all(items.chain(on).chain(conditions), depth, change);
        for source in &mut self.sources {
            change.source(source, depth);
            match &mut source.kind {
                SourceKind::Relation { .. } | SourceKind::Join => {}
                SourceKind::Cte { up, .. } => change.up(up, depth),
                SourceKind::Query { query, .. } => query.change(depth + 1, change),
                SourceKind::Function { call, .. } => call.change(depth, change),
            }
        }
        for tree in &mut self.from {
            tree.change(depth, change);
        }
        for key in self.group.iter_mut().flat_map(|group| &mut group.keys) {
            key.change(depth, change);
        }
        for window in &mut self.windows {
            window.spec.change(depth, change);
        }
    }
}

impl Tree {
    fn change(&mut self, depth: usize, change: &mut dyn Change) {
        let Self::Join(join) = self else { return };
        let Join { left, right, on, .. } = &mut **join;
        change_all(on, depth, change);
        left.change(depth, change);
        right.change(depth, change);
    }
}

impl GroupKey {
    fn change(&mut self, depth: usize, change: &mut dyn Change) {
        match self {
            Self::Expr(expr) => expr.change(depth, change),
            Self::Rollup(exprs) | Self::Cube(exprs) => {
                change_all(exprs, depth, change);
            }
            Self::Sets(keys) => {
                for key in keys {
                    key.change(depth, change);
                }
            }
        }
    }
}

impl WindowSpec {
    fn change(&mut self, depth: usize, change: &mut dyn Change) {
        change_all(self.partition.iter_mut().chain(&mut self.frame), depth, change);
        change_order(&mut self.order, depth, change);
    }
}

impl Call {
    fn change(&mut self, depth: usize, change: &mut dyn Change) {
        change.up(&mut self.up, depth);
        change_all(self.args.iter_mut().chain(&mut self.filter), depth, change);
        change_order(&mut self.order, depth, change);
        change_order(&mut self.within, depth, change);
    }
}

impl Piece {
    fn change(&mut self, depth: usize, change: &mut dyn Change) {
        match self {
            Self::Text(_) | Self::Column(_) | Self::Clock(_) => {}
            Self::Comparison(comparison) => {
                comparison.left.change(depth, change);
                comparison.right.change(depth, change);
            }
            Self::Aggregate(call) => call.change(depth, change),
            Self::Window(window) => {
                window.call.change(depth, change);
                if let Over::Spec(spec) = &mut window.over {
                    spec.change(depth, change);
                }
            }
            Self::Sublink(sublink) => {
                match &mut sublink.kind {
                    SublinkKind::In(test) | SublinkKind::Compare { test, .. } => test.change(depth, change),
                    SublinkKind::Exists | SublinkKind::Scalar | SublinkKind::Array => {}
                }
                sublink.query.change(depth + 1, change);
            }
        }
    }
}

fn change_all<'a>(exprs: impl IntoIterator<Item = &'a mut Expr>, depth: usize, change: &mut dyn Change) {
    for expr in exprs {
        expr.change(depth, change);
    }
}

fn change_order(keys: &mut [OrderKey], depth: usize, change: &mut dyn Change) {
    for key in keys {
        if let SortBy::Expr(expr) = &mut key.by {
            expr.change(depth, change);
        }
    }
}
