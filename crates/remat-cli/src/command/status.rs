//! `remat status`: `{"views":[{"view","strategy","state","data_as_of","age_seconds","target_lag_seconds","tags",
//! "last_run","verification"}]}`.

use comfy_table::Cell;
use remat::{
    error::Error,
    run::Finding,
    status::{State, ViewStatus},
};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        Output,
        runs::tone as tone_of_run,
        table::{Table, Tone, figure, toned, word},
        text::{self, NOTHING, or_nothing},
    },
    selection::Narrowing,
};

/// Show how fresh the views are: the state to know first, the age of what readers see, the last run.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    narrowing: Narrowing,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = args.narrowing.keep(&remat, remat.status().await?, |status| &status.view).await?;
    app.out.show(&json!({ "views": views }), || table(&app.out, &views));
    Ok(Exit::Success)
}

fn table(out: &Output, views: &[ViewStatus]) -> String {
    if views.is_empty() {
        return "no view is defined; `remat apply` defines those of a project folder".into();
    }
    let mut table = Table::new(out, &["view", "strategy", "state", "age", "target", "last run", "took"]);
    for status in views {
        table.row(cells(status));
    }
    let notes = views.iter().filter_map(note);
    std::iter::once(table.finish()).chain(notes).collect::<Vec<_>>().join("\n")
}

/// What a person should know of the last verification.
fn note(status: &ViewStatus) -> Option<String> {
    let verification = status.verification.as_ref()?;
    let (view, run, ago) = (text::name(&status.view), verification.run, text::ago(verification.at));
    match verification.finding {
        Finding::Mismatch => {
            Some(format!("{view} was not what its query gives, and was repaired {ago}: see run {run}"))
        }
        Finding::Failed => Some(format!("{view} could not be verified {ago}: see run {run}")),
        Finding::Equal | Finding::Recomputed => None,
    }
}

#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
fn cells(status: &ViewStatus) -> [Cell; 7] {
    let run = status.last_run.as_ref();
    [
        word(text::name(&status.view)),
        word(status.strategy.as_str()),
        toned(status.state.as_str(), tone(status.state)),
        figure(or_nothing(status.age_seconds, text::age)),
        figure(or_nothing(status.target_lag_seconds, |seconds| text::age(seconds as f64))),
        run.map_or_else(
            || word(NOTHING),
            |run| toned(format!("{} {}", run.operation, run.status), tone_of_run(run.status)),
        ),
        figure(or_nothing(run.and_then(|run| run.duration_ms), text::millis)),
    ]
}

fn tone(state: State) -> Tone {
    match state {
        State::Absent | State::Failed => Tone::Bad,
        State::Unpopulated | State::Stale | State::Paused => Tone::Notable,
        State::Running | State::Ok => Tone::Neutral,
        State::Fresh => Tone::Good,
    }
}
