//! The table of metrics: the one place where a name stands.
//!
//! Law: a name begins with `remat_`, says its unit last, and a counter ends in `_total`. What is written here is what
//! docs/METRICS.md says and what is served; tests compare both.

use std::fmt::Write as _;

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only goes up.
    Counter,
    /// Counts by upper bounds, their sum and their number.
    Histogram,
}

impl Kind {
    /// The word in the text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// One family of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub kind: Kind,
    /// What tells its numbers apart.
    pub labels: &'static [&'static str],
    /// One sentence for people.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $id: Metric =
            Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)+

        /// Every metric, in the order of the text.
        pub const ALL: &[Metric] = &[$($id),+];
    };
}

metrics! {
    BUILD: Gauge "remat_build_info" ["version"] "Always 1; the label says which remat answers.";
    VIEW_STATE: Gauge "remat_view_state" ["view", "state"] "Always 1; the label says what to know first about the view: absent, unpopulated, paused, running, failed, stale, fresh, ok.";
    VIEW_AGE: Gauge "remat_view_age_seconds" ["view"] "How old the contents are.";
    VIEW_TARGET: Gauge "remat_view_target_lag_seconds" ["view"] "How old the contents may be; only of views that have a target.";
    VIEW_STALE: Gauge "remat_view_stale" ["view"] "1 while the contents are older than the target, else 0; only of views that have a target.";
    VIEW_PAUSED: Gauge "remat_view_paused" ["view"] "1 while the view is paused, else 0.";
    VIEW_DATA_AS_OF: Gauge "remat_view_data_as_of_timestamp_seconds" ["view"] "The contents are at least as new as this.";
    VIEW_LAST_SUCCESS: Gauge "remat_view_last_success_timestamp_seconds" ["view"] "When the last run ended that filled the view.";
    VIEW_LAST_DURATION: Gauge "remat_view_last_duration_seconds" ["view"] "How long that run took, waits for locks included.";
    VIEW_FAILURES: Gauge "remat_view_failures_in_a_row" ["view"] "Attempts that failed since the last success, 100 at most.";
    VIEW_BYTES: Gauge "remat_view_size_bytes" ["view"] "The relation with its indexes after the last run that filled it.";
    VIEW_ROWS: Gauge "remat_view_rows" ["view"] "Rows after the last run that filled it, where they are counted; estimated unless the view says otherwise.";
    VIEW_VERIFIED: Gauge "remat_view_verified_timestamp_seconds" ["view"] "When the contents were last compared with the query; only of views that were.";
    VIEW_MISMATCH: Gauge "remat_view_verification_mismatch" ["view"] "1 where that found them different, else 0.";
    RUNS: Counter "remat_runs_total" ["view", "job", "operation", "status", "strategy"] "Runs that ended, attempts that are tried again included.";
    RUN_SECONDS: Histogram "remat_run_duration_seconds" ["operation", "strategy"] "Durations of runs that succeeded, over all views.";
    VIEW_RUN_SECONDS: Counter "remat_view_run_seconds_total" ["view"] "Time that runs of the view took, whatever became of them.";
    VIEW_LOCK_SECONDS: Counter "remat_view_lock_wait_seconds_total" ["view"] "Time that they waited for locks.";
    VIEW_ROWS_CHANGED: Counter "remat_view_rows_changed_total" ["view"] "Rows that they inserted, updated and deleted, where that is counted.";
    MISMATCHES: Counter "remat_verification_mismatches_total" ["view"] "Verifications that found contents which differed from the query.";
    QUEUE_RUNS: Gauge "remat_queue_runs" ["queue", "state"] "Runs in the queue: due, later, waiting (for other runs), running.";
    QUEUE_OLDEST: Gauge "remat_queue_oldest_due_seconds" ["queue"] "How long the run that has been due the longest has waited for a worker.";
    WORKERS: Gauge "remat_workers" ["state"] "Workers that are alive, and those that fell silent without leaving.";
    SLOTS: Gauge "remat_worker_slots" [] "How many runs the workers that are alive can do at once.";
    SCHEDULER_TICK: Gauge "remat_scheduler_last_tick_timestamp_seconds" [] "When a scheduler last looked for what is due, in any process.";
    LOOP_TURN: Gauge "remat_loop_last_turn_timestamp_seconds" ["service"] "When a loop of this name last did its work, in any process.";
    LOOP_STALLED: Gauge "remat_loop_stalled" ["service"] "1 where the loop of the process that answers is not back in time, else 0.";
    LOG_ROWS: Gauge "remat_capture_log_rows" ["table"] "Rows in the log of the table's changes, as the server estimates.";
    LOG_BYTES: Gauge "remat_capture_log_bytes" ["table"] "Bytes of that log with its indexes.";
    ALERTS: Gauge "remat_alerts_firing" ["rule"] "Alerts that fire; 0 for each rule that is quiet.";
    DELIVERIES_PENDING: Gauge "remat_deliveries_pending" [] "Messages that wait to be sent.";
    DELIVERIES_FAILED: Gauge "remat_deliveries_failed" [] "Messages that were given up within the last day.";
}

/// The text of docs/METRICS.md.
pub fn document() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         `GET /metrics` of `remat serve`, in the text format of Prometheus. This page is generated from the table in\n\
         `crates/remat/src/telemetry/names.rs`; a test compares both, and rewrites the page where `REMAT_BLESS` is set.\n\
         How to scrape and what to watch: [monitoring](guide/monitoring.md).\n\n\
         Every number is read from the database when it is asked for, except `remat_loop_stalled`: so each daemon of a\n\
         database gives the same, and one of them is enough to scrape. Counters go on over restarts and over the deletion of\n\
         old runs. The label `view` is the name with its schema; `job` is the name of a scheduled job that runs SQL.\n\n\
         | name | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for Metric { name, kind, labels, help } in ALL {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{name}` | {} | {} | {help} |", kind.as_str(), labels.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for metric in ALL {
            let legal = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(metric.name.starts_with("remat_") && legal(metric.name), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.labels.iter().all(|label| legal(label)) && metric.help.ends_with('.'));
            assert!(!metric.help.contains(['\\', '\n', '|']), "{}", metric.name);
        }
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn the_page_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
        if std::env::var_os("REMAT_BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert_eq!(page, document(), "run this test with REMAT_BLESS=1");
    }
}
