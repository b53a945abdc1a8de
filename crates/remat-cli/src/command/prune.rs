//! `remat prune`: `{"deleted":N,…}`.

use remat::{error::Error, store::retention::Retention};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{Progress, text},
};

/// Delete old history. Runs that tell how fresh a view is and how it stands are kept in any case.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How many runs of each view and status to keep, failures aside.
    #[arg(long, value_name = "N", default_value_t = Retention::default().keep_per_view, value_parser = clap::value_parser!(i32).range(0..))]
    keep: i32,
    /// How many days to keep runs for.
    #[arg(long, alias = "days", value_name = "D", default_value_t = Retention::default().keep_days, value_parser = days())]
    keep_days: i32,
    /// How many days to keep runs for that failed or were cancelled, whatever their number.
    #[arg(long, value_name = "D", default_value_t = Retention::default().keep_failures_days, value_parser = days())]
    keep_failures_days: i32,
    /// How many days to keep the audit for.
    #[arg(long, value_name = "D", default_value_t = Retention::default().keep_events_days, value_parser = days())]
    keep_events_days: i32,
}

/// What the server can subtract from today: a hundred thousand days are 273 years.
fn days() -> clap::builder::RangedI64ValueParser<i32> {
    clap::value_parser!(i32).range(0..=100_000)
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let progress = Progress::start(&app.out, 1);
    progress.step("deleting old runs");
    let retention = Retention {
        keep_per_view: args.keep,
        keep_days: args.keep_days,
        keep_failures_days: args.keep_failures_days,
        keep_events_days: args.keep_events_days,
        ..Retention::default()
    };
    let gone = remat
        .prune(&retention, |gone| progress.tell(&format!("deleting old runs: {}", text::count(gone.runs))))
        .await?;
    progress.finish();
    let document = json!({
        "deleted": gone.runs, "fires": gone.fires, "events": gone.events, "workers": gone.workers,
    });
    app.out.report(&document, || format!("runs deleted: {}", text::count(gone.runs)));
    Ok(Exit::Success)
}
