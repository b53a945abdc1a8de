//! One definition by itself, as somebody writes it who has no project folder at hand.
//!
//! Law: the same plan and the same steps as for a project, and no other view is touched. A view stays with the project that
//! defines it; whoever applies that project again brings back what its file says.

use super::{Applied, survey};
use crate::{
    Remat,
    error::{Error, ErrorKind},
    name::RelationName,
    plan::{self, Plan, Step},
    run::Status,
    store::views,
    view::Definition,
};

/// The project of views that no project defines. None has this name: a project's name is not empty.
const NO_PROJECT: &str = "";

/// What applying one definition would do.
#[derive(Clone, Debug)]
pub struct DefinitionPlan {
    /// At most one step.
    pub plan: Plan,
    /// The SQL of the step, for people to read.
    pub sql: Vec<String>,
    /// The project that defines the view, if one does.
    pub project: Option<String>,
}

impl Remat {
    /// Compares one definition with the database. Nothing is changed.
    pub async fn plan_definition(&self, definition: &Definition) -> Result<DefinitionPlan, Error> {
        crate::view::validate(definition)?;
        self.with_session(async |session| {
            let desired = std::slice::from_ref(definition);
            let actual = survey::actual(session, NO_PROJECT, desired).await?;
            let reads = views::reads(session).await?;
            let plan = plan::plan(desired, &actual, &reads)?;
            let sql = match plan.steps.first() {
                Some(step) => survey::sql_of(session, step).await?,
                None => Vec::new(),
            };
            Ok(DefinitionPlan { plan, sql, project: views::project_of(session, &definition.name).await? })
        })
        .await
    }

    /// Writes one definition and does what follows from it; none when nothing does. A step that loses something needs
    /// `confirmed`.
    pub async fn apply_definition(
        &self,
        definition: &Definition,
        confirmed: bool,
    ) -> Result<Option<Applied>, Error> {
        let DefinitionPlan { plan, project, .. } = self.plan_definition(definition).await?;
        let Some(step) = plan.steps.into_iter().next() else { return Ok(None) };
        if let (true, false) = (step.is_destructive(), confirmed) {
            let primary = format!("step \"{}\" needs confirmation", step.summary());
            return Err(
                Error::new(ErrorKind::NeedsConfirmation, primary).with_hint("Confirm it if it is meant.")
            );
        }
        self.taken(project.as_deref().unwrap_or(NO_PROJECT), &step).await.map(Some)
    }

    async fn taken(&self, project: &str, step: &Step) -> Result<Applied, Error> {
        let run = self.take(project, step).await?;
        if run.as_ref().is_none_or(|run| run.status == Status::Success) {
            self.remember(step).await?;
        }
        Ok(Applied { action: step.action(), view: step.view().clone(), run })
    }

    /// The project that defines a view, if one does.
    pub async fn project_of(&self, view: &RelationName) -> Result<Option<String>, Error> {
        self.with_session(async |session| views::project_of(session, view).await).await
    }
}
