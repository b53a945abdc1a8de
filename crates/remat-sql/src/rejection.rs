//! Why a text is refused.
//!
//! Law: a refusal names its code, the construct, the reason, where it stands, and what to do. Codes are never reused.

use std::{fmt, ops::Range};

/// The codes of refusals; each is documented by its variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// R001: nothing but white space and comments.
    Empty,
    /// R002: more than one statement.
    SeveralStatements,
    /// R003: a statement that is not a query.
    NotAQuery,
    /// R004: a query that writes, in a common table expression.
    DataModifying,
    /// R005: a query that makes a table.
    SelectInto,
    /// R006: a text that is not PostgreSQL's SQL.
    Syntax,
    /// R007: a text that is too long, or nested too deeply, to be read safely.
    TooLarge,
    /// R008: a placeholder such as `$1`.
    Parameter,
    /// R009: a common table expression that may read itself.
    RecursiveCte,
    /// R010: a query that locks rows.
    Locking,
    /// R011: a sample of a table.
    TableSample,
    /// R012: something in FROM that is not followed: `XMLTABLE`, `JSON_TABLE`, `GRAPH_TABLE`, an alias over a join.
    FromItem,
    /// R013: a name that the catalog does not have, or that may mean several things.
    UnknownName,
    /// R014: a text that `pg_get_viewdef` does not print.
    NotCanonical,
    /// R015: an aggregate with a syntax of its own: `JSON_OBJECTAGG`, `JSON_ARRAYAGG`.
    JsonAggregate,
    /// R016: a call of a name that aggregates share with other functions.
    AmbiguousFunction,
    /// R020: a construct for which no technique follows changes.
    NotMaintained,
    /// R021: a use of the clock that is not a condition on a row of a table.
    Clock,
    /// R022: a key of the view that a change cannot be traced to.
    Untraceable,
    /// R023: a relation whose changes cannot be captured: a catalog of the server, a materialized view, a foreign,
    /// unlogged or temporary table, one with policies, one below another table; or a view with the rights of another role.
    Uncaptured,
    /// R024: a function whose result is not settled by its arguments and by the settings that a refresh pins.
    Volatile,
}

impl Code {
    /// The code as it is shown and searched for.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "R001",
            Self::SeveralStatements => "R002",
            Self::NotAQuery => "R003",
            Self::DataModifying => "R004",
            Self::SelectInto => "R005",
            Self::Syntax => "R006",
            Self::TooLarge => "R007",
            Self::Parameter => "R008",
            Self::RecursiveCte => "R009",
            Self::Locking => "R010",
            Self::TableSample => "R011",
            Self::FromItem => "R012",
            Self::UnknownName => "R013",
            Self::NotCanonical => "R014",
            Self::JsonAggregate => "R015",
            Self::AmbiguousFunction => "R016",
            Self::NotMaintained => "R020",
            Self::Clock => "R021",
            Self::Untraceable => "R022",
            Self::Uncaptured => "R023",
            Self::Volatile => "R024",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is refused.
///
/// ```
/// let rejection = remat_sql::single_select("select 1;\ndrop table sales").unwrap_err();
/// assert_eq!(rejection.code.as_str(), "R002");
/// assert_eq!(rejection.position("select 1;\ndrop table sales"), (2, 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// Which refusal it is.
    pub code: Code,
    /// The construct, as a person would name it.
    pub construct: String,
    /// One lowercase line.
    pub reason: String,
    /// What to do, as a sentence.
    pub hint: Option<String>,
    /// Where the construct stands, in bytes.
    pub span: Range<usize>,
}

impl Rejection {
    /// A refusal of a construct that stands there.
    pub fn new(code: Code, construct: impl Into<String>, span: Range<usize>) -> Self {
        Self { code, construct: construct.into(), reason: String::new(), hint: None, span }
    }

    /// With its reason: one lowercase line.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// With what to do: a sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Line and column of the construct in the text that was refused; both count from 1, columns in characters.
    pub fn position(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}
