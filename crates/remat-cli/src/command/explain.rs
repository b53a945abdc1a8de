//! `remat explain`: `{"views":[{"view","strategy","incremental","otherwise","stages","hidden","sources","refusal","advice"}]}`.

use remat::error::Error;
use serde_json::json;

use crate::{app::App, exit::Exit, render::explain, selection::Selection};

/// Tell how views follow the changes of what they read, or why they do not. Changes nothing.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Also show the statements of a refresh.
    #[arg(long)]
    sql: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = args.selection.resolve(&remat).await?;
    let mut explained = Vec::new();
    for view in views.iter().take_while(|_| !app.interrupt.is_asked()) {
        explained.push(app.interrupt.attend(remat.explain(view)).await?);
    }
    app.out.show(&json!({ "views": explained }), || explain::all(&app.out, &explained, args.sql));
    Ok(Exit::Success)
}
