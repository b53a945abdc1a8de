//! Expressions as of the last refresh.
//!
//! Law: a clock that stands still during a transaction tells the begin of that transaction, in one type or another. What
//! takes its place has the same type and is computed from the time of the last refresh, under the same time zone. Every
//! other clock has no answer for a time that is over.

use crate::ir::{Clock, ClockKind, Comparison, Expr, Piece};

use super::SINCE;

/// The expression with the time of the last refresh in the place of its clocks; itself where it asks none. None where a
/// clock cannot be set back, or stands in an aggregate, a window function or a sub-select.
pub(super) fn as_of_since(expr: &Expr) -> Option<Expr> {
    let pieces = expr.pieces.iter().map(piece_as_of_since).collect::<Option<Vec<_>>>()?;
    let mut past = Expr::default();
    for piece in pieces {
        past.push(piece);
    }
    Some(past)
}

fn piece_as_of_since(piece: &Piece) -> Option<Piece> {
    match piece {
        Piece::Text(_) | Piece::Column(_) => Some(piece.clone()),
        Piece::Clock(clock) => clock_as_of_since(clock).map(Piece::Text),
        Piece::Comparison(comparison) => Some(Piece::Comparison(Box::new(Comparison {
            left: as_of_since(&comparison.left)?,
            operator: comparison.operator.clone(),
            right: as_of_since(&comparison.right)?,
        }))),
        Piece::Aggregate(_) | Piece::Window(_) | Piece::Sublink(_) => {
            let alone = Expr { pieces: vec![piece.clone()] };
            (!alone.has_clock()).then(|| piece.clone())
        }
    }
}

fn clock_as_of_since(clock: &Clock) -> Option<String> {
    if clock.kind != ClockKind::Transaction {
        return None;
    }
    let (word, digits) = match clock.text.split_once('(') {
        Some((word, rest)) => (word, rest.trim_end().strip_suffix(')')?.trim()),
        None => (&*clock.text, ""),
    };
    if !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let precision = if digits.is_empty() { String::new() } else { format!("({digits})") };
    let cast = match word.trim().to_ascii_lowercase().as_str() {
        "now" | "transaction_timestamp" | "current_timestamp" => format!("timestamptz{precision}"),
        "localtimestamp" => format!("timestamp{precision}"),
        "current_time" => format!("timetz{precision}"),
        "localtime" => format!("time{precision}"),
        "current_date" => "date".to_owned(),
        _ => return None,
    };
    Some(format!("(({SINCE})::pg_catalog.{cast})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(kind: ClockKind, text: &str) -> Option<String> {
        let clock = Piece::Clock(Clock { kind, text: text.into() });
        let past = as_of_since(&Expr { pieces: vec![clock] })?;
        let Some(Piece::Text(text)) = past.only() else { panic!("not words: {past:?}") };
        Some(text.replace(SINCE, "S"))
    }

    #[test]
    fn every_clock_of_a_transaction_is_set_back_in_its_own_type() {
        let of = |text| past(ClockKind::Transaction, text).unwrap_or_default();
        assert_eq!(of("now()"), "((S)::pg_catalog.timestamptz)");
        assert_eq!(of("CURRENT_TIMESTAMP"), "((S)::pg_catalog.timestamptz)");
        assert_eq!(of("CURRENT_TIMESTAMP(3)"), "((S)::pg_catalog.timestamptz(3))");
        assert_eq!(of("LOCALTIMESTAMP (0)"), "((S)::pg_catalog.timestamp(0))");
        assert_eq!(of("CURRENT_DATE"), "((S)::pg_catalog.date)");
        assert_eq!(of("CURRENT_TIME"), "((S)::pg_catalog.timetz)");
        assert_eq!(of("LOCALTIME(2)"), "((S)::pg_catalog.time(2))");
    }

    #[test]
    fn a_clock_that_moves_within_a_transaction_is_not_set_back() {
        assert_eq!(past(ClockKind::Moment, "clock_timestamp()"), None);
        assert_eq!(past(ClockKind::Statement, "statement_timestamp()"), None);
        assert_eq!(past(ClockKind::Age, "age"), None);
    }
}
