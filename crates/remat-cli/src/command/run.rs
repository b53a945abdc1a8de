//! `remat run`: `{"run":{…}}`; `remat run cancel`: `{"outcome":"…","run":{…}}`.

use std::time::Duration;

use jiff::SignedDuration;
use remat::{
    Remat,
    error::Error,
    run::{Run, Status},
};
use serde::Serialize;
use serde_json::json;

use crate::{app::App, exit::Exit, render::runs::detail, values};

/// Show one run with everything that is known about it, or cancel it.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// The number of the run.
    #[arg(required = true)]
    id: Option<i64>,
    #[command(subcommand)]
    act: Option<Act>,
}

/// What to do with a run.
#[derive(clap::Subcommand, Debug)]
enum Act {
    /// Cancel a run: one that waits never begins, one that works is cancelled at the server.
    Cancel(CancelArgs),
}

#[derive(clap::Args, Debug)]
struct CancelArgs {
    /// The number of the run.
    id: i64,
    /// How long to wait until a run at work has ended.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::duration)]
    patience: SignedDuration,
}

/// What became of the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Cancellation)]
pub(crate) enum Outcome {
    /// It waited and never began.
    NeverBegan,
    /// It worked and was rolled back.
    Cancelled,
    /// It worked and came to its own end first.
    EndedFirst,
    /// It had ended before anybody asked.
    HadEnded,
    /// It was told and has not ended yet.
    StillAtWork,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    match (&args.act, args.id) {
        (Some(Act::Cancel(args)), _) => cancel(app, args).await,
        (None, id) => show(app, id.unwrap_or_default()).await,
    }
}

async fn show(app: &App, id: i64) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let run = remat.run(id).await?;
    app.out.show(&json!({ "run": run }), || detail(&run));
    Ok(Exit::Success)
}

async fn cancel(app: &App, args: &CancelArgs) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let (outcome, run) = wish(&remat, args.id, args.patience.unsigned_abs()).await?;
    app.out.report(&json!({ "outcome": outcome, "run": run }), || in_words(outcome, &run));
    Ok(if outcome == Outcome::StillAtWork { Exit::Failed } else { Exit::Success })
}

/// Wishes that a run were cancelled, and tells what became of that.
pub(crate) async fn wish(remat: &Remat, id: i64, patience: Duration) -> Result<(Outcome, Run), Error> {
    let before = remat.run(id).await?;
    if before.status.is_final() {
        return Ok((Outcome::HadEnded, before));
    }
    let run = remat.cancel_run(id, patience).await?;
    Ok((outcome(&before, &run), run))
}

fn outcome(before: &Run, after: &Run) -> Outcome {
    match after.status {
        _ if before.status.is_final() => Outcome::HadEnded,
        Status::Cancelled if after.started_at.is_none() => Outcome::NeverBegan,
        Status::Cancelled => Outcome::Cancelled,
        status if status.is_final() => Outcome::EndedFirst,
        _ => Outcome::StillAtWork,
    }
}

fn in_words(outcome: Outcome, run: &Run) -> String {
    let (id, status) = (run.id, run.status);
    match outcome {
        Outcome::NeverBegan => format!("run {id} was cancelled before it began"),
        Outcome::Cancelled => format!("run {id} was cancelled at the server; its work was rolled back"),
        Outcome::EndedFirst => format!("run {id} ended before the cancel reached it: {status}"),
        Outcome::HadEnded => format!("run {id} had ended already: {status}"),
        Outcome::StillAtWork => format!("run {id} was told to stop and has not ended yet"),
    }
}
