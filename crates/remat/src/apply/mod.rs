//! Makes the database match a project folder: surveys what is there, plans, and takes the plan's steps.
//!
//! Law: what to do is decided by [`crate::plan`], a pure function; this module reads the facts for it and does what it
//! says. Each step is atomic: its definition and its relation change in one transaction, so a plan that breaks off is
//! continued by planning again. A step that loses something is only taken when the caller confirmed it.

mod alerts;
mod jobs;
mod owner;
mod queues;
mod rename;
mod survey;

use serde::Serialize;

pub use alerts::AlertStep;
pub use jobs::JobStep;
pub use queues::QueueStep;

use crate::{
    Remat,
    error::{Error, ErrorKind},
    name::RelationName,
    operation::{self, Asked, CreateOptions, DeleteOptions},
    plan::{self, Drift, Plan, Step},
    project::Project,
    run::{Run, Status, Trigger},
    store::views,
    view::{Definition, View},
};

/// What would make the database match a project.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectPlan {
    /// What to do to views, in order.
    #[serde(flatten)]
    pub views: Plan,
    /// What to do to scheduled jobs afterwards.
    pub jobs: Vec<JobStep>,
    /// What to do to the limits of queues afterwards.
    pub queues: Vec<QueueStep>,
    /// What to do to alert rules and destinations afterwards.
    pub alerts: Vec<AlertStep>,
}

impl ProjectPlan {
    /// Whether all is as it should be.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty() && self.jobs.is_empty() && self.queues.is_empty() && self.alerts.is_empty()
    }
}

/// A step that was taken.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// What it did.
    pub action: plan::Action,
    /// To which view.
    pub view: RelationName,
    /// The run that did it; none for steps that change no relation.
    pub run: Option<Run>,
}

impl Remat {
    /// Compares a project with the database.
    pub async fn plan(&self, project: &Project) -> Result<ProjectPlan, Error> {
        let desired = project.definitions();
        self.with_session(async |session| {
            let name = &project.settings.name;
            let actual = survey::actual(session, name, &desired).await?;
            let reads = views::reads(session).await?;
            let jobs = jobs::steps(session, &project.settings).await?;
            let queues = queues::steps(session, &project.settings).await?;
            let alerts = alerts::steps(session, &project.settings).await?;
            Ok(ProjectPlan { views: plan::plan(&desired, &actual, &reads)?, jobs, queues, alerts })
        })
        .await
    }

    /// The SQL of each step that builds or drops something, for people to read; nothing is changed.
    pub async fn plan_sql(&self, plan: &ProjectPlan) -> Result<Vec<(RelationName, Vec<String>)>, Error> {
        let mut scripts = Vec::new();
        for step in &plan.views.steps {
            let sql = self.with_session(async |session| survey::sql_of(session, step).await).await?;
            scripts.push((step.view().clone(), sql));
        }
        Ok(scripts)
    }

    /// Takes the steps of a plan. Stops at the first that fails, which is the last in the answer. Steps that lose
    /// something need `confirmed`.
    pub async fn apply(
        &self,
        project: &Project,
        plan: &ProjectPlan,
        confirmed: bool,
    ) -> Result<Vec<Applied>, Error> {
        let (applied, whole) = self.take_all(Some(&project.settings.name), &plan.views, confirmed).await?;
        if !whole {
            return Ok(applied);
        }
        self.with_session(async |session| {
            jobs::take(session, &project.settings, &plan.jobs).await?;
            queues::take(session, &project.settings, &plan.queues).await?;
            alerts::take(session, &project.settings, &plan.alerts).await
        })
        .await?;
        Ok(applied)
    }

    /// What would make the database match one definition. Nothing else is looked at, so nothing is removed.
    pub async fn plan_view(&self, definition: &Definition) -> Result<Plan, Error> {
        crate::view::validate(definition)?;
        let desired = std::slice::from_ref(definition);
        self.with_session(async |session| {
            // No project has an empty name.
            let actual = survey::actual(session, "", desired).await?;
            plan::plan(desired, &actual, &views::reads(session).await?)
        })
        .await
    }

    /// Takes the steps of a plan for one definition, as [`Remat::apply`] does. The view stays with its project, if it has
    /// one.
    pub async fn apply_view(&self, plan: &Plan, confirmed: bool) -> Result<Vec<Applied>, Error> {
        Ok(self.take_all(None, plan, confirmed).await?.0)
    }

