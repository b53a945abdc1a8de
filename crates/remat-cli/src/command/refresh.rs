//! `remat refresh`: `{"runs":[…]}`.

use remat::{error::Error, operation::RefreshOptions, run::RowCount, view::Strategy};

use crate::{app::App, exit::Exit, selection::Selection, values::one_of};

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
    app.each_run("refreshing", &views, async |view| remat.refresh(view, options).await).await
}
