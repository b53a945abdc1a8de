//! Create: makes the relation that a definition describes, with its key and indexes.
//!
//! With `force`, an existing relation stays in use until the new one is whole, and what it carried goes over.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    attempt::{Asked, Done, Frame, Task, attempt, whole_millis, with_notes},
    refresh::deployed,
};
use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    maintain::{self, Way},
    pg::{
        Session,
        catalog::{self, Relation},
        lock::Sight,
    },
    replace::{self, NewRelation, Replaced, Source},
    run::{Operation, Run, Status, Trigger},
    store::{
        runs::{self, Ending, Rows},
        views,
    },
    strategy::{Phases, key, merge},
    view::{Definition, RelationKind, View},
};

/// What a caller may say about one create.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateOptions {
    /// Build the relation anew although one stands there, and let it take the name.
    pub force: bool,
    /// Leave it empty; readers of a materialized view get an error until its first refresh.
    pub no_data: bool,
    /// That the view stands already, as remat made it, is no failure.
    pub if_not_exists: bool,
}

pub(crate) async fn create(
    remat: &Remat,
    view_id: i64,
    options: CreateOptions,
    asked: Asked<'_>,
) -> Result<Run, Error> {
    let task = Task { view_id, definition: None, operation: Operation::Create, asked, sight: Sight::Newest };
    let run = Box::pin(attempt(remat, task, async |frame: &Frame<'_>| {
        let existing = catalog::relation_named(frame.session, &frame.view.definition.name).await?;
        match existing {
            Some(relation) if !options.force => decline(frame, &relation, options).await,
            existing => build(frame, existing.as_ref(), options).await,
        }
    }))
    .await?;
    Ok(follow_changes(remat, view_id, run).await)
}

/// Makes ready what the view needs to follow changes, so that they are logged from now on. That is a step of its own, after the
/// commit, and cannot fail the run, which has succeeded; the next refresh tries again.
async fn follow_changes(remat: &Remat, view_id: i64, mut run: Run) -> Run {
    if run.status != Status::Success {
        return run;
    }
    let fact = match Box::pin(maintain::way(remat, view_id, None)).await {
        Ok(Way::ByChanges(_)) => json!({ "follows_changes": true }),
        Ok(Way::Otherwise(Some(why))) => json!({ "follows_changes": false, "because": why }),
        Ok(Way::Otherwise(None)) => return run,
        Err(error) => json!({ "follows_changes": false, "because": error.complaint().primary }),
    };
    if let (Some(meta), Some(fact)) = (run.meta.as_object_mut(), fact.as_object()) {
        meta.extend(fact.clone());
    }
    let noted = remat.with_session(async |session| Ok(runs::annotate(session, run.id, &fact).await?)).await;
    if let Err(error) = noted {
        tracing::warn!(run = run.id, %error, "how the view follows changes could not be recorded");
    }
    run
}

