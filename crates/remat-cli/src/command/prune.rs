//! `remat prune`: `{"deleted":N}`.

use remat::error::Error;
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{Progress, text},
};

/// Delete old runs. Those that tell how fresh a view is and how it stands are kept in any case.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How many runs of each view and status to keep.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(i32).range(0..))]
    keep: i32,
    /// How many days to keep runs for.
    #[arg(long, value_name = "D", default_value_t = 90, value_parser = clap::value_parser!(i32).range(0..))]
    days: i32,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let progress = Progress::start(&app.out, 1);
    progress.step("deleting old runs");
    let deleted = remat.prune(args.keep, args.days).await?;
    progress.finish();
    app.out.report(&json!({ "deleted": deleted }), || format!("runs deleted: {}", text::count(deleted)));
    Ok(Exit::Success)
}
