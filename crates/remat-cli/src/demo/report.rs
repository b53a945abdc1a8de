//! What the demo found, as data: `{"server","rows","rounds","changes_per_round","views","runs"}`.

use std::{path::PathBuf, time::Duration};

use remat::{name::RelationName, run::Run};
use serde::Serialize;

use super::{Check, Measured};

/// Everything that was found.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) server: ServerFacts,
    /// Analyses loaded.
    pub(crate) rows: u32,
    pub(crate) rounds: usize,
    pub(crate) changes_per_round: i32,
    pub(crate) views: Vec<ViewReport>,
    /// The newest first.
    pub(crate) runs: Vec<Run>,
}

/// Which server it was.
#[derive(Clone, Serialize)]
pub(crate) struct ServerFacts {
    pub(crate) version: String,
    /// Whether the demo runs it.
    pub(crate) private: bool,
    /// User, host, port and database.
    pub(crate) database: String,
    /// What `--database-url` takes to look at it. It holds no password.
    pub(crate) url: Option<String>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) bin_dir: Option<PathBuf>,
}

/// One view's figures. Durations are medians in milliseconds.
#[derive(Serialize)]
pub(crate) struct ViewReport {
    pub(crate) view: RelationName,
    pub(crate) strategy: String,
    pub(crate) rows: i64,
    pub(crate) rows_changed: Option<i64>,
    pub(crate) duration_ms: f64,
    pub(crate) plain_ms: f64,
    pub(crate) concurrent_ms: f64,
    pub(crate) times_faster_than_plain: f64,
    pub(crate) times_faster_than_concurrent: f64,
    pub(crate) incremental_ms: f64,
    /// The strategy that the view with strategy `incremental` took.
    pub(crate) incremental_by: String,
    pub(crate) incremental_times_faster_than_concurrent: f64,
    pub(crate) equal: bool,
    pub(crate) refreshed_again: u32,
}

impl ViewReport {
    /// Puts together what was measured and what was compared.
    pub(crate) fn new((measured, check): (Measured, Check)) -> Self {
        Self {
            view: measured.view,
            strategy: measured.strategy,
            rows: check.rows,
            rows_changed: measured.rows_changed,
            duration_ms: millis(measured.remat),
            plain_ms: millis(measured.plain),
            concurrent_ms: millis(measured.concurrent),
            times_faster_than_plain: ratio(measured.plain, measured.remat),
            times_faster_than_concurrent: ratio(measured.concurrent, measured.remat),
            incremental_ms: millis(measured.incremental),
            incremental_by: measured.incremental_by,
            incremental_times_faster_than_concurrent: ratio(measured.concurrent, measured.incremental),
            equal: check.equal,
            refreshed_again: check.refreshed_again,
        }
    }
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

fn ratio(theirs: Duration, ours: Duration) -> f64 {
    (theirs.as_secs_f64() / ours.as_secs_f64().max(1e-9) * 100.0).round() / 100.0
}
