//! A case as a value: tables, a query, and what is written between refreshes.
//!
//! Law: no text and nothing that could dangle. A [`Pick`] chooses among whatever there is when the case is told, by its
//! remainder; so every value is a case, and taking a part of it away leaves a case.

use super::kind::Kind;

/// Chooses one of several things.
pub(crate) type Pick = u8;

#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Whether the clock of the session has summer time.
    pub(crate) zone: bool,
    /// How columns are called.
    pub(crate) names: Pick,
    pub(crate) tables: Vec<Table>,
    pub(crate) ctes: Vec<Body>,
    pub(crate) body: Body,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) key: TableKey,
    pub(crate) columns: Vec<Field>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableKey {
    Id,
    Pair,
    None,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
}

/// The genes of a row: two for the key, one for each column.
pub(crate) type Row = [u8; 7];

/// A query that may stand in FROM.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Select(Box<Select>),
    Set(Box<Set>),
}

#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub(crate) from: From,
    pub(crate) shape: Shape,
    pub(crate) top: Option<Top>,
}

#[derive(Clone, Debug)]
pub(crate) struct From {
    pub(crate) items: Vec<Item>,
    /// Whether inner joins are written with commas.
    pub(crate) comma: bool,
    pub(crate) filter: Vec<Pred>,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) rows: Rows,
    pub(crate) join: Join,
    /// The sides of the equality by which it is joined.
    pub(crate) left: Pick,
    pub(crate) right: Pick,
    /// A further condition of the join.
    pub(crate) extra: Option<Pred>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

#[derive(Clone, Debug)]
pub(crate) enum Rows {
    Named(Pick),
    Sub(Body),
    Lateral { inner: Inner, agg: Agg, first: bool },
}

/// A table within a subquery.
#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) table: Pick,
    /// Its column and that of the outer query which it must equal.
    pub(crate) correlated: Option<(Pick, Pick)>,
    pub(crate) filter: Vec<Pred>,
}

#[derive(Clone, Debug)]
pub(crate) enum Pred {
    Compare { column: Pick, operator: Pick, value: u8 },
    IsNull { column: Pick, not: bool },
    Columns { left: Pick, operator: Pick, right: Pick },
    Among { column: Pick, values: [u8; 2] },
    Recent { column: Pick, operator: Pick, bound: Pick, turned: bool },
    Not(Box<Pred>),
    Or(Box<Pred>, Box<Pred>),
    Exists { not: bool, inner: Inner },
    InRows { not: bool, column: Pick, inner: Inner, picked: Pick },
    Beside { column: Pick, operator: Pick, agg: Box<Agg>, inner: Inner },
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Column(Pick),
    Plus(Pick, u8),
    Times(Pick, Pick),
    Coalesce(Pick, u8),
    Trunc(Pick),
    Text(Pick),
    Case(Box<Pred>, Pick, Pick),
    Scalar(Box<Agg>, Inner),
}

#[derive(Clone, Debug)]
pub(crate) struct Agg {
    pub(crate) function: Function,
    pub(crate) of: Expr,
    pub(crate) with: Pick,
    pub(crate) filter: Option<Box<Pred>>,
    /// What is done to its outcome.
    pub(crate) dress: Pick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    CountAll,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    CountDistinct,
    SumDistinct,
    StringAgg,
    ArrayAgg,
    PercentileCont,
    PercentileDisc,
    Mode,
    Stddev,
    Corr,
    BoolAnd,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Rows { keyed: bool, items: Vec<Expr>, windows: Vec<Window> },
    Group { keys: Vec<GroupKey>, aggs: Vec<Agg>, having: Option<(Agg, Pick, u8)>, rank: Option<Pick> },
    Distinct { items: Vec<Expr> },
    DistinctOn { on: Vec<Pick>, order: Pick, descending: bool, items: Vec<Expr> },
}

#[derive(Clone, Debug)]
pub(crate) struct GroupKey {
    pub(crate) column: Pick,
    pub(crate) trunc: bool,
    /// How NULL is kept out of the key.
    pub(crate) form: Pick,
}

#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) function: Pick,
    pub(crate) of: Pick,
    pub(crate) partition: Vec<Pick>,
    pub(crate) order: Pick,
    pub(crate) descending: bool,
    pub(crate) frame: Pick,
}

#[derive(Clone, Debug)]
pub(crate) struct Top {
    pub(crate) by: Pick,
    pub(crate) descending: bool,
    pub(crate) limit: Pick,
    pub(crate) offset: Pick,
}

#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) operator: Pick,
    pub(crate) all: bool,
    pub(crate) operands: Vec<From>,
    pub(crate) picks: Vec<Pick>,
}

/// What happens between two refreshes.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) work: Vec<Work>,
    /// How far the clock moves.
    pub(crate) advance: Pick,
}

#[derive(Clone, Debug)]
pub(crate) enum Work {
    Insert {
        table: Pick,
        rows: Vec<Row>,
    },
    Delete {
        table: Pick,
        which: Which,
    },
    Update {
        table: Pick,
        which: Which,
        column: Pick,
        value: u8,
    },
    UpdateKey {
        table: Pick,
        from: u8,
        to: u8,
    },
    Truncate {
        table: Pick,
    },
    /// Done, and taken back by a savepoint.
    Undone(Vec<Work>),
}

#[derive(Clone, Debug)]
pub(crate) enum Which {
    Id(u8),
    Column(Pick, u8),
    All,
}
