//! The queues of a project.

use serde::Serialize;

use crate::{error::Error, pg::Session, project::ProjectSettings, store::queues};

/// What is to be done to the limit of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueStep {
    /// `create`, `alter` or `remove`.
    pub action: &'static str,
    /// The queue.
    pub queue: String,
}

/// What makes the queues of the project in the database those of its file.
pub(super) async fn steps(session: &Session, project: &ProjectSettings) -> Result<Vec<QueueStep>, Error> {
    let present = queues::all(session).await?;
    let mut steps = Vec::new();
    for wanted in &project.queues {
        let step = |action| QueueStep { action, queue: wanted.name.clone() };
        match present.iter().find(|queue| queue.name == wanted.name) {
            None => steps.push(step("create")),
            Some(queue) if queue != wanted => steps.push(step("alter")),
            Some(_) => {}
        }
    }
    let ours = queues::of_project(session, &project.name).await?;
    let gone = ours.into_iter().filter(|name| !project.queues.iter().any(|queue| queue.name == *name));
    steps.extend(gone.map(|queue| QueueStep { action: "remove", queue }));
    Ok(steps)
}

/// Takes the steps.
pub(super) async fn take(
    session: &Session,
    project: &ProjectSettings,
    steps: &[QueueStep],
) -> Result<(), Error> {
    for step in steps {
        match project.queues.iter().find(|queue| queue.name == step.queue) {
            Some(queue) => queues::save(session, queue, Some(&project.name)).await?,
            None => drop(queues::remove(session, &step.queue).await?),
        }
    }
    Ok(())
}
