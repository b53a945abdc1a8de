//! Runs: a table of many, the detail of one.

use comfy_table::Cell;
use remat::{
    error::{Complaint, Error},
    run::{Run, Status},
};
use serde::Serialize;

use super::{
    ErrorJson, Output, complain,
    table::{Table, Tone, figure, toned, word},
    text::{self, NOTHING, or_nothing},
};
use crate::exit::Exit;

/// What an act on several views gave.
#[derive(Debug, Default)]
pub(crate) struct RunsReport {
    pub(crate) runs: Vec<Run>,
    /// Why the rest was not tried.
    pub(crate) error: Option<Error>,
}

#[derive(Serialize)]
struct RunsJson<'a> {
    runs: &'a [Run],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
}

impl RunsReport {
    /// Writes the report: the runs, then what went wrong.
    pub(crate) fn show(&self, out: &Output) -> Exit {
        let value = RunsJson { runs: &self.runs, error: self.error.as_ref().map(ErrorJson::from) };
        out.report(&value, || table(out, &self.runs));
        for run in self.runs.iter().filter(|_| !out.json) {
            if let Some(error) = &run.error {
                complain(&with_its_run(run, error));
            }
        }
        match &self.error {
            Some(error) => {
                complain(error.complaint());
                error.kind().into()
            }
            None => Exit::of_runs(&self.runs),
        }
    }
}

/// A run's error that names the run, for stderr.
pub(crate) fn with_its_run(run: &Run, error: &Complaint) -> Complaint {
    let view = or_nothing(run.view.as_ref(), text::name);
    let primary = format!("{} of {view} {}: {}", run.operation, run.status, error.primary);
    Complaint { primary, ..error.clone() }
}

/// Runs as a table; empty without any.
pub(crate) fn table(out: &Output, runs: &[Run]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let titles = ["run", "view", "operation", "status", "strategy", "rows", "changed", "took", "ended"];
    let mut table = Table::new(out, &titles);
    for run in runs {
        table.row(cells(run));
    }
    table.finish()
}

fn cells(run: &Run) -> [Cell; 9] {
    [
        figure(run.id.to_string()),
        word(or_nothing(run.view.as_ref(), text::name)),
        word(run.operation.as_str()),
        status(run),
        word(run.strategy.as_deref().unwrap_or(NOTHING)),
        figure(or_nothing(run.rows_after, text::count)),
        figure(changes(run)),
        figure(or_nothing(run.duration_ms, text::millis)),
        word(or_nothing(run.finished_at, text::ago)),
    ]
}

fn status(run: &Run) -> Cell {
    let text = match (&run.reason, run.status) {
        (Some(reason), Status::Skipped) => format!("skipped ({reason})"),
        _ => run.status.to_string(),
    };
    toned(text, tone(run.status))
}

/// The colour of a status.
pub(crate) fn tone(status: Status) -> Tone {
    match status {
        Status::Success => Tone::Good,
        Status::Pending | Status::Running => Tone::Neutral,
        Status::Skipped | Status::Cancelled | Status::Unknown => Tone::Notable,
        Status::Failed => Tone::Bad,
    }
}

/// `+12 ~3 -4`: inserted, updated, deleted, as far as the strategy knows.
fn changes(run: &Run) -> String {
    let parts = [("+", run.rows_inserted), ("~", run.rows_updated), ("-", run.rows_deleted)];
    let known =
        parts.iter().filter_map(|(sign, rows)| rows.map(|rows| format!("{sign}{}", text::count(rows))));
    let known: Vec<_> = known.collect();
    if known.is_empty() { NOTHING.into() } else { known.join(" ") }
}

/// The number of the attempt, and those around it.
fn attempt(run: &Run) -> String {
    let before = run.retry_of.map(|run| format!(", after run {run}"));
    let next = run.retried_by().map(|run| format!(", tried again by run {run}"));
    format!("{}{}{}", run.attempt, before.unwrap_or_default(), next.unwrap_or_default())
}

/// Everything about one run.
pub(crate) fn detail(run: &Run) -> String {
    let mut lines = vec![
        ("run", run.id.to_string()),
        ("view", or_nothing(run.view.as_ref(), text::name)),
        ("operation", run.operation.to_string()),
        ("status", run.status.to_string()),
        ("trigger", run.trigger.to_string()),
        ("job", text::clean(run.job.as_deref().unwrap_or(NOTHING))),
        ("queue", text::clean(&run.queue)),
        ("back end", text::clean(&run.backend)),
        ("worker", text::clean(run.worker.as_deref().unwrap_or(NOTHING))),
        ("attempt", attempt(run)),
        ("priority", run.priority.to_string()),
        ("strategy", text::clean(run.strategy.as_deref().unwrap_or(NOTHING))),
        ("reason", text::clean(run.reason.as_deref().unwrap_or(NOTHING))),
        ("queued", text::time(run.queued_at)),
        ("due", text::time(run.due_at)),
        ("started", or_nothing(run.started_at, text::time)),
        ("data as of", or_nothing(run.data_as_of, text::time)),
        ("ended", or_nothing(run.finished_at, text::time)),
        ("took", or_nothing(run.duration_ms, text::millis)),
        ("lock wait", or_nothing(run.lock_wait_ms, text::millis)),
        ("rows before", or_nothing(run.rows_before, text::count)),
        ("rows after", or_nothing(run.rows_after, text::count)),
        ("changed", changes(run)),
        ("size", or_nothing(run.bytes, text::bytes)),
    ];
    lines.extend(run.coalesced_into().map(|run| ("done by", format!("run {run}"))));
    lines.extend(run.root_cause().map(|run| ("root cause", format!("run {run}"))));
    if let Some(error) = &run.error {
        lines.push(("error", text::clean_lines(&error.primary)));
        lines.extend(error.sqlstate.clone().map(|code| ("sqlstate", text::clean(&code))));
        lines.extend(error.detail.as_ref().map(|detail| ("detail", text::clean_lines(detail))));
        lines.extend(error.hint.as_ref().map(|hint| ("hint", text::clean_lines(hint))));
    }
    lines.push(("meta", text::clean(&run.meta.to_string())));
    lines.iter().map(|(label, value)| format!("{label:<12} {value}")).collect::<Vec<_>>().join("\n")
}
