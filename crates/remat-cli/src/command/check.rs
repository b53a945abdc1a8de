//! `remat check`: `{"ok","problems":[{"view","state","problem","age_seconds","target_lag_seconds","hint"}],
//! "alerts":[{"rule","severity","subject","reason","advice"}]}`; exit 3 when there is a problem or an alert.

use jiff::SignedDuration;
use remat::{
    alert::{Finding, RuleKind, Severity, Subject},
    error::Error,
    name::RelationName,
    status::{State, ViewStatus},
};
use serde::Serialize;
use serde_json::json;

use crate::{app::App, exit::Exit, render::text, selection::Narrowing, values};

/// Fail when a view is past its target, failed, absent or empty, or when nothing keeps the clock; for CI and monitors. A
/// view that a person paused is no problem.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    narrowing: Narrowing,
    /// The target of views that have none, such as 10min.
    #[arg(long, value_name = "AGE", value_parser = values::duration)]
    max_age: Option<SignedDuration>,
}

/// What is wrong with a view.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ViewProblem)]
pub(crate) struct Problem {
    view: RelationName,
    state: State,
    #[serde(rename = "problem")]
    what: String,
    age_seconds: Option<f64>,
    target_lag_seconds: Option<i64>,
    hint: String,
}

/// What fires beside that: what the state of a view does not tell.
#[derive(Debug, Serialize)]
struct Alert {
    rule: String,
    severity: Severity,
    subject: String,
    reason: String,
    advice: String,
}

impl From<Finding> for Alert {
    fn from(finding: Finding) -> Self {
        let Finding { rule, severity, subject, reason, advice, .. } = finding;
        Self { rule, severity, subject: subject.to_string(), reason, advice }
    }
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = args.narrowing.keep(&remat, remat.status().await?, |status| &status.view).await?;
    let problems = problems(&views, args.max_age.map(|age| age.as_secs()));
    let names: Vec<&RelationName> = views.iter().map(|status| &status.view).collect();
    let alerts: Vec<Alert> =
        remat.findings().await?.into_iter().filter(|found| is_told(found, &names)).map(Alert::from).collect();
    let ok = problems.is_empty() && alerts.is_empty();
    let value = json!({ "ok": ok, "problems": problems, "alerts": alerts });
    if ok {
        app.out.report(&value, || format!("all well; views checked: {}", views.len()));
        return Ok(Exit::Success);
    }
    app.out.show(&value, || problems.iter().map(line).chain(alerts.iter().map(sentence)).collect());
    Ok(Exit::PastTarget)
}

/// What is wrong with these views. `max_age` is the target of those that have none, in seconds.
pub(crate) fn problems(views: &[ViewStatus], max_age: Option<i64>) -> Vec<Problem> {
    views.iter().filter_map(|status| problem(status, max_age)).collect()
}

/// The clock, and of the views that were asked for what is not told by their state.
fn is_told(finding: &Finding, views: &[&RelationName]) -> bool {
    match (&finding.subject, finding.kind) {
        (Subject::Scheduler, _) => true,
        (Subject::View(_, name), RuleKind::Mismatch | RuleKind::Quarantined) => views.contains(&name),
        _ => false,
    }
}

fn sentence(alert: &Alert) -> String {
    format!(
        "{} {}. {}\n",
        text::clean(&alert.subject),
        text::clean(&alert.reason),
        text::clean(&alert.advice)
    )
}

fn line(problem: &Problem) -> String {
    format!("{}: {}. {}\n", text::name(&problem.view), text::clean(&problem.what), problem.hint)
}

#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
fn problem(status: &ViewStatus, max_age: Option<i64>) -> Option<Problem> {
    let target = status.target_lag_seconds.or(max_age);
    let late = target.filter(|target| status.age_seconds.is_none_or(|age| age > *target as f64));
    let (what, hint) = match status.state {
        State::Paused => return None,
        State::Absent => {
            ("it does not exist in the database".into(), format!("Run `remat create {}`.", status.view))
        }
        State::Unpopulated => ("it was never filled".into(), refresh(status)),
        State::Failed => (failure(status), "See `remat runs` for more.".into()),
        State::Running | State::Stale | State::Fresh | State::Ok => {
            (lateness(status, late?), refresh(status))
        }
    };
    Some(Problem {
        view: status.view.clone(),
        state: status.state,
        what,
        age_seconds: status.age_seconds,
        target_lag_seconds: target,
        hint: text::clean(&hint),
    })
}

fn failure(status: &ViewStatus) -> String {
    let error = status.last_run.as_ref().and_then(|run| run.error.as_ref());
    let why = error.map_or("the server gave no reason", |error| error.primary.as_str());
    format!("its last run failed: {why}")
}

#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
fn lateness(status: &ViewStatus, target: i64) -> String {
    match status.age_seconds {
        Some(age) => {
            format!("its data is {} old, the target is {}", text::age(age), text::age(target as f64))
        }
        None => "the age of its data is not known".into(),
    }
}

fn refresh(status: &ViewStatus) -> String {
    format!("Run `remat refresh {}`.", status.view)
}
