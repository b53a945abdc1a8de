//! `remat refresh`: `{"runs":[…]}`, or `{"enqueued":[…]}`.

use std::collections::BTreeMap;

use remat::{
    Remat,
    error::Error,
    name::RelationName,
    operation::{Chain, RefreshOptions},
    run::RowCount,
    store::queue::Reach,
    view::{Strategy, View},
};

use crate::{
    app::App, enqueue::EnqueueOptions, exit::Exit, render::text, selection::Selection, serve::backend,
    values::one_of,
};

/// Bring views up to date. Views that others read come first; one that fails does not stop the rest. Neighbours that
/// follow changes share a transaction, so that their contents are of one moment.
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
    let chain = if reach == Reach::default() { Chain::default() } else { Chain::new(remat.reads().await?) };
    let groups = remat.groups(views, options).await?;
    let label = |views: &[View]| label(views, &usual);
    app.each_group(&groups, label, async |views| remat.refresh_group(views, options, &chain).await).await
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

/// What refreshes took on average, for those who watch.
async fn usual_ms(app: &App, remat: &Remat) -> Result<BTreeMap<RelationName, f64>, Error> {
    if !app.out.shows_progress() {
        return Ok(BTreeMap::new());
    }
    let stats = remat.stats().await?;
    Ok(stats.into_iter().filter_map(|stats| Some((stats.view, stats.avg_ms?))).collect())
}

#[allow(clippy::cast_possible_truncation, reason = "a mean duration fits")]
fn label(views: &[View], usual: &BTreeMap<RelationName, f64>) -> String {
    let [view] = views else { return format!("refreshing {} views together", views.len()) };
    let name = &view.definition.name;
    match usual.get(name) {
        Some(ms) => format!("refreshing {name} (usually {})", text::millis(ms.round() as i64)),
        None => format!("refreshing {name}"),
    }
}
