//! Expressions: the server's words, and between them the parts that a compiler looks at.
//!
//! Law: what is a [`Piece::Text`] holds no column, aggregate, window function, sub-select or clock; it is never searched
//! and never edited. A comparison is kept apart wherever it stands, because keys and time windows are found in it.

use super::{OrderKey, Query, WindowSpec};

/// An expression. It is closed: it may stand as an operand of any operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expr {
    /// Its parts, in the order of the text.
    pub pieces: Vec<Piece>,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words of the server.
    Text(String),
    /// A column.
    Column(ColumnRef),
    /// A comparison, with parentheses of its own.
    Comparison(Box<Comparison>),
    /// An aggregate.
    Aggregate(Box<Call>),
    /// A window function, or an aggregate over a window.
    Window(Box<WindowCall>),
    /// A sub-select, with parentheses of its own.
    Sublink(Box<Sublink>),
    /// What depends on when it is asked.
    Clock(Clock),
}

/// A column of a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnRef {
    /// How many queries out the source is; 0 is the query whose expression this is.
    pub up: usize,
    /// The place of the source in its SELECT.
    pub source: usize,
    /// Which column of it.
    pub target: Target,
}

/// Which column of a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The one at this place.
    Column(usize),
    /// The whole row as one value.
    Row,
    /// A system column, such as `ctid`.
    System(String),
}

/// `left operator right`, the operator one of `= <> < <= > >=` of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The left side.
    pub left: Expr,
    /// The operator.
    pub operator: String,
    /// The right side.
    pub right: Expr,
}

/// The name of a function, as the catalog holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionName {
    /// The schema; none for the server's own.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

/// A call of an aggregate or window function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub function: FunctionName,
    /// How many queries out the rows are that it takes together; 0 almost always.
    pub up: usize,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Whether it is called with a star.
    pub star: bool,
    /// The arguments; the last may begin with VARIADIC, any with a name.
    pub args: Vec<Expr>,
    /// The keys of ORDER BY among the arguments.
    pub order: Vec<OrderKey>,
    /// The keys of WITHIN GROUP.
    pub within: Vec<OrderKey>,
    /// The conjuncts of FILTER.
    pub filter: Vec<Expr>,
}

/// A call over a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowCall {
    /// The call.
    pub call: Call,
    /// The window.
    pub over: Over,
}

/// The window of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// One that has a name.
    Named(String),
    /// One that is written where it is used.
    Spec(WindowSpec),
}

/// A sub-select in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sublink {
    /// What is asked of it.
    pub kind: SublinkKind,
    /// Whether NOT stands before it; for EXISTS and IN only.
    pub negated: bool,
    /// The query, one level further in.
    pub query: Query,
}

/// What is asked of a sub-select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SublinkKind {
    /// Whether it has rows.
    Exists,
    /// Whether a value is among its rows.
    In(Expr),
    /// How a value compares with its rows.
    Compare {
        /// The value.
        test: Expr,
        /// The operator, as it is written.
        operator: String,
        /// With which of the rows.
        quantifier: Quantifier,
    },
    /// Its one value.
    Scalar,
    /// All its values.
    Array,
}

/// With which rows a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// With any.
    Any,
    /// With all.
    All,
}

/// Something that depends on when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What it is.
    pub kind: ClockKind,
    /// How it is written.
    pub text: String,
}

/// What kind of clock a query asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockKind {
    /// The begin of the transaction, as a time or a date: `now()`, `CURRENT_TIMESTAMP`, `CURRENT_DATE`, ….
    Transaction,
    /// The begin of the statement: `statement_timestamp()`.
    Statement,
    /// The moment itself, different from row to row: `clock_timestamp()`, `timeofday()`.
    Moment,
    /// `age(x)`, which takes x from the begin of today.
    Age,
}

impl Expr {
    /// Words of the server.
    pub fn text(words: impl Into<String>) -> Self {
        Self { pieces: vec![Piece::Text(words.into())] }
    }

    /// A column.
    pub fn column(column: ColumnRef) -> Self {
        Self { pieces: vec![Piece::Column(column)] }
    }

    /// The only piece, where there is one.
    pub fn only(&self) -> Option<&Piece> {
        let [piece] = self.pieces.as_slice() else { return None };
        Some(piece)
    }

    /// The column, where the expression is nothing else.
    pub fn bare_column(&self) -> Option<&ColumnRef> {
        let Some(Piece::Column(column)) = self.only() else { return None };
        Some(column)
    }

    /// The comparison, where the expression is nothing else.
    pub fn comparison(&self) -> Option<&Comparison> {
        let Some(Piece::Comparison(comparison)) = self.only() else { return None };
        Some(comparison)
    }

    /// The sub-select, where the expression is nothing else.
    pub fn sublink(&self) -> Option<&Sublink> {
        let Some(Piece::Sublink(sublink)) = self.only() else { return None };
        Some(sublink)
    }

    /// The columns, where the expression says that two of this query's own are equal.
    pub fn column_equality(&self) -> Option<(&ColumnRef, &ColumnRef)> {
        let comparison = self.comparison().filter(|comparison| comparison.operator == "=")?;
        let (left, right) = (comparison.left.bare_column()?, comparison.right.bare_column()?);
        (left.up == 0 && right.up == 0).then_some((left, right))
    }

    /// Adds words, to the text before them where there is one.
    pub(crate) fn push_text(&mut self, words: &str) {
        if words.is_empty() {
            return;
        }
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push_str(words);
        } else {
            self.pieces.push(Piece::Text(words.to_owned()));
        }
    }

    /// Adds a piece; text joins the text before it.
    pub(crate) fn push(&mut self, piece: Piece) {
        if let Piece::Text(words) = &piece {
            self.push_text(words);
        } else {
            self.pieces.push(piece);
        }
    }
}
