//! What a refresh of a view that follows changes does: nothing, follow them, or merge.
//!
//! Law: pure. What the logs say decides the possible; the number of changes, the server's estimates and what earlier refreshes
//! took decide among that, and the reason is a sentence that the run keeps.

use crate::{
    capture::{Answer, Gap},
    store::plans::Learned,
};

/// So many changes are followed without asking for their cost: it is small, and to plan both ways is not.
pub(super) const FEW: i64 = 2_000;

/// Unless the last refresh that followed changes took so many milliseconds.
pub(super) const SLOW_MS: f64 = 100.0;

/// While nobody knows what following takes, an estimate of so many times that of the query may still be too high: the
/// server charges reads at random that mostly meet its memory. So it is tried, and what it took is known from there.
const DOUBT: f64 = 4.0;

/// What was weighed once holds for this much more.
const ROOM: f64 = 1.25;

/// Where nobody could estimate the costs, a share of changed rows above this means that a merge is cheaper.
const LARGE_SHARE: f64 = 0.05;

/// What one log says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// The table, for a person.
    pub(super) table: String,
    pub(super) answer: Answer,
    /// Its rows, as the server estimates them.
    pub(super) rows: f64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No log has a new row. Whether time alone changed something is another question.
    Quiet,
    /// Follow the changes.
    Follow(String),
    /// There are many changes: ask what it would cost.
    Many,
    /// Merge, and fill the hidden tables anew.
    Fill(Why),
    /// Merge, and leave the hidden tables behind: many changes come in rows, and to fill them costs as much as a merge again.
    Leave(Why),
    /// Merge only: what the plan rests on must be made anew first.
    Renew(Why),
}

/// Why changes are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why {
    pub(super) reason: String,
    /// Whether a view that is strict may be merged for this: to begin with, where that is cheaper, or because somebody asks.
    pub(super) allowed: bool,
}

/// Judges by what the logs say. A log that cannot tell everything outweighs the others.
pub(super) fn judge(told: &[Told], learned: Learned) -> Verdict {
    let worst = told.iter().filter_map(|told| match told.answer {
        Answer::Reset(gap) => Some((gap, &told.table)),
        Answer::Unchanged | Answer::Changed(_) => None,
    });
    if let Some((gap, table)) = worst.max_by_key(|(gap, _)| severity(*gap)) {
        return reset(gap, table);
    }
    match changed(told) {
        0 => Verdict::Quiet,
        // Counting stopped there, so whatever else the log says is not known: nothing but a merge may follow.
        many if learned.merge_from.is_some_and(|from| many >= from) => leave(told, "at least "),
        few if few <= FEW && learned.follow_ms.unwrap_or_default() < SLOW_MS => {
            Verdict::Follow(followed(told))
        }
        _ => Verdict::Many,
    }
}

fn severity(gap: Gap) -> u8 {
    match gap {
        Gap::Unfilled => 0,
        Gap::Truncated => 1,
        Gap::Altered => 2,
        Gap::Moved => 3,
        Gap::Unguarded => 4,
    }
}

fn reset(gap: Gap, table: &str) -> Verdict {
    let why = |reason: String, allowed| Why { reason: format!("merge: {reason}"), allowed };
    match gap {
        Gap::Unfilled => Verdict::Fill(why("nothing is known yet since when changes count".into(), true)),
        Gap::Truncated => Verdict::Fill(why(format!("all rows of \"{table}\" went at once"), false)),
        Gap::Altered => Verdict::Fill(why(format!("changes of \"{table}\" may have passed unlogged"), false)),
        Gap::Moved => Verdict::Renew(why("the database came from another system".into(), false)),
        Gap::Unguarded => Verdict::Renew(why(format!("changes of \"{table}\" can pass unlogged"), false)),
    }
}

fn changed(told: &[Told]) -> i64 {
    told.iter().map(number).fold(0, i64::saturating_add)
}

fn number(told: &Told) -> i64 {
    match told.answer {
        Answer::Changed(rows) => rows,
        Answer::Unchanged | Answer::Reset(_) => 0,
    }
}

/// The changes that are followed, as the run keeps them.
pub(super) fn followed(told: &[Told]) -> String {
    let changes = told.iter().filter(|told| number(told) > 0);
    let phrase = |told: &Told| format!("{} in \"{}\"", rows(number(told)), told.table);
    let phrases: Vec<_> = changes.map(phrase).collect();
    format!("incremental: {}", phrases.join(", "))
}

