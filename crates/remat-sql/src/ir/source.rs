//! What stands in FROM.
//!
//! Law: every source has one place in [`Select::sources`](super::Select::sources), in the order in which the text ends
//! them, and the join tree points there. A join is a source of its own where it has columns of its own: those that
//! USING merged, or all of them under an alias.

use super::{ColumnRef, Expr, Query};
use crate::catalog::QualifiedName;

/// Something with columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What qualifies its columns; none for a join whose merged columns stand bare.
    pub name: Option<String>,
    /// The names of its columns, as the query sees them.
    pub columns: Vec<String>,
    /// Whether these names are written after the name.
    pub listed: bool,
    /// What it is.
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A relation of the catalog.
    Relation {
        /// Which.
        relation: QualifiedName,
        /// Whether its partitions and children are left out.
        only: bool,
    },
    /// A common table expression.
    Cte {
        /// How many queries out it is defined; 0 is the query whose FROM this is.
        up: usize,
        /// Its place among the common table expressions there.
        index: usize,
    },
    /// A query, one level further in.
    Query {
        /// Whether it may read the sources before it.
        lateral: bool,
        /// The query.
        query: Box<Query>,
    },
    /// A function, or several in `ROWS FROM`.
    Function {
        /// Whether it is written as reading the sources before it.
        lateral: bool,
        /// The call; not an operand.
        call: Expr,
        /// Whether a column counts the rows.
        ordinality: bool,
        /// The types of its columns, where they are written after the names.
        types: Option<Vec<String>>,
    },
    /// A join with columns of its own.
    Join,
}

/// A tree of joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A source, by its place.
    Source(usize),
    /// Two trees, joined.
    Join(Box<Join>),
}

/// A join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Which rows without a partner stay.
    pub kind: JoinKind,
    /// The left side.
    pub left: Tree,
    /// The right side.
    pub right: Tree,
    /// The conjuncts of ON.
    pub on: Vec<Expr>,
    /// The columns of USING.
    pub using: Vec<Using>,
    /// The alias of the columns of USING.
    pub using_alias: Option<String>,
    /// Its place among the sources, where it has columns of its own.
    pub source: Option<usize>,
}

/// Which rows without a partner stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// None.
    Inner,
    /// Those of the left side.
    Left,
    /// Those of the right side.
    Right,
    /// Those of both.
    Full,
    /// There is no condition.
    Cross,
}

/// A column that USING merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Using {
    /// Its name on both sides.
    pub name: String,
    /// The left one.
    pub left: ColumnRef,
    /// The right one.
    pub right: ColumnRef,
}

impl Tree {
    /// The joins of the tree, each before those below it.
    pub fn joins(&self) -> Vec<&Join> {
        match self {
            Self::Source(_) => Vec::new(),
            Self::Join(join) => {
                let below = join.left.joins().into_iter().chain(join.right.joins());
                std::iter::once(&**join).chain(below).collect()
            }
        }
    }

    /// The places of everything in the tree, joins with columns of their own included.
    pub fn sources(&self) -> Vec<usize> {
        match self {
            Self::Source(place) => vec![*place],
            Self::Join(join) => {
                let below = join.left.sources().into_iter().chain(join.right.sources());
                below.chain(join.source).collect()
            }
        }
    }
}

impl JoinKind {
    /// Whether rows of the left side may stand without a partner, and whether those of the right side may.
    pub fn keeps(self) -> (bool, bool) {
        match self {
            Self::Inner | Self::Cross => (false, false),
            Self::Left => (true, false),
            Self::Right => (false, true),
            Self::Full => (true, true),
        }
    }
}
