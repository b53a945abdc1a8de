//! `remat refresh`: `{"runs":[…]}`, or `{"enqueued":[…]}`.

use std::{cell::RefCell, collections::BTreeMap};

use remat::{
    Remat,
    error::Error,
    name::RelationName,
    operation::RefreshOptions,
    run::{RowCount, Run, Status},
    store::queue::Reach,
    view::{Strategy, View},
};

use crate::{
    app::App, enqueue::EnqueueOptions, exit::Exit, render::text, selection::Selection, serve::backend,
    values::one_of,
};

/// Bring views up to date. Views that others read come first; one that fails does not stop the rest.
#[derive(clap::Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Instead of the definition's strategy.
    #[arg(long, value_name = "STRATEGY", value_parser = one_of(Strategy::ALL, Strategy::as_str))]
    strategy: Option<Strategy>,
    /// Instead of the definition's way to count rows.
    #[arg(long, value_name = "HOW", value_parser = one_of(RowCount::ALL, RowCount::as_str))]
    row_count: Option<RowCount>,
    /// Refresh paused views too.
    #[arg(long)]
    force: bool,
    /// Compare what a refresh by changes leaves with the query, in the same snapshot, and merge where it is not the same.
    #[arg(long)]
    verify: bool,
    /// First refresh all that they read; a view whose source failed is skipped.
    #[arg(long)]
    with_upstream: bool,
    /// Then refresh all that read them; a view whose source failed is skipped.
    #[arg(long)]
    with_downstream: bool,
    #[command(flatten)]
    enqueue: EnqueueOptions,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = args.selection.resolve(&remat).await?;
    let Args { strategy, row_count, force, verify, .. } = *args;
    let options = RefreshOptions { strategy, row_count, force, verify };
    let reach = Reach { upstream: args.with_upstream, downstream: args.with_downstream };
    if args.enqueue.enqueue {
        return enqueue(app, &remat, &args.enqueue, &views, reach, options).await;
    }
    let views = remat.with_reach(views, reach).await?;
    let usual = usual_ms(app, &remat).await?;
    let chain = Chain::of(&remat, reach).await?;
    let label = |view: &View| label(view, &usual);
    app.each_run(&views, label, async |view| chain.refresh(&remat, view, options).await).await
}

async fn enqueue(
    app: &App,
    remat: &Remat,
    how: &EnqueueOptions,
    views: &[View],
    reach: Reach,
    options: RefreshOptions,
) -> Result<Exit, Error> {
    let backend = backend::connect(app, remat, None).await?;
    let queue = how.queue.as_deref();
    // With the back end `inline` this does the work.
    let enqueuing = remat.enqueue_views(backend.as_ref(), views, reach, options, queue);
    let enqueued = app.interrupt.attend(enqueuing).await?;
    let names: BTreeMap<i64, RelationName> =
        remat.views().await?.into_iter().map(|view| (view.id, view.definition.name)).collect();
    let with_name = |(id, enqueued)| Some((names.get(&id)?.clone(), enqueued));
    how.report(app, remat, enqueued.into_iter().filter_map(with_name).collect()).await
}

/// Views that are refreshed for each other's sake: one whose source failed is not tried.
struct Chain {
    reads: BTreeMap<RelationName, Vec<RelationName>>,
    failed: RefCell<Vec<(RelationName, i64)>>,
}

impl Chain {
    /// Without a reach nothing depends on anything: views that were only named together are each tried.
    async fn of(remat: &Remat, reach: Reach) -> Result<Self, Error> {
        let reads = if reach == Reach::default() { BTreeMap::new() } else { remat.reads().await? };
        Ok(Self { reads, failed: RefCell::default() })
    }

    async fn refresh(&self, remat: &Remat, view: &View, options: RefreshOptions) -> Result<Run, Error> {
        if let Some(root_cause) = self.root_cause(&view.definition.name) {
            return remat.skip_downstream_of(root_cause, view).await;
        }
        let run = remat.refresh(view, options).await?;
        if matches!(run.status, Status::Failed | Status::Cancelled | Status::Unknown) {
            self.failed.borrow_mut().push((view.definition.name.clone(), run.id));
        }
        Ok(run)
    }

    /// The run that failed of a view that this one reads, directly or through others.
    fn root_cause(&self, view: &RelationName) -> Option<i64> {
        let sources = self.reads.get(view)?;
        let failed = self.failed.borrow();
        failed.iter().find(|(name, _)| sources.contains(name)).map(|(_, run)| *run)
    }
}

/// What refreshes took on average, for those who watch.
async fn usual_ms(app: &App, remat: &Remat) -> Result<BTreeMap<RelationName, f64>, Error> {
    if !app.out.shows_progress() {
        return Ok(BTreeMap::new());
    }
    let stats = remat.stats().await?;
    Ok(stats.into_iter().filter_map(|stats| Some((stats.view, stats.avg_ms?))).collect())
}

#[allow(clippy::cast_possible_truncation, reason = "a mean duration fits")]
fn label(view: &View, usual: &BTreeMap<RelationName, f64>) -> String {
    let name = &view.definition.name;
    match usual.get(name) {
        Some(ms) => format!("refreshing {name} (usually {})", text::millis(ms.round() as i64)),
        None => format!("refreshing {name}"),
    }
}
