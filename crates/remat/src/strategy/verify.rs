//! Compares a managed table that follows changes with its query, in the transaction that brought it up to date.
//!
//! Law: the refresh, its time and the comparison share one snapshot, so whatever differs is wrong and not merely newer.
//! Rows are compared as `remat verify` does, whole and by their image. What differs so and yet may, because two
//! computations by the server itself may tell it differently (the last digits of floating point numbers, 1.0 and 1.00),
//! is counted as *alike* and is no mismatch. A comparison that cannot be made takes nothing from the refresh: that, too,
//! is a finding. Nothing is repaired here.

use std::time::Duration;

use jiff::Timestamp;
use remat_sql::image;
use serde::{Serialize, Serializer};

use super::{
    merge::defining_view,
    millis_f64,
    perform::{Place, Went, perform},
    program::{Program, asking, listing},
};
use crate::{
    compare::difference_sql,
    error::Complaint,
    failure::{Failure, FailureKind, Remedy},
    name::Identifier,
    pg::catalog::Column,
    run::Finding,
};

/// What a verification found, as a run keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Verified {
    pub(crate) finding: Finding,
    /// Rows of the query that the table had not.
    pub(crate) missing: i64,
    /// Rows of the table that the query has not.
    pub(crate) extra: i64,
    /// Rows that differ no more than two computations of the same may.
    pub(crate) alike: i64,
    /// The hidden tables that did not hold what they must.
    pub(crate) hidden: Vec<HiddenDiffers>,
    /// Why the comparison could not be made.
    pub(crate) error: Option<Complaint>,
    #[serde(rename = "ms", serialize_with = "in_millis")]
    pub(crate) took: Duration,
}

/// How a hidden table differs from its query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HiddenDiffers {
    pub(crate) table: String,
    pub(crate) missing: i64,
    pub(crate) extra: i64,
}

impl Verified {
    /// Contents that the refresh has just computed from nothing but the query.
    pub(crate) fn recomputed() -> Self {
        Self {
            finding: Finding::Recomputed,
            missing: 0,
            extra: 0,
            alike: 0,
            hidden: Vec::new(),
            error: None,
            took: Duration::ZERO,
        }
    }

    fn failed(failure: &Failure) -> Self {
        let error = Some((*failure.complaint).clone());
        Self { finding: Finding::Failed, error, ..Self::recomputed() }
    }

    /// A sentence behind the reason of a run, or the reason of the merge that repairs.
    pub(crate) fn in_words(&self) -> String {
        match self.finding {
            Finding::Equal if self.alike > 0 => {
                format!("verified, but for last digits in {}", rows(self.alike))
            }
            Finding::Equal => "verified".into(),
            Finding::Recomputed => "verified: the query itself was run".into(),
            Finding::Mismatch if self.missing == 0 && self.extra == 0 => {
                "merge: a verification found a hidden table that was not what it must be".into()
            }
            Finding::Mismatch => format!(
                "merge: a verification found {} missing and {} extra",
                rows(self.missing),
                rows(self.extra)
            ),
            Finding::Failed => {
                let why = self.error.as_ref().map_or("no reason", |error| error.primary.as_str());
                format!("not verified: {why}")
            }
        }
    }
}

fn in_millis<S: Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(millis_f64(*took))
}

fn rows(number: i64) -> String {
    format!("{number} row{}", if number == 1 { "" } else { "s" })
}

/// Compares the table with its query, and each hidden table with its own, in the transaction of a refresh that began at
/// this time.
pub(super) async fn compare(
    place: Place<'_>,
    hidden: &[(&str, String)],
    now: Timestamp,
) -> Result<Verified, Failure> {
    place.session.batch("savepoint remat_verify").await?;
    match compared(place, hidden, now).await {
        Ok(verified) => {
            // Settings of the comparison end with it.
            place.session.batch(BACK).await?;
            Ok(verified)
        }
        Err(failure) if ends_the_refresh(failure.kind) => Err(failure),
        Err(failure) => {
            place.session.batch(BACK).await?;
            Ok(Verified::failed(&failure))
        }
    }
}

/// Back to before the comparison, which changed nothing.
const BACK: &str = "rollback to savepoint remat_verify";

/// Whether what broke the comparison breaks the refresh, too.
fn ends_the_refresh(kind: FailureKind) -> bool {
    matches!(kind.remedy(), Remedy::RetryLock | Remedy::RetryWork)
        || matches!(kind, FailureKind::Cancelled | FailureKind::LeaseLost)
}

async fn compared(place: Place<'_>, hidden: &[(&str, String)], now: Timestamp) -> Result<Verified, Failure> {
    let (source, target) = (source(place), place.relation.name.to_sql());
    let public = listing("verify", difference_sql(&format!("select * from {source}"), &target));
    let of_hidden = hidden.iter().map(|(table, query)| listing("verify", difference_by_value(query, table)));
    let all = perform(place, &Program(std::iter::once(public).chain(of_hidden).collect()), now).await?;
    let (first, rest) = all.split_first().ok_or_else(no_counts)?;
    let [missing, extra] = counts(first)?;
    let alike = if missing > 0 && extra > 0 { count_alike(place, now).await? } else { 0 };
    let mut differing = Vec::new();
    for ((table, _), went) in hidden.iter().zip(rest) {
        let [missing, extra] = counts(went)?;
        if missing + extra > 0 {
            differing.push(HiddenDiffers { table: (*table).to_owned(), missing, extra });
        }
    }
    // A key that stands twice in the query would pair more rows than differ.
    let is_equal = missing == extra && missing == alike && differing.is_empty();
    let (missing, extra) = (missing - alike.min(missing), extra - alike.min(extra));
    Ok(Verified {
        finding: if is_equal { Finding::Equal } else { Finding::Mismatch },
        missing,
        extra,
        alike,
        hidden: differing,
        took: all.iter().map(|went| went.took).sum(),
        error: None,
    })
}

