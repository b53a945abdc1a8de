//! The scheduled jobs of a project.

use serde::Serialize;

use crate::{
    error::Error,
    pg::Session,
    project::{Job, JobTarget, ProjectSettings},
    store::jobs::{self, ScheduledJob, Work},
};

/// What is to be done to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobStep {
    /// `create`, `alter` or `remove`.
    pub action: &'static str,
    /// The job.
    pub job: String,
}

/// What makes the jobs of the project in the database those of its file.
pub(super) async fn steps(session: &Session, project: &ProjectSettings) -> Result<Vec<JobStep>, Error> {
    let present = jobs::all(session).await?;
    let mut steps = Vec::new();
    for wanted in project.jobs.iter().map(scheduled) {
        let step = |action| JobStep { action, job: wanted.name.clone() };
        match present.iter().find(|job| job.name == wanted.name) {
            None => steps.push(step("create")),
            Some(job) if ScheduledJob { last_fire: None, ..job.clone() } != wanted => {
                steps.push(step("alter"));
            }
            Some(_) => {}
        }
    }
    let ours = jobs::of_project(session, &project.name).await?;
    let gone = ours.into_iter().filter(|name| !project.jobs.iter().any(|job| job.name == *name));
    steps.extend(gone.map(|job| JobStep { action: "remove", job }));
    Ok(steps)
}

/// Takes the steps.
pub(super) async fn take(
    session: &Session,
    project: &ProjectSettings,
    steps: &[JobStep],
) -> Result<(), Error> {
    for step in steps {
        match project.jobs.iter().find(|job| job.name == step.job) {
            Some(job) => jobs::save(session, &scheduled(job), Some(&project.name)).await?,
            None => drop(jobs::remove(session, &step.job).await?),
        }
    }
    Ok(())
}

fn scheduled(job: &Job) -> ScheduledJob {
    ScheduledJob {
        name: job.name.clone(),
        schedule: job.schedule.clone(),
        zone: job.zone.clone(),
        work: match &job.target {
            JobTarget::View(view) => Work::View(view.clone()),
            JobTarget::Tag(tag) => Work::Tag(tag.clone()),
            JobTarget::Sql(sql) => Work::Sql(sql.clone()),
        },
        enabled: job.enabled,
        dispatch: job.dispatch.clone(),
        last_fire: None,
    }
}
