//! `remat create`: `{"runs":[…]}`, or `{"enqueued":[…]}`.

use std::collections::BTreeMap;

use remat::{
    error::Error,
    job::Job,
    operation::CreateOptions,
    plan::{plan, reads_among},
    view::{Definition, View},
};

use crate::{app::App, enqueue::EnqueueOptions, exit::Exit, selection::Selection};

/// Make the relations of defined views. Views that others read come first.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Build anew what stands there already; readers keep the old one until the new one is whole.
    #[arg(long)]
    force: bool,
    /// Leave it empty until its first refresh.
    #[arg(long)]
    no_data: bool,
    /// A relation that stands there already is no failure.
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    enqueue: EnqueueOptions,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = sources_first(args.selection.resolve(&remat).await?)?;
    let options =
        CreateOptions { force: args.force, no_data: args.no_data, if_not_exists: args.if_not_exists };
    if args.enqueue.enqueue {
        let definitions: Vec<Definition> = views.iter().map(|view| view.definition.clone()).collect();
        let after = reads_among(&definitions);
        let jobs = views.into_iter().zip(after).map(|(view, after)| (view, Job::Create(options), after));
        return args.enqueue.jobs(app, &remat, jobs.collect()).await;
    }
    app.each_run(
        &views,
        |view| format!("creating {}", view.definition.name),
        async |view| remat.create(view, options).await,
    )
    .await
}

/// The order in which a plan would create them: what does not exist yet has no dependencies in the catalog.
fn sources_first(mut views: Vec<View>) -> Result<Vec<View>, Error> {
    let definitions: Vec<Definition> = views.iter().map(|view| view.definition.clone()).collect();
    let plan = plan(&definitions, &[], &BTreeMap::new())?;
    let position = |view: &View| plan.steps.iter().position(|step| *step.view() == view.definition.name);
    views.sort_by_key(position);
    Ok(views)
}