fn source(place: Place<'_>) -> String {
    defining_view(place.view.id).to_sql()
}

fn counts(went: &Went) -> Result<[i64; 2], Failure> {
    <[i64; 2]>::try_from(&*went.numbers).map_err(|_| no_counts())
}

fn no_counts() -> Failure {
    Failure::new(FailureKind::Other, "the comparison did not count")
}

async fn count_alike(place: Place<'_>, now: Timestamp) -> Result<i64, Failure> {
    let key = &place.view.definition.key;
    let sql = alike(&source(place), &place.relation.name.to_sql(), &place.relation.columns, key);
    let went = perform(place, &Program(vec![asking("verify", sql)]), now).await?;
    Ok(went.first().map_or(0, |went| went.number))
}

/// Selects two numbers as [`difference_sql`] does, of rows that the server calls equal: 1.0 and 1.00 are the same state of a
/// group.
fn difference_by_value(query: &str, table: &str) -> String {
    format!(
        "with expected as materialized (\n{query}\n), actual as materialized (select * from {table})
         select array[(select count(*) from (select * from expected except all select * from actual) missing),
                      (select count(*) from (select * from actual except all select * from expected) extra)
                     ]::pg_catalog.int8[]"
    )
}

/// Selects how many rows of the query and of the table have the same key, differ, and differ no more than they may.
fn alike(source: &str, target: &str, columns: &[Column], key: &[Identifier]) -> String {
    let sides = |column: &Column| {
        let name = column.name.to_sql();
        (format!("s.{name}"), format!("t.{name}"))
    };
    let on: Vec<_> = key.iter().map(|name| format!("s.{0} = t.{0}", name.to_sql())).collect();
    let differs = image::differs(columns.iter().map(|column| {
        let (s, t) = sides(column);
        (s, t, column.data_type.as_str())
    }));
    let may: Vec<_> = columns
        .iter()
        .map(|column| {
            let (s, t) = sides(column);
            same(&s, &t, &column.data_type)
        })
        .collect();
    format!(
        "select count(*) from {source} s join {target} t on {} where ({differs}) and {}",
        on.join(" and "),
        may.join(" and ")
    )
}

/// The condition that two values of a type are the same, as far as two computations must agree.
fn same(s: &str, t: &str, data_type: &str) -> String {
    let base = data_type.split('(').next().unwrap_or_default().trim_end();
    match base {
        "double precision" | "real" => {
            let exact = |side: &str| format!("{side}::pg_catalog.float8::pg_catalog.numeric");
            let (a, b) = (exact(s), exact(t));
            // In numeric nothing overflows, and what is infinite is never close to anything else.
            format!(
                "case when {s} is not distinct from {t} then true
                      else abs({a} - {b}) < {DIGITS} * greatest(abs({a}), abs({b})) end"
            )
        }
        "numeric" | "interval" | "jsonb" | "character" => format!("{s} is not distinct from {t}"),
        _ => format!("not ({})", image::differs([(s.to_owned(), t.to_owned(), data_type)])),
    }
}

/// By so much of itself a floating point number may differ. A sum over a million rows differs by 1e-10 at the worst, unless
/// what it adds nearly cancels out.
const DIGITS: &str = "1e-9";

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(finding: Finding, missing: i64, extra: i64) -> Verified {
        Verified { finding, missing, extra, ..Verified::recomputed() }
    }

    #[test]
    fn what_was_found_is_told_in_a_sentence() {
        assert_eq!(verified(Finding::Equal, 0, 0).in_words(), "verified");
        let alike = Verified { alike: 3, ..verified(Finding::Equal, 0, 0) };
        assert_eq!(alike.in_words(), "verified, but for last digits in 3 rows");
        let mismatch = "merge: a verification found 1 row missing and 2 rows extra";
        assert_eq!(verified(Finding::Mismatch, 1, 2).in_words(), mismatch);
        let failed = Verified::failed(&Failure::new(FailureKind::StatementTimeout, "too slow"));
        assert_eq!(failed.in_words(), "not verified: too slow");
    }

    #[test]
    fn only_what_two_computations_may_tell_differently_is_alike() {
        assert_eq!(
            same("s.a", "t.a", "integer"),
            "not (s.a::pg_catalog.int4 is distinct from t.a::pg_catalog.int4)"
        );
        assert_eq!(same("s.a", "t.a", "numeric(8,2)"), "s.a is not distinct from t.a");
        assert!(same("s.a", "t.a", "double precision").contains("1e-9"));
    }

    #[test]
    fn a_comparison_that_cannot_be_made_ends_the_refresh_only_where_both_are_over() {
        assert!(ends_the_refresh(FailureKind::Cancelled) && ends_the_refresh(FailureKind::ConnectionLost));
        assert!(!ends_the_refresh(FailureKind::StatementTimeout) && !ends_the_refresh(FailureKind::Other));
    }
}
