//! The main job, shown on an example: a server, an application with data, views, changes, refreshes, figures.
//!
//! Law: the demo is an application like any other. It has SQL over its own tables and its own twins only, in a database
//! that it made itself, and uses remat through its library. Whatever it measures it shows, also where remat is slower.
//!
//! The steps, in order: [`Server::open`], [`database::renew`], [`load::rows`], [`apply`], [`twin::make`],
//! [`measure::rounds`], [`check::all`].

mod check;
mod database;
mod driver;
mod live;
mod load;
mod measure;
mod project;
mod report;
mod server;
mod twin;

use remat::{
    Remat,
    error::{Error, ErrorKind},
    run::{Run, Status},
};

pub(crate) use self::{
    check::Check,
    live::live,
    measure::{CHANGES_PER_ROUND, Measured, ROUNDS},
    report::{Report, ServerFacts, ViewReport},
    server::{Server, Wishes},
};
use crate::render::{Output, Stage, text};

/// Does everything up to the report.
pub(crate) async fn once(out: &Output, server: &Server, rows: u32) -> Result<(Remat, Report), Error> {
    let target = database::renew(&server.target()?).await?;
    let remat = Remat::builder().target(target).source("demo").connect().await?;
    let driver = driver::Driver::open(&remat).await?;
    load::application(out, &driver, rows).await?;
    apply(out, &remat).await?;
    let views = remat.refresh_order(remat.views().await?).await?;
    let twins = twin::make(out, &remat, &driver, &views).await?;
    let measured = measure::rounds(out, &remat, &driver, &twins).await?;
    let checks = check::all(out, &remat, &driver, &twins).await?;
    let report = Report {
        server: server.facts(&remat, &driver).await?,
        rows,
        rounds: ROUNDS,
        changes_per_round: CHANGES_PER_ROUND,
        views: measured.into_iter().zip(checks).map(ViewReport::new).collect(),
        runs: remat.runs(&remat::store::runs::Filter::default()).await?,
    };
    twin::forget(&remat, &twins).await?;
    Ok((remat, report))
}

/// Makes remat's tables and the project's views.
async fn apply(out: &Output, remat: &Remat) -> Result<(), Error> {
    let project = project::project()?;
    let stage = Stage::start(out, "creating the views", None);
    remat.migrate().await?;
    let plan = remat.plan(&project).await?;
    let applied = remat.apply(&project, &plan, false).await?;
    let count = applied.len();
    for run in applied.into_iter().filter_map(|step| step.run) {
        drop(succeeded(run)?);
    }
    stage.finish(&format!("created {count} views"));
    Ok(())
}

/// The run, or its failure as an error: the demo has no use for half of its views.
fn succeeded(run: Run) -> Result<Run, Error> {
    if run.status == Status::Success {
        return Ok(run);
    }
    let view = text::or_nothing(run.view.as_ref(), text::name);
    let mut complaint = run.error.unwrap_or_default();
    complaint.primary = format!("{} of {view} {}: {}", run.operation, run.status, complaint.primary);
    Err(Error::from_complaint(ErrorKind::Database, complaint))
}
