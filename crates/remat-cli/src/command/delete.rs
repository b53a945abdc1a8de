//! `remat delete`: `{"runs":[…]}`, or `{"enqueued":[…]}`.

use remat::{Remat, error::Error, job::Job, operation::DeleteOptions, view::View};

use crate::{app::App, enqueue::EnqueueOptions, exit::Exit, render::prompt, selection::Selection};

/// Drop the relations of views; definitions and runs stay. Views that read others go first.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Also drop what depends on them.
    #[arg(long)]
    cascade: bool,
    /// A relation that does not exist is no failure.
    #[arg(long)]
    if_exists: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    enqueue: EnqueueOptions,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let mut views = remat.refresh_order(args.selection.resolve(&remat).await?).await?;
    views.reverse();
    if !args.yes && !views.is_empty() {
        let question =
            if views.len() == 1 { "delete one view".into() } else { format!("delete {} views", views.len()) };
        prompt::confirm(&app.out, &question, &losses(&remat, &views, args.cascade).await?).await?;
    }
    let options = DeleteOptions { cascade: args.cascade, if_exists: args.if_exists };
    if args.enqueue.enqueue {
        let jobs = readers_first(&remat, views, options).await?;
        return args.enqueue.jobs(app, &remat, jobs).await;
    }
    app.each_run(
        &views,
        |view| format!("deleting {}", view.definition.name),
        async |view| remat.delete(view, options).await,
    )
    .await
}

/// What others read is deleted after those.
async fn readers_first(
    remat: &Remat,
    views: Vec<View>,
    options: DeleteOptions,
) -> Result<Vec<(View, Job, Vec<usize>)>, Error> {
    let reads = remat.reads().await?;
    let names: Vec<_> = views.iter().map(|view| view.definition.name.clone()).collect();
    let readers = |view: &View| {
        let name = &view.definition.name;
        let reads_it = |other: &usize| reads.get(&names[*other]).is_some_and(|all| all.contains(name));
        (0..names.len()).filter(reads_it).collect()
    };
    let jobs = views.into_iter().map(|view| {
        let after = readers(&view);
        (view, Job::Delete(options), after)
    });
    Ok(jobs.collect())
}

async fn losses(remat: &Remat, views: &[View], cascade: bool) -> Result<Vec<String>, Error> {
    let mut losses: Vec<String> = views.iter().map(|view| view.definition.name.to_string()).collect();
    for view in views.iter().filter(|_| cascade) {
        for dependent in remat.dependents(view).await? {
            let loss = format!("{dependent} (depends on {})", view.definition.name);
            losses.push(loss);
        }
    }
    Ok(losses)
}
