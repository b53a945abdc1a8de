//! The demo's report for people: the comparison, the last runs, and how it was measured.

use std::{cell, fmt::Write as _};

use comfy_table::Cell;
use indicatif::{ProgressBar, ProgressStyle};
use remat::{name::RelationName, run::Run, status::ViewStatus};

use super::{
    Output, Telling,
    runs::tone,
    stage::say,
    table::{Table, Tone, figure, toned, word},
    text::{self, NOTHING, or_nothing},
};
use crate::demo::{CHANGES_PER_ROUND, ROUNDS, Report, ServerFacts, ViewReport};

/// How many of the last runs are shown.
const RUNS_SHOWN: usize = 12;

/// The whole report.
pub(crate) fn report(out: &Output, report: &Report) -> String {
    // The steps stand right above on a terminal.
    let first = format!("\n{}", comparison(out, &report.views));
    [first, verdict(report), runs(out, &report.runs), method(&report.server), String::new()].join("\n\n")
}

fn comparison(out: &Output, views: &[ViewReport]) -> String {
    let titles = [
        "view",
        "strategy",
        "rows",
        "changed",
        "remat",
        "plain",
        "faster",
        "CONCURRENTLY",
        "faster",
        "incremental",
        "faster",
    ];
    let mut table = Table::new(out, &titles);
    for view in views {
        table.row([
            word(short(&view.view)),
            word(&view.strategy),
            figure(text::count(view.rows)),
            figure(changed(view)),
            figure(millis(view.duration_ms)),
            figure(millis(view.plain_ms)),
            times(view.times_faster_than_plain),
            figure(millis(view.concurrent_ms)),
            times(view.times_faster_than_concurrent),
            figure(millis(view.incremental_ms)),
            times(view.incremental_times_faster_than_concurrent),
        ]);
    }
    table.finish()
}

/// Strategies that write the whole view anew do not know what differs.
fn changed(view: &ViewReport) -> String {
    match view.strategy.as_str() {
        "regular" | "swap" => "all".into(),
        _ => or_nothing(view.rows_changed, text::count),
    }
}

fn times(ratio: f64) -> Cell {
    let tone = match ratio {
        1.1.. => Tone::Good,
        ..0.9 => Tone::Notable,
        _ => Tone::Neutral,
    };
    toned(format!("{ratio:.1}×"), tone).set_alignment(comfy_table::CellAlignment::Right)
}

