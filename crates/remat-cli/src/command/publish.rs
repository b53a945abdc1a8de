//! `remat publish`: `{"views":[{"view","key","outcome","members","data_as_of","run_id","took_ms"}]}`; one that could not
//! be published has `{"view","error"}`; exit 1 if there is one.

use comfy_table::Cell;
use remat::{
    Remat,
    error::{Error, ErrorKind},
    name::RelationName,
    publish::{Outcome, Published},
    view::View,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        ErrorJson, Output, Progress, complain,
        table::{Table, Tone, figure, toned, word},
        text,
    },
    selection::Narrowing,
};

/// Copy views to their sorted sets in Redis: all that have a target when none is named.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    narrowing: Narrowing,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Verdict {
    Published(Published),
    Failed { view: RelationName, error: ErrorJson },
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let publisher = app.publisher()?;
    let remat = app.open().await?;
    let views = published(&remat, &args.narrowing).await?;
    publisher.check().await?;
    let progress = Progress::start(&app.out, views.len());
    let mut verdicts = Vec::new();
    let mut errors = Vec::new();
    for view in views.iter().take_while(|_| !app.interrupt.is_asked()) {
        let name = &view.definition.name;
        progress.step(&format!("publishing {name}"));
        match app.interrupt.attend(publisher.publish(&remat, view)).await {
            Ok(copy) => verdicts.push(Verdict::Published(copy)),
            Err(error) => {
                verdicts.push(Verdict::Failed { view: name.clone(), error: ErrorJson::from(&error) });
                errors.push(error);
            }
        }
    }
    progress.finish();
    app.out.report(&json!({ "views": verdicts }), || table(&app.out, &verdicts));
    for error in &errors {
        complain(error.complaint());
    }
    Ok(if errors.is_empty() { Exit::Success } else { Exit::Failed })
}

/// The named views, which must have a target, or all that have one.
async fn published(remat: &Remat, narrowing: &Narrowing) -> Result<Vec<View>, Error> {
    let mut views = narrowing.resolve(remat).await?;
    if !narrowing.names_views() {
        views.retain(|view| view.definition.publish.is_some());
    }
    if views.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "no view is published").with_hint(
            "Name a key, a member and a score under [publish] of a view file, then `remat apply`.",
        ));
    }
    Ok(views)
}

fn table(out: &Output, verdicts: &[Verdict]) -> String {
    let mut table = Table::new(out, &["view", "key", "outcome", "members", "data as of", "took"]);
    for verdict in verdicts {
        match verdict {
            Verdict::Published(published) => table.row(cells(published)),
            Verdict::Failed { view, .. } => {
                table.row([word(text::name(view)), word(text::NOTHING), toned("failed", Tone::Bad)]);
            }
        }
    }
    table.finish()
}

fn cells(published: &Published) -> [Cell; 6] {
    let outcome = match published.outcome {
        Outcome::Replaced => toned("replaced", Tone::Good),
        Outcome::Newer => toned("a newer one stands", Tone::Notable),
    };
    [
        word(text::name(&published.view)),
        word(&published.key),
        outcome,
        figure(text::count(published.members.try_into().unwrap_or(i64::MAX))),
        word(text::time(published.data_as_of)),
        figure(text::millis(published.took.as_millis().try_into().unwrap_or(i64::MAX))),
    ]
}
