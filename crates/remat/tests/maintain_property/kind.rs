//! The kinds of columns, each with a small domain, so that groups and joins collide.
//!
//! Law: every number is a sum of few powers of two, so that sums over floats do not depend on their order, and what
//! two plans of the server may tell differently is known by its [`Fidelity`].

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Bigint,
    Text,
    Bool,
    Numeric,
    /// `numeric(8,2)`: a number whose scale is settled.
    Money,
    Float,
    Stamp,
    Date,
    TextC,
    TextIcu,
    /// Text whose collation calls `a` and `A` equal.
    TextNd,
    /// A type without equality.
    Json,
    /// Something that comes out of an aggregate, such as an array; it is passed on only.
    Other,
}

/// How far two right answers may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fidelity {
    /// Not at all.
    Exact,
    /// They are equal to the server, as 1 and 1.0 are.
    Equal,
    /// They differ in the last digits.
    Approximate,
}

impl Kind {
    /// As a column's type.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Int => "integer",
            Self::Bigint => "bigint",
            Self::Text => "text",
            Self::Bool => "boolean",
            Self::Numeric => "numeric",
            Self::Money => "numeric(8,2)",
            Self::Float => "double precision",
            Self::Stamp => "timestamp with time zone",
            Self::Date => "date",
            Self::TextC => "text collate \"C\"",
            Self::TextIcu => "text collate \"en-x-icu\"",
            Self::TextNd => "text collate public.nd",
            Self::Json => "json",
            Self::Other => "text[]",
        }
    }

    fn domain(self) -> &'static [&'static str] {
        match self {
            Self::Int => &["0", "1", "2", "3", "-1"],
            Self::Bigint => &["0", "1", "2", "3000000000", "-5"],
            Self::Text | Self::TextC | Self::TextIcu | Self::TextNd => &["a", "b", "A", "", "é", "z z"],
            Self::Bool => &["true", "false"],
            Self::Numeric => &[
                "0", "1", "1.0", "1.50", "2.25", "-1.5", "1.00", "0.0625", "2", "1", "1.5", "NaN", "Infinity",
            ],
            Self::Money => &["0", "1", "1.50", "-2.25", "100"],
            Self::Float => {
                &["0", "1", "0.5", "1.5", "-2.25", "1024", "0.125", "1", "0.5", "NaN", "Infinity", "-0"]
            }
            Self::Stamp => &[
                "2026-03-08 12:00+00",
                "2026-03-08 11:00+00",
                "2026-03-08 13:00+00",
                "2026-03-08 12:30+00",
                "2026-03-08 14:00+00",
                "2026-03-07 12:00+00",
                "2026-03-09 00:00+00",
                "2026-03-10 12:00+00",
                "infinity",
            ],
            Self::Date => &["2026-03-08", "2026-03-09", "2026-03-07", "2026-02-28", "infinity"],
            Self::Json => &["{}", "{ }", "[1]"],
            Self::Other => &["{}"],
        }
    }

    /// The value of a gene, as an operand.
    pub(crate) fn literal(self, gene: u8) -> String {
        let domain = self.domain();
        let value = domain[usize::from(gene) % domain.len()];
        match self {
            Self::Int => format!("({value})"),
            Self::Text | Self::TextC | Self::TextIcu | Self::TextNd => format!("'{value}'::text"),
            Self::Stamp => format!("'{value}'::timestamptz"),
            _ => format!("'{value}'::{}", self.sql()),
        }
    }

    /// An expression of this kind that is never NULL, and its kind; NULL becomes what no column holds.
    pub(crate) fn never_null(self, sql: &str) -> (String, Self) {
        match self {
            Self::Int | Self::Bigint => (format!("coalesce({sql}, -99)"), self),
            Self::Text | Self::TextC | Self::TextIcu | Self::TextNd => {
                (format!("coalesce({sql}, '~'::text)"), self)
            }
            Self::Bool => (format!("coalesce({sql}::integer, -1)"), Self::Int),
            Self::Numeric | Self::Money => (format!("coalesce({sql}, -99)"), Self::Numeric),
            Self::Float => (format!("coalesce({sql}, '-99'::double precision)"), self),
            Self::Stamp => (format!("coalesce({sql}, '1990-01-01 00:00+00'::timestamptz)"), self),
            Self::Date => (format!("coalesce({sql}, '1990-01-01'::date)"), self),
            Self::Json | Self::Other => (format!("coalesce({sql}::text, '~')"), Self::Text),
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Bigint | Self::Numeric | Self::Money | Self::Float)
    }

    /// Whether it is selected and no more.
    pub(crate) fn is_passed_on(self) -> bool {
        matches!(self, Self::Json | Self::Other)
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::TextC | Self::TextIcu | Self::TextNd)
    }

    /// Whether values that are equal may look different.
    pub(crate) fn has_looks(self) -> bool {
        matches!(self, Self::Numeric | Self::Float | Self::TextNd | Self::Other)
    }

    /// Whether two columns may be compared without a cast that the server would have to find.
    pub(crate) fn joins(self, other: Self) -> bool {
        let integer = |kind| matches!(kind, Self::Int | Self::Bigint);
        !self.is_passed_on() && (self == other || integer(self) && integer(other))
    }
}
