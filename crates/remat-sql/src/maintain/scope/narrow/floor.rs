//! Bounds of a time from the day, hour or month that it falls into.
//!
//! Law: a time is not before the begin of its bucket, and not two buckets later. So where the bucket is among the keys, the
//! time is between the first key and the last, and an index on the time can be used. The slack, a bucket on both sides and a
//! day where a time zone is named, stands for the shifts of local time. What is not recognized has no bounds.

use crate::ir::{ColumnRef, Expr, Piece};

use super::{KEYS, key_name};

/// Units of `date_trunc` that are units of an interval, too.
const UNITS: [&str; 7] = ["second", "minute", "hour", "day", "week", "month", "year"];

/// A time cut off.
struct Bucket<'a> {
    time: &'a ColumnRef,
    unit: &'a str,
    /// The zone whose local time is cut off, where it is not that of the session.
    zone: Option<&'a str>,
}

/// The conditions on a time that follow from its bucket being among the keys. `type_of` tells the type of a column.
pub(super) fn bounds(expr: &Expr, key: usize, type_of: impl Fn(&ColumnRef) -> Option<String>) -> Vec<Expr> {
    let Some(Bucket { time, unit, zone }) = bucket(expr) else { return Vec::new() };
    let kind = type_of(time).unwrap_or_default();
    let fits =
        kind == "timestamp with time zone" || (kind == "timestamp without time zone" && zone.is_none());
    if !fits {
        return Vec::new();
    }
    let key = key_name(key);
    let end = |which: &str, slack: &str, day: &str| {
        let bound = format!("((SELECT pg_catalog.{which}({key}) FROM {KEYS}) {slack} {unit}'::interval)");
        match zone {
            Some(zone) => format!("((({bound})::timestamp {day}'::interval) AT TIME ZONE {zone})"),
            None => bound,
        }
    };
    let compared = |operator: &str, bound: String| {
        let mut condition = Expr::text("(");
        condition.push(Piece::Column(time.clone()));
        condition.push_text(&format!(" {operator} {bound})"));
        condition
    };
    vec![compared(">=", end("min", "- '1", "- '1 day")), compared("<", end("max", "+ '2", "+ '1 day"))]
}

/// `x::date`, `date_trunc(unit, x)`, or either of `x AT TIME ZONE zone`.
fn bucket(expr: &Expr) -> Option<Bucket<'_>> {
    let [Piece::Text(before), Piece::Column(time), Piece::Text(after)] = expr.pieces.as_slice() else {
        return None;
    };
    let (mut before, mut after) = (before.as_str(), after.as_str());
    while let (Some(inner), Some(rest)) = (before.strip_prefix('('), after.strip_suffix(')')) {
        (before, after) = (inner, rest);
    }
    let (unit, local, after) = match before.strip_prefix("date_trunc('") {
        Some(call) => {
            let (unit, local) = call.split_once("'::text, ")?;
            (unit, local, after.strip_suffix(')')?)
        }
        None => ("day", before, after.strip_suffix("::date")?),
    };
    if !UNITS.contains(&unit) || time.up > 0 || !local.chars().all(|c| c == '(') {
        return None;
    }
    let after = after.trim_end_matches(')');
    let constant = |text: &'static str| after.strip_prefix(text).filter(|zone| is_constant(zone));
    let zone = match (after, constant(" AT TIME ZONE "), constant(", ")) {
        ("", _, _) | (_, _, Some(_)) => None,
        (_, Some(zone), _) => Some(zone),
        _ => return None,
    };
    Some(Bucket { time, unit, zone })
}

/// `'…'::text`, without quotes inside.
fn is_constant(text: &str) -> bool {
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix("'::text"));
    inner.is_some_and(|inner| !inner.contains(['\'', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Target;

    fn told(before: &str, after: &str) -> Option<(String, Option<String>)> {
        let column = ColumnRef { up: 0, source: 0, target: Target::Column(0) };
        let mut expr = Expr::text(before);
        expr.push(Piece::Column(column));
        expr.push_text(after);
        bucket(&expr).map(|bucket| (bucket.unit.to_owned(), bucket.zone.map(str::to_owned)))
    }

    #[test]
    fn a_day_and_a_truncated_time_are_recognized_with_their_zones() {
        let of = |unit: &str, zone: Option<&str>| Some((unit.to_owned(), zone.map(str::to_owned)));
        assert_eq!(told("((", ")::date)"), of("day", None));
        assert_eq!(told("date_trunc('hour'::text, ", ")"), of("hour", None));
        assert_eq!(told("date_trunc('week'::text, ", ", 'UTC'::text)"), of("week", None));
        assert_eq!(told("(((", " AT TIME ZONE 'UTC'::text))::date)"), of("day", Some("'UTC'::text")));
        assert_eq!(
            told("date_trunc('day'::text, (", " AT TIME ZONE 'UTC'::text))"),
            of("day", Some("'UTC'::text"))
        );
    }

    #[test]
    fn anything_else_is_no_bucket() {
        assert_eq!(told("date_trunc('quarter'::text, ", ")"), None);
        assert_eq!(told("date_trunc('day'::text, (", " + '1 day'::interval))"), None);
        assert_eq!(told("((- ", ")::date)"), None);
        assert_eq!(told("lower(", ")"), None);
    }
}
