//! A query as a value: what names mean is settled, what expressions do is not.
//!
//! Law: nothing here names the parser, and nothing is text that somebody could still have to read. A query is a tree
//! of [`Query`]s; each has its own level of names, and a [`ColumnRef`] says how many levels out it points. Expressions
//! keep the server's own words between the parts that a compiler cares about, so nothing that PostgreSQL can express
//! is lost. Every [`Expr`] is closed: it may stand as an operand of any operator. A subscript and a field want more:
//! parentheses around anything but a column.

mod expand;
mod expr;
mod facts;
mod parts;
mod plan;
mod print;
mod source;
mod substitute;
mod words;

pub use expand::expand;
pub use expr::{
    Call, Clock, ClockKind, ColumnRef, Comparison, Expr, FunctionName, Over, Piece, Quantifier, Sublink,
    SublinkKind, Target, WindowCall,
};
pub use facts::{Occurrence, equalities};
pub use parts::{Path, Place, Step};
pub use plan::plan;
pub use print::{expr_sql, expr_told, quoted, source_sql, sql};
pub use source::{Join, JoinKind, Source, SourceKind, Tree, Using};

/// A query: what may stand in parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its common table expressions, in their order; each sees those before it.
    pub with: Vec<Cte>,
    /// What makes the rows.
    pub body: Body,
    /// How they are sorted.
    pub order: Vec<OrderKey>,
    /// How many are left out at the beginning.
    pub offset: Option<Expr>,
    /// How many there are at most. `LIMIT ALL` is none.
    pub limit: Option<Limit>,
}

/// A common table expression that does not read itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cte {
    /// Its name.
    pub name: String,
    /// The names of its columns, where they are written after the name.
    pub columns: Option<Vec<String>>,
    /// `MATERIALIZED` or `NOT MATERIALIZED`, where it is written.
    pub materialized: Option<bool>,
    /// Its query, one level further in than the query it belongs to.
    pub query: Query,
}

/// What makes the rows of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A SELECT.
    Select(Box<Select>),
    /// Two or more queries combined from the left, each one level further in.
    Set {
        /// How.
        operator: SetOperator,
        /// Whether equal rows stay apart.
        all: bool,
        /// What is combined.
        operands: Vec<Query>,
    },
    /// Rows that are written down. Their columns point outwards only.
    Values(Vec<Vec<Expr>>),
}

/// How queries are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetOperator {
    /// The rows of all.
    Union,
    /// The rows that all have.
    Intersect,
    /// The rows of the first that no other has.
    Except,
}

/// A SELECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// Which equal rows are left out.
    pub distinct: Distinct,
    /// The columns that come out.
    pub items: Vec<Item>,
    /// Everything with columns that its expressions may name; a [`ColumnRef`] points here by position.
    pub sources: Vec<Source>,
    /// How the sources are joined; more than one stand for a cross join.
    pub from: Vec<Tree>,
    /// The conjuncts of WHERE.
    pub filter: Vec<Expr>,
    /// How rows are grouped, where GROUP BY is written.
    pub group: Option<Grouping>,
    /// The conjuncts of HAVING.
    pub having: Vec<Expr>,
    /// Windows that have a name.
    pub windows: Vec<Window>,
}

/// Which equal rows a SELECT leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distinct {
    /// None.
    No,
    /// All but one.
    Rows,
    /// All but the first of those with equal expressions.
    On(Vec<Expr>),
}

/// A column that comes out of a SELECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its value.
    pub expr: Expr,
    /// Its name.
    pub name: String,
}

/// GROUP BY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// Whether equal grouping sets count once.
    pub distinct: bool,
    /// What is grouped by.
    pub keys: Vec<GroupKey>,
}

impl Grouping {
    /// The expressions, where it is grouped by expressions alone.
    pub fn plain(&self) -> Option<Vec<&Expr>> {
        let mut plain = Vec::new();
        for key in &self.keys {
            let GroupKey::Expr(expr) = key else { return None };
            plain.push(expr);
        }
        Some(plain)
    }
}

/// One member of GROUP BY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupKey {
    /// An expression; within the others also a list of them in parentheses, which may be empty.
    Expr(Expr),
    /// `ROLLUP (…)`.
    Rollup(Vec<Expr>),
    /// `CUBE (…)`.
    Cube(Vec<Expr>),
    /// `GROUPING SETS (…)`.
    Sets(Vec<GroupKey>),
}

/// A window with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its name.
    pub name: String,
    /// What it is.
    pub spec: WindowSpec,
}

/// What a window function looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowSpec {
    /// The named window that it refines.
    pub base: Option<String>,
    /// The expressions of PARTITION BY.
    pub partition: Vec<Expr>,
    /// The keys of ORDER BY.
    pub order: Vec<OrderKey>,
    /// The frame, from its first word; not an operand.
    pub frame: Option<Expr>,
}

/// One key of ORDER BY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderKey {
    /// What is sorted by.
    pub by: SortBy,
    /// In which direction.
    pub direction: Direction,
    /// Whether NULL comes first, where that is written.
    pub nulls_first: Option<bool>,
}

/// What is sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// An expression.
    Expr(Expr),
    /// An output column, counting from 1.
    Output(usize),
}

/// In which direction rows are sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the least.
    Ascending,
    /// From the greatest.
    Descending,
    /// By an operator, as it is written after USING.
    Using(String),
}

/// How many rows there are at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number.
    pub rows: Expr,
    /// Whether rows that equal the last one in their order are added.
    pub with_ties: bool,
}

impl Query {
    /// The names of the columns that come out.
    pub fn output(&self) -> Vec<String> {
        match &self.body {
            Body::Select(select) => select.items.iter().map(|item| item.name.clone()).collect(),
            Body::Set { operands, .. } => operands.first().map(Self::output).unwrap_or_default(),
            Body::Values(rows) => {
                (1..=rows.first().map_or(0, Vec::len)).map(|n| format!("column{n}")).collect()
            }
        }
    }

    /// The SELECT, where that is what makes the rows.
    pub fn select(&self) -> Option<&Select> {
        match &self.body {
            Body::Select(select) => Some(select),
            Body::Set { .. } | Body::Values(_) => None,
        }
    }
}

impl Cte {
    /// The names of its columns, as those who read it see them.
    pub fn output(&self) -> Vec<String> {
        renamed(self.query.output(), self.columns.as_deref().unwrap_or_default())
    }
}

/// Names, the first of them replaced by those that were written in their place.
pub(crate) fn renamed(mut names: Vec<String>, written: &[String]) -> Vec<String> {
    for (name, written) in names.iter_mut().zip(written) {
        name.clone_from(written);
    }
    names
}
