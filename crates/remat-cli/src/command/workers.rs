//! `remat workers`: `{"workers":[…]}`.

use remat::{
    error::Error,
    store::workers::{WorkedOn, WorkerRow},
};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        Output,
        table::{Table, Tone, figure, toned, word},
        text::{self, NOTHING},
    },
};

/// A worker says every two seconds that it lives; one that was silent for so long has lost its runs.
const SILENT_SECONDS: f64 = 6.0;

/// Show the processes that work on runs.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

pub(crate) async fn run(app: &App, _args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let workers = remat.workers().await?;
    app.out.show(&json!({ "workers": workers }), || table(&app.out, &workers));
    Ok(Exit::Success)
}

fn table(out: &Output, workers: &[WorkerRow]) -> String {
    if workers.is_empty() {
        return "no worker runs; `remat serve` starts one".into();
    }
    let titles = ["worker", "state", "heartbeat", "back end", "queues", "busy", "works on"];
    let mut table = Table::new(out, &titles);
    for worker in workers {
        let (state, tone) = state(worker);
        table.row([
            word(&worker.name),
            toned(state, tone),
            word(format!("{} ago", text::age(worker.heartbeat_age_seconds))),
            word(&worker.backend),
            word(if worker.queues.is_empty() { "all".into() } else { worker.queues.join(", ") }),
            figure(format!("{}/{}", worker.runs.len(), worker.slots)),
            word(works_on(&worker.runs)),
        ]);
    }
    table.finish()
}

fn state(worker: &WorkerRow) -> (&str, Tone) {
    match worker.state.as_str() {
        _ if worker.heartbeat_age_seconds > SILENT_SECONDS => ("silent", Tone::Bad),
        "running" => ("running", Tone::Good),
        other => (other, Tone::Notable),
    }
}

fn works_on(runs: &[WorkedOn]) -> String {
    if runs.is_empty() {
        return NOTHING.into();
    }
    let one = |run: &WorkedOn| {
        let what = run.view.as_ref().map(ToString::to_string).or_else(|| run.job.clone()).unwrap_or_default();
        format!("{} {what} (run {})", run.operation, run.id)
    };
    runs.iter().map(one).collect::<Vec<_>>().join(", ")
}
