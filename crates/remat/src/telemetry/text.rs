//! From what was read to the text format of Prometheus, version 0.0.4.
//!
//! Law: a family stands together under its help and type, also where it has no number; a label's value is escaped here and
//! nowhere else, so no name of a view can end a line.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
};

use jiff::Timestamp;

use super::{
    names::{self, Metric},
    reading::Reading,
};
use crate::{
    alert::{RuleKind, SILENT_AFTER_S, facts::ViewFacts},
    service::health::Turn,
    store::totals::Count,
};

/// The bounds of durations that always stand in the text, in milliseconds; those of `remat.duration_bound`.
const BOUNDS_MS: [i64; 13] =
    [10, 50, 100, 500, 1000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000];

/// The text.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a family.
    fn family(&mut self, metric: &Metric) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP {} {}", metric.name, metric.help);
        let _ = writeln!(self.0, "# TYPE {} {}", metric.name, metric.kind.as_str());
    }

    /// A number of the family; `labels` are the values of its labels, in their order.
    fn sample(&mut self, metric: &Metric, labels: &[&str], value: impl Display) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let pairs: Vec<_> = metric.labels.iter().copied().zip(labels.iter().copied()).collect();
        self.line(metric.name, &pairs, value);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{}\"", escaped(value));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    /// A family of one number per view, for the views that have one.
    fn of_views<V: Display>(
        &mut self,
        metric: &Metric,
        views: &[ViewFacts],
        value: impl Fn(&ViewFacts) -> Option<V>,
    ) {
        self.family(metric);
        for view in views {
            if let Some(value) = value(view) {
                self.sample(metric, &[&view.name.to_string()], value);
            }
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// All families.
pub(super) fn render(reading: &Reading, loops: &[Turn]) -> String {
    let mut text = Text::default();
    text.family(&names::BUILD);
    text.sample(&names::BUILD, &[env!("CARGO_PKG_VERSION")], 1);
    views(&mut text, &reading.views);
    counts(&mut text, reading);
    queues(&mut text, reading);
    processes(&mut text, reading, loops);
    logs(&mut text, reading);
    alerts(&mut text, reading);
    text.0
}

fn views(text: &mut Text, views: &[ViewFacts]) {
    text.family(&names::VIEW_STATE);
    for view in views {
        text.sample(&names::VIEW_STATE, &[&view.name.to_string(), view.state.as_str()], 1);
    }
    let flag = |is: bool| Some(u8::from(is));
    text.of_views(&names::VIEW_AGE, views, |view| view.age_s);
    text.of_views(&names::VIEW_TARGET, views, |view| view.target_lag_s);
    text.of_views(&names::VIEW_STALE, views, |view| view.target_lag_s.and_then(|_| flag(view.is_late())));
    text.of_views(&names::VIEW_PAUSED, views, |view| flag(view.is_paused));
    text.of_views(&names::VIEW_DATA_AS_OF, views, |view| view.data_as_of.map(seconds_of));
    text.of_views(&names::VIEW_LAST_SUCCESS, views, |view| view.last_success.map(seconds_of));
    text.of_views(&names::VIEW_LAST_DURATION, views, |view| view.last_duration_ms.map(seconds));
    text.of_views(&names::VIEW_FAILURES, views, |view| {
        Some(view.failed.as_ref().map_or(0, |failed| failed.in_a_row))
    });
    text.of_views(&names::VIEW_BYTES, views, |view| view.bytes);
    text.of_views(&names::VIEW_ROWS, views, |view| view.rows);
    text.of_views(&names::VIEW_VERIFIED, views, |view| view.verified.map(|found| seconds_of(found.at)));
    text.of_views(&names::VIEW_MISMATCH, views, |view| {
        view.verified.and_then(|found| flag(found.finding == crate::run::Finding::Mismatch))
    });
}

/// Totals of runs. Those of a view that was retired are told no more.
fn counts(text: &mut Text, reading: &Reading) {
    let names: BTreeMap<i64, String> =
        reading.views.iter().map(|view| (view.id, view.name.to_string())).collect();
    let mut runs: BTreeMap<[&str; 5], i64> = BTreeMap::new();
    let mut of_view: BTreeMap<&str, [i64; 4]> = names.values().map(|name| (name.as_str(), [0; 4])).collect();
    for count in &reading.counts {
        let name = names.get(&count.view_id).map(String::as_str);
        if let Some(sums) = name.and_then(|name| of_view.get_mut(name)) {
            let more = [count.duration_ms, count.lock_wait_ms, count.rows_changed, count.mismatches];
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        if name.is_some() || count.view_id == 0 {
            let labels =
                [name.unwrap_or_default(), &count.job, &count.operation, &count.status, &count.strategy];
            *runs.entry(labels).or_default() += count.runs;
        }
    }
    text.family(&names::RUNS);
    for (labels, runs) in &runs {
        text.sample(&names::RUNS, labels, runs);
    }
    histogram(text, &reading.counts);
    let families = [
        (&names::VIEW_RUN_SECONDS, 0),
        (&names::VIEW_LOCK_SECONDS, 1),
        (&names::VIEW_ROWS_CHANGED, 2),
        (&names::MISMATCHES, 3),
    ];
    for (metric, at) in families {
        text.family(metric);
        for (name, sums) in &of_view {
            match at {
                0 | 1 => text.sample(metric, &[name], seconds(sums[at])),
                _ => text.sample(metric, &[name], sums[at]),
            }
        }
    }
}

fn histogram(text: &mut Text, counts: &[Count]) {
    let metric = &names::RUN_SECONDS;
    text.family(metric);
    let mut series: BTreeMap<(&str, &str), Vec<&Count>> = BTreeMap::new();
    for count in counts.iter().filter(|count| count.status == "success") {
        series.entry((&count.operation, &count.strategy)).or_default().push(count);
    }
    let (bucket, sum, number) =
        (format!("{}_bucket", metric.name), format!("{}_sum", metric.name), format!("{}_count", metric.name));
    for ((operation, strategy), counts) in series {
        let labels = [("operation", operation), ("strategy", strategy)];
        let within = |bound: i64| -> i64 {
            counts.iter().filter(|count| count.le_ms <= bound).map(|count| count.runs).sum()
        };
        for bound in BOUNDS_MS {
            let le = seconds(bound).to_string();
            text.line(&bucket, &[labels[0], labels[1], ("le", &le)], within(bound));
        }
        text.line(&bucket, &[labels[0], labels[1], ("le", "+Inf")], within(i64::MAX));
        text.line(&sum, &labels, seconds(counts.iter().map(|count| count.duration_ms).sum()));
        text.line(&number, &labels, within(i64::MAX));
    }
}

fn queues(text: &mut Text, reading: &Reading) {
    text.family(&names::QUEUE_RUNS);
    for queue in &reading.backlog.queues {
        let states = [
            ("due", queue.due),
            ("later", queue.later),
            ("waiting", queue.waiting),
            ("running", queue.running),
        ];
        for (state, runs) in states {
            text.sample(&names::QUEUE_RUNS, &[&queue.queue, state], runs);
        }
    }
    text.family(&names::QUEUE_OLDEST);
    for queue in &reading.backlog.queues {
        let waited = reading.waiting.iter().find(|(name, _)| *name == queue.queue);
        text.sample(
            &names::QUEUE_OLDEST,
            &[&queue.queue],
            waited.map_or(0.0, |(_, seconds)| seconds.max(0.0)),
        );
    }
}

fn processes(text: &mut Text, reading: &Reading, loops: &[Turn]) {
    let alive = reading.workers.iter().filter(|worker| worker.silent_s <= SILENT_AFTER_S);
    let (count, slots) = alive.fold((0, 0), |(count, slots), worker| (count + 1, slots + worker.slots));
    text.family(&names::WORKERS);
    text.sample(&names::WORKERS, &["alive"], count);
    text.sample(&names::WORKERS, &["silent"], reading.workers.len() - count);
    text.family(&names::SLOTS);
    text.sample(&names::SLOTS, &[], slots);
    text.family(&names::SCHEDULER_TICK);
    if let Some((_, at)) = reading.loops.iter().find(|(name, _)| name == "scheduler") {
        text.sample(&names::SCHEDULER_TICK, &[], seconds_of(*at));
    }
    text.family(&names::LOOP_TURN);
    for (service, at) in &reading.loops {
        text.sample(&names::LOOP_TURN, &[service], seconds_of(*at));
    }
    text.family(&names::LOOP_STALLED);
    for turn in loops {
        text.sample(&names::LOOP_STALLED, &[turn.service], u8::from(turn.is_stalled));
    }
}

fn logs(text: &mut Text, reading: &Reading) {
    text.family(&names::LOG_ROWS);
    reading.logs.iter().for_each(|log| text.sample(&names::LOG_ROWS, &[&log.table], log.rows));
    text.family(&names::LOG_BYTES);
    reading.logs.iter().for_each(|log| text.sample(&names::LOG_BYTES, &[&log.table], log.bytes));
}

fn alerts(text: &mut Text, reading: &Reading) {
    let mut firing: BTreeMap<&str, i64> = RuleKind::ALL.iter().map(|kind| (kind.as_str(), 0)).collect();
    firing.extend(reading.firing.iter().map(|(rule, alerts)| (rule.as_str(), *alerts)));
    text.family(&names::ALERTS);
    for (rule, alerts) in &firing {
        text.sample(&names::ALERTS, &[rule], alerts);
    }
    text.family(&names::DELIVERIES_PENDING);
    text.sample(&names::DELIVERIES_PENDING, &[], reading.deliveries.0);
    text.family(&names::DELIVERIES_FAILED);
    text.sample(&names::DELIVERIES_FAILED, &[], reading.deliveries.1);
}

fn seconds_of(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of runs are far below the limits of a float")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_a_line_or_a_label() {
        let mut text = Text::default();
        text.sample(&names::VIEW_AGE, &["a\"b\\c\nd} 7"], 1.5);
        assert_eq!(text.0, "remat_view_age_seconds{view=\"a\\\"b\\\\c\\nd} 7\"} 1.5\n");
    }

    #[test]
    fn the_buckets_of_a_histogram_add_up_to_its_count() {
        let count = |le_ms, runs| Count {
            operation: "refresh".into(),
            status: "success".into(),
            le_ms,
            runs,
            duration_ms: 700,
            ..Count::default()
        };
        let mut text = Text::default();
        histogram(&mut text, &[count(50, 2), count(1000, 3), count(i64::MAX, 1)]);
        let labels = "operation=\"refresh\",strategy=\"\"";
        for (le, runs) in [("0.01", 0), ("0.05", 2), ("0.5", 2), ("1", 5), ("3600", 5), ("+Inf", 6)] {
            let line = format!("remat_run_duration_seconds_bucket{{{labels},le=\"{le}\"}} {runs}\n");
            assert!(text.0.contains(&line), "{line}\n{}", text.0);
        }
        assert!(
            text.0.ends_with(&format!(
                "_sum{{{labels}}} 2.1\nremat_run_duration_seconds_count{{{labels}}} 6\n"
            ))
        );
    }
}