/// The server's estimates of both ways, in its units of cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Costs {
    pub(super) follow: f64,
    pub(super) merge: f64,
}

impl Costs {
    /// Whether a merge takes less time.
    fn favour_merge(self, learned: Learned) -> bool {
        match (learned.follow_rate, learned.merge_rate) {
            (Some(follow), Some(merge)) => self.follow * follow > self.merge * merge,
            (None, _) => self.follow > self.merge * DOUBT,
            (Some(_), None) => self.follow > self.merge,
        }
    }
}

/// Decides by costs; none where nobody could estimate. A merge also reads and compares the table as it stands, which the
/// query's estimate leaves out: its rate has it.
pub(super) fn weigh(told: &[Told], costs: Option<Costs>, learned: Learned) -> Verdict {
    let total: f64 = told.iter().map(|told| told.rows).sum();
    #[allow(clippy::cast_precision_loss, reason = "a share need not be exact")]
    let share = changed(told) as f64 / total.max(1.0);
    let loses = costs.map_or(share > LARGE_SHARE, |costs| costs.favour_merge(learned));
    if !loses {
        return Verdict::Follow(followed(told));
    }
    leave(told, "")
}

fn leave(told: &[Told], counted: &str) -> Verdict {
    let total: f64 = told.iter().map(|told| told.rows).sum();
    #[allow(clippy::cast_possible_truncation, reason = "an estimate of rows fits")]
    let about = grouped(total.max(0.0) as i64);
    let reason = format!("merge: {counted}{} of about {about} rows changed", grouped(changed(told)));
    Verdict::Leave(Why { reason, allowed: true })
}

/// From how many changes on nobody needs to ask again, after so many were weighed: as if following took time in proportion,
/// and with room for that it does not.
pub(super) fn merge_from(told: &[Told], costs: Costs, learned: Learned) -> Option<i64> {
    let (follow, merge) = (costs.follow * learned.follow_rate?, costs.merge * learned.merge_rate?);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "an estimate fits")]
    let from = (changed(told) as f64 * merge / follow.max(0.001) * ROOM) as i64;
    Some(from.max(FEW))
}

/// That bound after it decided: following becomes cheaper for each change the more there are, so one day it is weighed again.
pub(super) fn raised(merge_from: i64) -> i64 {
    merge_from.saturating_add(merge_from / 4)
}

/// What to do where the hidden tables were left behind: whatever follows changes must fill them first.
pub(super) fn left_behind(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Follow(_) => Verdict::Fill(Why {
            reason: "merge: the hidden tables were left behind by the last one".into(),
            allowed: true,
        }),
        other => other,
    }
}

/// What is believed of one way after the other was preferred to it: a bad measurement fades, and is made again one day.
pub(super) fn faded(rate: f64) -> f64 {
    rate * 0.9
}

/// A rate after another measurement. A worse one counts at once: to be slow twice is dear. Of a better one half counts.
pub(super) fn rate(known: Option<f64>, ms: f64, cost: f64) -> f64 {
    let measured = ms / cost.max(1.0);
    known.map_or(measured, |known| f64::midpoint(known, measured).max(measured))
}

