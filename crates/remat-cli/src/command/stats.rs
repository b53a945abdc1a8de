//! `remat stats`: `{"views":[{"view","tags","successes","avg_ms","min_ms","max_ms","p95_ms","failures_24h","rows"}]}`.

use comfy_table::Cell;
use remat::{error::Error, store::stats::ViewStats};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        Output,
        table::{Table, Tone, figure, toned, word},
        text::{self, or_nothing},
    },
    selection::Narrowing,
};

/// Show what refreshes cost and how often they fail. Durations are those of refreshes that succeeded.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    narrowing: Narrowing,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = args.narrowing.keep(&remat, remat.stats().await?, |stats| &stats.view).await?;
    app.out.show(&json!({ "views": views }), || table(&app.out, &views));
    Ok(Exit::Success)
}

fn table(out: &Output, views: &[ViewStats]) -> String {
    let titles = ["view", "successes", "average", "shortest", "longest", "95th", "failures in 24 h", "rows"];
    let mut table = Table::new(out, &titles);
    for stats in views {
        table.row(cells(stats));
    }
    table.finish()
}

#[allow(clippy::cast_possible_truncation, reason = "a mean duration fits")]
fn cells(stats: &ViewStats) -> [Cell; 8] {
    let failures = text::count(stats.failures_24h);
    [
        word(text::name(&stats.view)),
        figure(text::count(stats.successes)),
        figure(or_nothing(stats.avg_ms, |ms| text::millis(ms.round() as i64))),
        figure(or_nothing(stats.min_ms, text::millis)),
        figure(or_nothing(stats.max_ms, text::millis)),
        figure(or_nothing(stats.p95_ms, text::millis)),
        if stats.failures_24h > 0 { toned(failures, Tone::Bad) } else { figure(failures) },
        figure(or_nothing(stats.rows, text::count)),
    ]
}