fn millis(ms: f64) -> String {
    if ms < 100.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// All views of the demo stand in one schema.
fn short(name: &RelationName) -> String {
    text::clean(name.name.as_str())
}

fn verdict(report: &Report) -> String {
    let unequal: Vec<String> =
        report.views.iter().filter(|view| !view.equal).map(|view| text::name(&view.view)).collect();
    let mut line = if unequal.is_empty() {
        format!("Checked: all {} views equal their queries, row by row.", report.views.len())
    } else {
        format!("NOT equal to their queries: {}.", unequal.join(", "))
    };
    let again = report.views.iter().filter(|view| view.refreshed_again > 0).count();
    if again > 0 {
        write!(line, "\nRows had left the time window of {again} since the last round; refreshed once more, then equal.")
            .expect("a string takes all text");
    }
    line
}

fn runs(out: &Output, runs: &[Run]) -> String {
    let mut table = Table::new(out, &["run", "view", "operation", "status", "strategy", "took", "reason"]);
    for run in runs.iter().take(RUNS_SHOWN) {
        table.row([
            figure(run.id.to_string()),
            word(or_nothing(run.view.as_ref(), short)),
            word(run.operation.as_str()),
            toned(run.status.as_str(), tone(run.status)),
            word(run.strategy.as_deref().unwrap_or(NOTHING)),
            figure(or_nothing(run.duration_ms, text::millis)),
            word(run.reason.as_deref().unwrap_or(NOTHING)),
        ]);
    }
    let shown = runs.len().min(RUNS_SHOWN);
    format!("The last {shown} of {} runs:\n{}", runs.len(), table.finish())
}

fn method(server: &ServerFacts) -> String {
    let changes = text::count(CHANGES_PER_ROUND.into());
    let version = text::clean(server.version.split(' ').next().unwrap_or_default());
    format!(
        "How it was measured, on PostgreSQL {version}: {ROUNDS} rounds, each after about {changes} changes. In each,\n\
         remat by the view's own strategy, a plain REFRESH MATERIALIZED VIEW, one CONCURRENTLY, and remat\n\
         by strategy `incremental` brought the same changes into views of the same query, in changing\n\
         order. Wall-clock time around each call, remat's with its run rows and its vacuum; medians. Below\n\
         1.0× remat was slower; `incremental` is compared with CONCURRENTLY, at the expense of writers\n\
         (see the benchmarks).\n\
         Readers wait while a plain refresh runs, which is also remat's strategy `regular`; during the\n\
         others they go on reading."
    )
}

/// Where the data is and how to look further.
pub(crate) fn farewell(server: &ServerFacts, kept: bool) -> String {
    let database = text::clean(&server.database);
    match (&server.data_dir, &server.url) {
        (Some(dir), Some(url)) if kept => format!(
            "The server runs on. Look further:  remat status --database-url '{}'\n\
             Stop it:  kill -INT $(head -n 1 '{}')",
            text::clean(url),
            text::clean(&dir.join("data/postmaster.pid").display().to_string())
        ),
        (Some(dir), _) => format!(
            "The server is stopped; its data stay in {} until the next demo.\n\
             `remat demo --once --keep` leaves it running, to look further with `remat status`.",
            text::clean(&dir.display().to_string())
        ),
        _ => format!(
            "The data stay in {database} until the next demo or `drop database remat_demo`.\n\
             Look further with `remat status`, given that database."
        ),
    }
}

/// The status of the views while the demo goes on: drawn in place, or one line a round where nobody watches.
pub(crate) struct Board {
    telling: Telling,
    bar: ProgressBar,
    rounds: cell::Cell<u64>,
}

impl Board {
    /// Begins with nothing to show.
    pub(crate) fn start(out: &Output, changes_per_second: i32, pages: &str, token: &str) -> Self {
        let telling = Telling::fitting(out);
        out.print(&format!(
            "\nWriting: about {changes_per_second} rows change each second, and every view is refreshed in turn. Ctrl-C ends it.\n\
             The pages: {pages}\nTheir token: {token}\n"
        ));
        let bar = if telling == Telling::Drawn { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_style(ProgressStyle::with_template("{msg}").expect("a constant that is one placeholder"));
        Self { telling, bar, rounds: cell::Cell::new(0) }
    }

    /// Shows the views as they are now.
    pub(crate) fn show(&self, out: &Output, views: &[ViewStatus]) {
        if self.telling == Telling::Drawn {
            self.bar.set_message(board(out, views));
            self.bar.tick();
        }
    }

    /// Says that every view was refreshed once more.
    pub(crate) fn end_of_round(&self) {
        self.rounds.set(self.rounds.get() + 1);
        if self.telling == Telling::Lines {
            say(&format!("refreshed every view, round {}", self.rounds.get()));
        }
    }
}

impl Drop for Board {
    /// What was shown last stays.
    fn drop(&mut self) {
        self.bar.abandon();
    }
}

fn board(out: &Output, views: &[ViewStatus]) -> String {
    let titles = ["view", "state", "age", "strategy", "rows", "changed", "took", "run"];
    let mut table = Table::new(out, &titles);
    for view in views {
        let run = view.last_run.as_ref();
        let tone = if view.state.is_bad() { Tone::Bad } else { Tone::Good };
        table.row([
            word(short(&view.view)),
            toned(view.state.as_str(), tone),
            figure(or_nothing(view.age_seconds, |age| format!("{age:.1} s"))),
            word(run.and_then(|run| run.strategy.as_deref()).unwrap_or(NOTHING)),
            figure(or_nothing(run.and_then(|run| run.rows_after), text::count)),
            figure(or_nothing(run.and_then(changes), text::count)),
            figure(or_nothing(run.and_then(|run| run.duration_ms), text::millis)),
            figure(or_nothing(run.map(|run| run.id), text::count)),
        ]);
    }
    table.finish()
}

fn changes(run: &Run) -> Option<i64> {
    Some(run.rows_inserted? + run.rows_updated? + run.rows_deleted?)
}
