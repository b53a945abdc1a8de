//! `remat resume`: `{"views":[{"view","paused","by","reason","until"}]}`.

use remat::error::Error;
use serde_json::json;

use super::pause::PauseJson;
use crate::{app::App, exit::Exit, render::text, selection::Selection};

/// End the pause of views.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let mut resumed = Vec::new();
    for view in args.selection.resolve(&remat).await? {
        remat.resume(&view).await?;
        let view = view.definition.name;
        resumed.push(PauseJson { view, paused: false, by: None, reason: None, until: None });
    }
    app.out.report(&json!({ "views": resumed }), || {
        let names: Vec<_> = resumed.iter().map(|entry| text::name(&entry.view)).collect();
        format!("no longer paused: {}", names.join(", "))
    });
    Ok(Exit::Success)
}