/// Something stands under the name: that is no failure where it is the view, and the caller is content with that.
async fn decline(frame: &Frame<'_>, relation: &Relation, options: CreateOptions) -> Result<Done, Failure> {
    if options.if_not_exists {
        match deployed(frame.session, frame.view).await {
            Ok(_) => return Ok(Done::Skipped("already_exists".into())),
            Err(other) if matches!(other.kind, FailureKind::Drifted | FailureKind::UndefinedObject) => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(exists(frame.view, relation))
}

/// Rebuilds a view from another definition: both change in the same transaction, or neither.
pub(crate) async fn redefine(
    remat: &Remat,
    view: &View,
    definition: &Definition,
    project: Option<&str>,
) -> Result<Run, Error> {
    let task = Task {
        view_id: view.id,
        definition: Some(definition),
        operation: Operation::Create,
        asked: Asked::Now(Trigger::Manual),
        sight: Sight::Newest,
    };
    let run = Box::pin(attempt(remat, task, async |frame: &Frame<'_>| {
        views::save(frame.session, definition, project).await?;
        let existing = catalog::relation_named(frame.session, &definition.name).await?;
        let options = CreateOptions { force: true, ..CreateOptions::default() };
        build(frame, existing.as_ref(), options).await
    }))
    .await?;
    Ok(follow_changes(remat, view.id, run).await)
}

async fn build(frame: &Frame<'_>, old: Option<&Relation>, options: CreateOptions) -> Result<Done, Failure> {
    let Frame { session, view } = *frame;
    if let Some(relation) = old.filter(|relation| holds_data_of_others(view, relation)) {
        return Err(exists(view, relation).with_hint("Rename or drop that table yourself if it may go."));
    }
    let mut phases = Phases::default();
    let definition = &view.definition;
    let new = new_relation(definition, !options.no_data);
    let replaced = replace::replace(session, &definition.settings, old, &new, view.id).await;
    let source = format!("(\n{}\n) q", definition.query);
    let replaced = replaced.map_err(|failure| key::explain(failure, definition, &source))?;
    for (phase, took) in &replaced.phases {
        phases.push(phase.as_str(), *took);
    }
    views::follow(session, &replaced.rebuilt).await?;
    // What it needed before may not be what it needs now.
    maintain::forget(session, view.id).await?;
    let made = record(session, view).await?;
    let meta = json!({
        "view": definition.name,
        "force": options.force,
        "with_data": !options.no_data,
        "kind": definition.relation_kind(),
        "rebuilt": replaced.rebuilt.iter().map(|rebuilt| &rebuilt.name).collect::<Vec<_>>(),
        "phases_ms": phases.to_json(),
    });
    Ok(Done::Success(Box::new(ending(&made, &replaced, meta))))
}

fn ending(made: &Relation, replaced: &Replaced, meta: serde_json::Value) -> Ending {
    Ending {
        data_as_of: replaced.data_as_of,
        lock_wait_ms: Some(whole_millis(replaced.lock_wait)),
        rows: Rows { after: replaced.rows.and_then(|rows| rows.try_into().ok()), ..Rows::default() },
        bytes: Some(made.bytes),
        meta: with_notes(meta, &replaced.notes),
        ..Ending::default()
    }
}

/// What a definition asks for.
pub(crate) fn new_relation(definition: &Definition, with_data: bool) -> NewRelation {
    NewRelation {
        name: definition.name.clone(),
        kind: definition.relation_kind(),
        source: Source::Query(definition.query.clone()),
        owner: definition.owner.clone(),
        key: definition.key.clone(),
        indexes: definition.indexes.clone(),
        with_data,
    }
}

/// Notes what was made, and the statements that merge it.
pub(crate) async fn record(session: &Session, view: &View) -> Result<Relation, Failure> {
    let name = &view.definition.name;
    let made = catalog::relation_named(session, name).await?;
    let made = made.ok_or_else(|| {
        Failure::new(FailureKind::Other, format!("\"{name}\" was made but cannot be found"))
    })?;
    if made.columns.is_empty() {
        return Err(Failure::new(FailureKind::Prerequisite, "the query gives no columns")
            .with_hint("Select at least one column."));
    }
    views::set_relation(session, view.id, Some(&made)).await?;
    let program = (made.kind == Some(RelationKind::Table))
        .then(|| json!(merge::program(view.id, name, &made.columns, &view.definition.key)));
    views::set_program(session, view.id, program.as_ref()).await?;
    Ok(made)
}

/// A materialized view can be made again from its query; a table that remat did not make cannot.
fn holds_data_of_others(view: &View, relation: &Relation) -> bool {
    relation.kind == Some(RelationKind::Table) && !made_by_us(view, relation)
}

fn made_by_us(view: &View, relation: &Relation) -> bool {
    view.relation.as_ref().is_some_and(|made| made.oid == relation.oid)
}

fn exists(view: &View, relation: &Relation) -> Failure {
    let name = &view.definition.name;
    let mut failure = Failure::new(FailureKind::Other, format!("relation \"{name}\" already exists"));
    failure.complaint.sqlstate = Some("42P07".into());
    if !made_by_us(view, relation) {
        failure = failure.with_detail("It was not made by remat.");
    }
    failure.with_hint(
        "Pass --force to build it anew beside the old one, which stays readable until the new one is whole.",
    )
}
