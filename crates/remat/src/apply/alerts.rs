//! The alert rules and the destinations of a project.

use serde::Serialize;
use serde_json::Value;

use crate::{
    error::Error,
    pg::Session,
    project::{ProjectSettings, alert_rows},
    store::alerts,
};

/// What is to be done to a rule or a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertStep {
    /// `create`, `alter` or `remove`.
    pub action: &'static str,
    /// `rule` or `destination`.
    pub what: &'static str,
    /// Its name; of a rule `*` stands for what concerns them all.
    pub name: String,
}

const RULE: &str = "rule";
const DESTINATION: &str = "destination";

/// What makes the rules and destinations of the project in the database those of its file.
pub(super) async fn steps(session: &Session, project: &ProjectSettings) -> Result<Vec<AlertStep>, Error> {
    let [our_rules, our_destinations] = alerts::of_project(session, &project.name).await?;
    let present = alerts::written_rules(session).await?;
    let mut steps = compared(RULE, &alert_rows(&project.alerts), &present, our_rules);
    let json = |destinations: &[crate::alert::Destination]| -> Vec<(String, Value)> {
        destinations.iter().map(|to| (to.name.clone(), serde_json::json!(to))).collect()
    };
    let present = json(&alerts::destinations(session).await?);
    steps.extend(compared(DESTINATION, &json(&project.alerts.destinations), &present, our_destinations));
    Ok(steps)
}

fn compared(
    what: &'static str,
    wanted: &[(String, Value)],
    present: &[(String, Value)],
    ours: Vec<String>,
) -> Vec<AlertStep> {
    let mut steps = Vec::new();
    for (name, value) in wanted {
        let step = |action| AlertStep { action, what, name: name.clone() };
        match present.iter().find(|(known, _)| known == name) {
            None => steps.push(step("create")),
            Some((_, known)) if known != value => steps.push(step("alter")),
            Some(_) => {}
        }
    }
    let gone = ours.into_iter().filter(|name| !wanted.iter().any(|(known, _)| known == name));
    steps.extend(gone.map(|name| AlertStep { action: "remove", what, name }));
    steps
}

/// Takes the steps.
pub(super) async fn take(
    session: &Session,
    project: &ProjectSettings,
    steps: &[AlertStep],
) -> Result<(), Error> {
    let rules = alert_rows(&project.alerts);
    for AlertStep { what, name, .. } in steps {
        if *what == RULE {
            match rules.iter().find(|(known, _)| known == name) {
                Some((_, settings)) => {
                    alerts::save_rule(session, name, settings, Some(&project.name)).await?;
                }
                None => alerts::remove_rule(session, name).await?,
            }
        } else {
            match project.alerts.destinations.iter().find(|to| to.name == *name) {
                Some(to) => alerts::save_destination(session, to, Some(&project.name)).await?,
                None => alerts::remove_destination(session, name).await?,
            }
        }
    }
    Ok(())
}
