//! `remat refresh`: `{"runs":[…]}`.

use std::collections::BTreeMap;

use remat::{
    Remat,
    error::Error,
    name::RelationName,
    operation::RefreshOptions,
    run::RowCount,
    view::{Strategy, View},
};

use crate::{app::App, exit::Exit, render::text, selection::Selection, values::one_of};

/// Bring views up to date. Views that others read come first; one that fails does not stop the rest.
#[derive(clap::Args, Debug)]
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
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = remat.refresh_order(args.selection.resolve(&remat).await?).await?;
    let options = RefreshOptions { strategy: args.strategy, row_count: args.row_count, force: args.force };
    let usual = usual_ms(app, &remat).await?;
    app.each_run(&views, |view| label(view, &usual), async |view| remat.refresh(view, options).await).await
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
