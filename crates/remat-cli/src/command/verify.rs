//! `remat verify`: `{"views":[{"view","equal","missing","extra"}]}`, with `"error"` where a view could not be compared;
//! exit 1 when not all are equal.

use remat::{compare::Verification, error::Error, name::RelationName};
use serde::Serialize;
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        ErrorJson, Output, Progress, complain,
        table::{Table, Tone, figure, toned, word},
        text::{self, NOTHING, or_nothing},
    },
    selection::Selection,
};

/// Compare views with their queries in one snapshot, both ways: rows that are missing and rows that are extra.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
}

/// What the comparison of one view gave.
#[derive(Serialize)]
struct Verdict {
    view: RelationName,
    equal: bool,
    missing: Option<i64>,
    extra: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = args.selection.resolve(&remat).await?;
    let progress = Progress::start(&app.out, views.len());
    let mut verdicts = Vec::new();
    let mut errors = Vec::new();
    for view in views.iter().take_while(|_| !app.interrupt.is_asked()) {
        let name = &view.definition.name;
        progress.step(&format!("comparing {name}"));
        let outcome = app.interrupt.attend(remat.verify(view)).await;
        verdicts.push(verdict(name, &outcome));
        errors.extend(outcome.err());
    }
    progress.finish();
    app.out.report(&json!({ "views": verdicts }), || table(&app.out, &verdicts));
    for error in &errors {
        complain(error.complaint());
    }
    Ok(if verdicts.iter().all(|verdict| verdict.equal) { Exit::Success } else { Exit::Failed })
}

fn verdict(view: &RelationName, outcome: &Result<Verification, Error>) -> Verdict {
    let found = outcome.as_ref().ok();
    Verdict {
        view: view.clone(),
        equal: found.is_some_and(|found| found.equal),
        missing: found.map(|found| found.missing),
        extra: found.map(|found| found.extra),
        error: outcome.as_ref().err().map(ErrorJson::from),
    }
}

fn table(out: &Output, verdicts: &[Verdict]) -> String {
    let mut table = Table::new(out, &["view", "equal", "missing", "extra"]);
    for verdict in verdicts {
        let equal = match (&verdict.error, verdict.equal) {
            (Some(_), _) => toned(NOTHING, Tone::Bad),
            (None, true) => toned("yes", Tone::Good),
            (None, false) => toned("no", Tone::Bad),
        };
        table.row([
            word(text::name(&verdict.view)),
            equal,
            figure(or_nothing(verdict.missing, text::count)),
            figure(or_nothing(verdict.extra, text::count)),
        ]);
    }
    table.finish()
}
