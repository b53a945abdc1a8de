//! Conjuncts that hold only for a time.
//!
//! Law: a row passes `expr > f(clock)` until a moment that can be told from `expr` alone, so a refresh need look only at
//! rows between the last bound and the new one. That is so where one side asks no clock and the other asks nothing else;
//! every other use of a clock is named, with its place, and stands for all rows.
//!
//! What BETWEEN was written as is two such conjuncts already. Under an outer join a conjunct of ON ends a partnership
//! rather than a row; [`Place::On`] tells which join it is. Whether `f` is stable is for the server to say, and so is
//! what functions and views of a user ask behind their names.

use crate::ir::{Clock, ClockKind, Comparison, Expr, Path, Piece, Place, Query};

/// `expr operator bound`, the bound alone depending on the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    /// The query whose condition it is.
    pub path: Path,
    /// Which conjunct.
    pub place: Place,
    /// The side of the row.
    pub expr: Expr,
    /// How the side of the row stands to the bound.
    pub operator: TimeOperator,
    /// The side of the clock.
    pub bound: Expr,
}

/// How a row stands to a bound of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeOperator {
    /// `<`: rows enter as time passes.
    Less,
    /// `<=`: rows enter as time passes.
    LessOrEqual,
    /// `>`: rows leave as time passes.
    Greater,
    /// `>=`: rows leave as time passes.
    GreaterOrEqual,
}

/// A use of the clock that is no window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockUse {
    /// The query in which it stands.
    pub path: Path,
    /// Where it stands there.
    pub place: Place,
    /// The clock.
    pub clock: Clock,
}

/// Everything in a query that depends on when it is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The conjuncts that are windows.
    pub windows: Vec<TimeWindow>,
    /// All other uses.
    pub other: Vec<ClockUse>,
}

/// Finds every use of a clock, in the query and all within.
///
/// ```
/// use remat_sql::{catalog::Catalog, read, window::{TimeOperator, clocks}};
/// let text = "SELECT q.at FROM ( VALUES (now())) q(at) WHERE ((now() - '1 day'::interval) < q.at)";
/// let found = clocks(&read(text, &Catalog::default()).unwrap());
/// assert_eq!(found.windows[0].operator, TimeOperator::Greater);
/// assert_eq!(found.other.len(), 1);
/// ```
pub fn clocks(query: &Query) -> Clocks {
    let mut clocks = Clocks::default();
    query.each_query(&mut Path::new(), &mut |path, query| {
        for (place, expr) in query.exprs() {
            match window(path, place, expr) {
                Some(window) => clocks.windows.push(window),
                None => expr.each(&mut |piece| {
                    if let Piece::Clock(clock) = piece {
                        clocks.other.push(ClockUse { path: path.clone(), place, clock: clock.clone() });
                    }
                }),
            }
        }
    });
    clocks
}

fn window(path: &Path, place: Place, expr: &Expr) -> Option<TimeWindow> {
    if !matches!(place, Place::Filter(_) | Place::On(..)) {
        return None;
    }
    let (of_row, operator, bound) = sides(expr)?;
    Some(TimeWindow { path: path.clone(), place, expr: of_row.clone(), operator, bound: bound.clone() })
}

/// The side of the row, how it stands to the bound, and the bound, where a conjunct is a window.
pub(crate) fn sides(expr: &Expr) -> Option<(&Expr, TimeOperator, &Expr)> {
    let Comparison { left, operator, right } = expr.comparison()?;
    let operator = TimeOperator::of(operator)?;
    if is_of_row(left) && is_of_clock(right) {
        Some((left, operator, right))
    } else if is_of_clock(left) && is_of_row(right) {
        Some((right, operator.turned(), left))
    } else {
        None
    }
}

/// Names columns of its own query, and nothing that depends on other rows or on time.
fn is_of_row(expr: &Expr) -> bool {
    let columns = expr.columns();
    let plain = !expr.has_clock() && !expr.has_sublink() && !expr.has_call();
    plain && !columns.is_empty() && columns.iter().all(|column| column.up == 0)
}

/// Asks a clock that stands still during a transaction, and holds nothing else but constants.
fn is_of_clock(expr: &Expr) -> bool {
    let steady = |piece: &Piece| {
        matches!(piece, Piece::Text(_) | Piece::Clock(Clock { kind: ClockKind::Transaction, .. }))
    };
    expr.pieces.iter().all(steady) && expr.has_clock()
}

impl TimeOperator {
    fn of(operator: &str) -> Option<Self> {
        match operator {
            "<" => Some(Self::Less),
            "<=" => Some(Self::LessOrEqual),
            ">" => Some(Self::Greater),
            ">=" => Some(Self::GreaterOrEqual),
            _ => None,
        }
    }

    /// The same relation, its sides exchanged.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// The operator in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}
