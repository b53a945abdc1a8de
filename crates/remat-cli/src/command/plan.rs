//! `remat plan`: `{"steps":[{"action","view","destructive","changes":[{"what","from","to"}]}],"jobs":[{"action","job"}],
//! "queues":[{"action","queue"}],"alerts":[{"action","what","name"}]}`, and with `--sql` also `"sql":[{"view","statements"}]`.

use remat::{apply::ProjectPlan, error::Error, name::RelationName, project};
use serde::Serialize;

use crate::{app::App, exit::Exit, render::plan as render};

/// Show what would make the database match the project folder. Nothing is changed.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print the SQL too.
    #[arg(long)]
    sql: bool,
}

#[derive(Serialize)]
struct PlanJson<'a> {
    #[serde(flatten)]
    plan: &'a ProjectPlan,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<Vec<ScriptJson<'a>>>,
}

#[derive(Serialize)]
struct ScriptJson<'a> {
    view: &'a RelationName,
    statements: &'a [String],
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let project = project::read(&app.project_dir()?)?;
    let remat = app.open().await?;
    let plan = remat.plan(&project).await?;
    let scripts = if args.sql { Some(remat.plan_sql(&plan).await?) } else { None };
    let sql = scripts
        .as_ref()
        .map(|scripts| scripts.iter().map(|(view, statements)| ScriptJson { view, statements }).collect());
    app.out.show(&PlanJson { plan: &plan, sql }, || {
        let sql = scripts.as_deref().map(render::sql).unwrap_or_default();
        format!("{}\n{sql}", render::plan(&app.out, &plan).trim_end())
    });
    Ok(Exit::Success)
}