fn rows(number: i64) -> String {
    format!("{} changed row{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `1,234,567`.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(table: &str, answer: Answer) -> Told {
        Told { table: table.into(), answer, rows: 1_000_000.0 }
    }

    fn changes(number: i64) -> Vec<Told> {
        vec![told("app.orders", Answer::Changed(number)), told("app.users", Answer::Unchanged)]
    }

    /// Of a plan that was never used.
    const NEW: Learned = Learned { follow_rate: None, merge_rate: None, follow_ms: None, merge_from: None };

    #[test]
    fn so_many_changes_as_were_found_too_many_are_merged_without_asking() {
        let learned = Learned { follow_rate: Some(0.01), merge_rate: Some(0.01), ..NEW };
        let costs = Costs { follow: 4.0, merge: 1.0 };
        let from = merge_from(&changes(40_000), costs, learned);
        assert_eq!(from, Some(12_500));
        let learned = Learned { merge_from: from, ..learned };
        let Verdict::Leave(why) = judge(&changes(12_500), learned) else { panic!("it is merged") };
        assert_eq!(why.reason, "merge: at least 12,500 of about 2,000,000 rows changed");
        assert_eq!(judge(&changes(12_499), learned), Verdict::Many);
        assert_eq!(raised(12_500), 15_625);
        assert_eq!(merge_from(&changes(40_000), costs, NEW), None);
    }

    #[test]
    fn what_both_ways_took_outweighs_their_estimates() {
        let many = changes(60_312);
        let costs = Some(Costs { follow: 3.0, merge: 1.0 });
        let learned = |follow, merge| Learned { follow_rate: Some(follow), merge_rate: Some(merge), ..NEW };
        assert!(matches!(weigh(&many, costs, learned(0.01, 0.04)), Verdict::Follow(_)));
        assert!(matches!(weigh(&many, costs, learned(0.02, 0.04)), Verdict::Leave(_)));
        let only_following = Learned { follow_rate: Some(0.01), ..NEW };
        assert!(matches!(weigh(&many, costs, only_following), Verdict::Leave(_)));
    }

    #[test]
    fn few_changes_are_weighed_where_the_last_ones_took_long() {
        let took = |ms| Learned { follow_ms: Some(ms), ..NEW };
        assert!(matches!(judge(&changes(3), took(99.0)), Verdict::Follow(_)));
        assert_eq!(judge(&changes(3), took(100.0)), Verdict::Many);
        assert_eq!(judge(&changes(0), took(100.0)), Verdict::Quiet);
    }

    #[test]
    fn a_worse_rate_counts_at_once_and_a_better_one_half() {
        assert!((rate(None, 50.0, 100.0) - 0.5).abs() < 1e-9);
        assert!((rate(Some(0.5), 150.0, 100.0) - 1.5).abs() < 1e-9);
        assert!((rate(Some(1.5), 50.0, 100.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_logged_is_quiet() {
        assert_eq!(judge(&[told("a", Answer::Unchanged)], NEW), Verdict::Quiet);
        assert_eq!(judge(&[], NEW), Verdict::Quiet);
    }

    #[test]
    fn few_changes_are_followed_and_counted_in_the_reason() {
        let reason = "incremental: 1,024 changed rows in \"app.orders\"";
        assert_eq!(judge(&changes(1_024), NEW), Verdict::Follow(reason.into()));
        assert_eq!(followed(&changes(1)), "incremental: 1 changed row in \"app.orders\"");
    }

    #[test]
    fn the_worst_gap_decides() {
        let logs = [
            told("a", Answer::Changed(1)),
            told("b", Answer::Reset(Gap::Truncated)),
            told("c", Answer::Reset(Gap::Unguarded)),
        ];
        let Verdict::Renew(why) = judge(&logs, NEW) else { panic!("it must be made anew") };
        assert_eq!(why.reason, "merge: changes of \"c\" can pass unlogged");
        assert!(matches!(judge(&logs[..2], NEW), Verdict::Fill(Why { allowed: false, .. })));
    }

    #[test]
    fn many_changes_are_weighed() {
        let many = changes(60_312);
        assert_eq!(judge(&many, NEW), Verdict::Many);
        let merge = Some(Costs { follow: 5.0, merge: 1.0 });
        let Verdict::Leave(why) = weigh(&many, merge, NEW) else { panic!("a merge is cheaper") };
        assert_eq!(why.reason, "merge: 60,312 of about 2,000,000 rows changed");
        assert!(matches!(weigh(&many, Some(Costs { follow: 3.0, merge: 1.0 }), NEW), Verdict::Follow(_)));
    }

    #[test]
    fn without_costs_the_share_of_changed_rows_decides() {
        assert!(matches!(weigh(&changes(90_000), None, NEW), Verdict::Follow(_)));
        assert!(matches!(weigh(&changes(110_000), None, NEW), Verdict::Leave(_)));
    }

    #[test]
    fn hidden_tables_that_were_left_behind_are_filled_before_anything_is_followed() {
        assert!(matches!(left_behind(judge(&changes(3), NEW)), Verdict::Fill(Why { allowed: true, .. })));
        assert_eq!(left_behind(Verdict::Quiet), Verdict::Quiet);
        let many = weigh(&changes(110_000), None, NEW);
        assert_eq!(left_behind(many.clone()), many);
    }
}
