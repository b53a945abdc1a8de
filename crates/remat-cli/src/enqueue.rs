//! Leaving work to workers: `--enqueue`, `--wait` and `--queue` of `create`, `refresh` and `delete`.
//!
//! Law: when the command ends, the runs are in the table; with `--wait` it ends when they have, and reports them as if it
//! had done them itself.

use clap::Args;
use remat::{
    Remat,
    error::Error,
    job::Job,
    name::RelationName,
    run::Trigger,
    store::queue::{Enqueued, Outcome},
    view::View,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{Progress, runs::RunsReport, text},
    serve::backend,
};

/// Who is to do it.
#[derive(Args, Debug)]
pub(crate) struct EnqueueOptions {
    /// Let a worker do it.
    #[arg(long)]
    pub(crate) enqueue: bool,
    /// Wait until the workers have done it, and show the runs.
    #[arg(long, requires = "enqueue")]
    wait: bool,
    /// In this queue, instead of the view's.
    #[arg(long, requires = "enqueue", value_name = "QUEUE")]
    pub(crate) queue: Option<String>,
}

/// One view and its run.
#[derive(Debug, Serialize)]
struct Entry {
    view: RelationName,
    run: i64,
    outcome: Outcome,
}

impl EnqueueOptions {
    /// Enqueues a job for each view; each comes with the positions of those that must end before it.
    pub(crate) async fn jobs(
        &self,
        app: &App,
        remat: &Remat,
        jobs: Vec<(View, Job, Vec<usize>)>,
    ) -> Result<Exit, Error> {
        let backend = backend::connect(app, remat, None).await?;
        let queue = self.queue.as_deref();
        // With the back end `inline` this does the work.
        let enqueuing = remat.enqueue_in_order(backend.as_ref(), &jobs, queue, Trigger::Manual);
        let enqueued = app.interrupt.attend(enqueuing).await?;
        let names = jobs.into_iter().map(|(view, ..)| view.definition.name);
        self.report(app, remat, names.zip(enqueued).collect()).await
    }

    /// Says what was enqueued, or waits for it.
    pub(crate) async fn report(
        &self,
        app: &App,
        remat: &Remat,
        enqueued: Vec<(RelationName, Enqueued)>,
    ) -> Result<Exit, Error> {
        if self.wait {
            return wait(app, remat, &enqueued).await;
        }
        let entry =
            |(view, enqueued): (_, Enqueued)| Entry { view, run: enqueued.run_id, outcome: enqueued.outcome };
        let entries: Vec<Entry> = enqueued.into_iter().map(entry).collect();
        app.out.report(&json!({ "enqueued": entries }), || in_words(&entries));
        Ok(Exit::Success)
    }
}

async fn wait(app: &App, remat: &Remat, enqueued: &[(RelationName, Enqueued)]) -> Result<Exit, Error> {
    if remat.workers().await?.is_empty() {
        tracing::warn!("no worker runs; this waits until one does");
    }
    let progress = Progress::start(&app.out, enqueued.len());
    let mut report = RunsReport::default();
    for (view, enqueued) in enqueued {
        progress.step(&format!("waiting for run {} of {view}", enqueued.run_id));
        let run = remat.wait_for_run(enqueued.run_id).await?;
        // Several requests may have become one run.
        if report.runs.iter().all(|other| other.id != run.id) {
            report.runs.push(run);
        }
    }
    progress.finish();
    Ok(report.show(&app.out))
}

fn in_words(entries: &[Entry]) -> String {
    let line = |entry: &Entry| {
        let (view, run) = (text::name(&entry.view), entry.run);
        match entry.outcome {
            Outcome::Enqueued => format!("{view}: run {run} is enqueued"),
            Outcome::Joined => format!("{view}: run {run} waits already and will do"),
            Outcome::Skipped => format!("{view}: skipped, run {run} waits or works"),
        }
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}