    /// Takes the steps until one fails; tells whether none did.
    async fn take_all(
        &self,
        project: Option<&str>,
        plan: &Plan,
        confirmed: bool,
    ) -> Result<(Vec<Applied>, bool), Error> {
        if let (false, Some(step)) = (confirmed, plan.destructive().next()) {
            let primary = format!("step \"{}\" needs confirmation", step.summary());
            let error =
                Error::new(ErrorKind::NeedsConfirmation, primary).with_hint("Pass --yes if it is meant.");
            return Err(step.loss().map_or(error.clone(), |loss| error.with_detail(loss)));
        }
        let mut applied = Vec::new();
        for step in &plan.steps {
            let run = self.take(project, step).await?;
            let failed = run.as_ref().is_some_and(|run| run.status != Status::Success);
            if !failed {
                self.remember(step).await?;
            }
            applied.push(Applied { action: step.action(), view: step.view().clone(), run });
            if failed {
                return Ok((applied, false));
            }
        }
        Ok((applied, true))
    }

    /// Leaves the step in the audit, with the definition before and after.
    async fn remember(&self, step: &Step) -> Result<(), Error> {
        let json = |definition: &Definition| serde_json::to_value(definition).ok();
        let before = step.alteration().and_then(|alteration| json(&alteration.view.definition));
        let (before, after) = match step {
            Step::Remove(view) => (json(&view.definition), None),
            _ => (before, json(step.definition())),
        };
        self.with_session(async |session| {
            let view_id = views::id_of(session, step.view()).await?;
            self.note(session, step.action().as_str(), view_id, before, after).await
        })
        .await
    }

    async fn take(&self, project: Option<&str>, step: &Step) -> Result<Option<Run>, Error> {
        match step {
            Step::Create(definition) => self.create_new(project, definition).await.map(Some),
            Step::Redefine(to) | Step::Convert(to) | Step::Reindex(to) | Step::Recreate(to) => {
                self.rebuild(project, &to.view, &to.definition).await.map(Some)
            }
            Step::Alter(to) => self.alter(project, &to.view, &to.definition).await.map(|()| None),
            Step::Rename { alteration, then } => {
                let (view, definition) = (&alteration.view, &alteration.definition);
                self.rename(project, view, definition, then.is_none()).await?;
                self.take_rest(project, then.as_deref()).await
            }
            Step::Repair { alteration, drift: Drift::Renamed(from), then } => {
                let view = &alteration.view;
                self.with_session(async |session| rename::relation_back(session, view, from).await).await?;
                self.take_rest(project, then.as_deref()).await
            }
            Step::Repair { alteration, drift: Drift::Changed(_), .. } => {
                self.rebuild(project, &alteration.view, &alteration.definition).await.map(Some)
            }
            Step::Remove(view) => self.remove(view).await,
        }
    }

    async fn take_rest(&self, project: Option<&str>, then: Option<&Step>) -> Result<Option<Run>, Error> {
        match then {
            Some(step) => Box::pin(self.take(project, step)).await,
            None => Ok(None),
        }
    }

    async fn create_new(&self, project: Option<&str>, definition: &Definition) -> Result<Run, Error> {
        crate::view::validate(definition)?;
        let save = async |session: &crate::pg::Session| views::save(session, definition, project).await;
        let view = self.with_session(save).await?;
        operation::create::create(self, view.id, CreateOptions::default(), Asked::Now(Trigger::Manual)).await
    }

    async fn rebuild(
        &self,
        project: Option<&str>,
        view: &View,
        definition: &Definition,
    ) -> Result<Run, Error> {
        crate::view::validate(definition)?;
        operation::create::redefine(self, view, definition, project).await
    }

    async fn alter(&self, project: Option<&str>, view: &View, definition: &Definition) -> Result<(), Error> {
        crate::view::validate(definition)?;
        self.with_session(async |session| owner::alter(session, project, view, definition).await).await
    }

    async fn rename(
        &self,
        project: Option<&str>,
        view: &View,
        definition: &Definition,
        last: bool,
    ) -> Result<(), Error> {
        self.with_session(async |session| {
            rename::view(session, view, &definition.name).await?;
            if last {
                views::save(session, definition, project).await?;
            }
            Ok(())
        })
        .await
    }

    /// Drops the relation if remat made it; one that somebody else put in its place stays.
    async fn remove(&self, view: &View) -> Result<Option<Run>, Error> {
        if self.with_session(async |session| Ok(survey::is_taken(session, view).await?)).await? {
            return self.retire(view).await.map(|()| None);
        }
        let options = DeleteOptions { if_exists: true, ..DeleteOptions::default() };
        let run = operation::delete::delete(self, view.id, options, Asked::Now(Trigger::Manual)).await?;
        if matches!(run.status, Status::Success | Status::Skipped) {
            self.retire(view).await?;
        }
        Ok((run.status != Status::Skipped).then_some(run))
    }
}
