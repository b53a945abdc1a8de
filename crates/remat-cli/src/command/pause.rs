//! `remat pause`: `{"views":[{"view","paused","by","reason","until"}]}`.

use jiff::Timestamp;
use remat::{error::Error, name::RelationName, view::Pause};
use serde::Serialize;
use serde_json::json;

use crate::{app::App, exit::Exit, render::text, selection::Selection, values};

/// Stop refreshing views until they are resumed or the pause ends by itself.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Why; kept for those who wonder.
    #[arg(long)]
    reason: Option<String>,
    /// When it ends by itself: an instant such as 2026-08-01T06:00:00Z, or a length of time such as 2h.
    #[arg(long, value_name = "WHEN", value_parser = values::instant)]
    until: Option<Timestamp>,
}

/// Whether a view is paused now.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Paused)]
pub(crate) struct PauseJson {
    pub(crate) view: RelationName,
    pub(crate) paused: bool,
    pub(crate) by: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) until: Option<Timestamp>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = args.selection.resolve(&remat).await?;
    let pause = Pause { by: who(), reason: args.reason.clone(), until: args.until };
    let mut paused = Vec::new();
    for view in views {
        remat.pause(&view, &pause).await?;
        let Pause { by, reason, until } = pause.clone();
        paused.push(PauseJson { view: view.definition.name, paused: true, by: Some(by), reason, until });
    }
    app.out.report(&json!({ "views": paused }), || paused.iter().map(line).collect());
    Ok(Exit::Success)
}

fn line(pause: &PauseJson) -> String {
    let end = pause
        .until
        .map_or_else(|| "until it is resumed".into(), |until| format!("until {}", text::time(until)));
    format!("{} is paused {end}\n", text::name(&pause.view))
}

/// The account that asks; the audit has the database's role beside it.
pub(super) fn who() -> String {
    let named = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(|| "unknown".into())
}
