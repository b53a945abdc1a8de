//! `remat apply`: `{"applied":[{"action","view","run"}],"jobs":[{"action","job"}],"queues":[{"action","queue"}],
//! "alerts":[{"action","what","name"}]}`; with `--dry-run` what `remat plan` prints.

use remat::{
    Remat,
    apply::{Applied, ProjectPlan},
    error::Error,
    plan::Step,
    project::{self, Project},
    run::Run,
};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{Progress, complain, plan as render, prompt, runs::with_its_run, text},
};

/// Make the database match the project folder: define, create, change, rename and remove views, and set jobs, queues and alerts.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Take steps that lose something without being asked.
    #[arg(short, long)]
    yes: bool,
    /// Only show the plan.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let project = project::read(&app.project_dir()?)?;
    let remat = app.open().await?;
    let plan = remat.plan(&project).await?;
    if args.dry_run {
        app.out.show(&plan, || render::plan(&app.out, &plan));
        return Ok(Exit::Success);
    }
    let losses: Vec<String> = plan.views.destructive().filter_map(Step::loss).collect();
    if !losses.is_empty() && !args.yes {
        prompt::confirm(&app.out, &format!("apply {}", project.settings.name), &losses).await?;
    }
    let applied = take(app, &remat, &project, &plan).await?;
    Ok(report(app, &plan, &applied))
}

async fn take(
    app: &App,
    remat: &Remat,
    project: &Project,
    plan: &ProjectPlan,
) -> Result<Vec<Applied>, Error> {
    let progress = Progress::start(&app.out, 1);
    let steps = plan.views.steps.len() + plan.jobs.len() + plan.queues.len() + plan.alerts.len();
    progress.step(&format!("applying {steps} steps"));
    let applied = app.interrupt.attend(remat.apply(project, plan, true)).await;
    progress.finish();
    applied
}

fn report(app: &App, plan: &ProjectPlan, applied: &[Applied]) -> Exit {
    let runs: Vec<Run> = applied.iter().filter_map(|step| step.run.clone()).collect();
    let exit = Exit::of_runs(&runs);
    // These come last: after a view that failed they are as they were.
    let (jobs, queues, alerts) = match exit {
        Exit::Success => (plan.jobs.as_slice(), plan.queues.as_slice(), plan.alerts.as_slice()),
        _ => (&[][..], &[][..], &[][..]),
    };
    app.out.report(&json!({ "applied": applied, "jobs": jobs, "queues": queues, "alerts": alerts }), || {
        let steps = applied.iter().map(line);
        let all: String = steps.chain([render::settings(jobs, queues, alerts)]).collect();
        if all.is_empty() { "the database matches the project".into() } else { all }
    });
    for run in runs.iter().filter(|_| !app.out.json) {
        if let Some(error) = &run.error {
            complain(&with_its_run(run, error));
        }
    }
    exit
}

fn line(step: &Applied) -> String {
    let (action, view) = (step.action, text::name(&step.view));
    match &step.run {
        Some(run) => {
            let took = text::or_nothing(run.duration_ms, text::millis);
            format!("{action} {view}: {} in {took}\n", run.status)
        }
        None => format!("{action} {view}\n"),
    }
}
