//! Delete: drops the relation. The definition and its runs stay.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    attempt::{Asked, Done, Frame, Task, attempt, whole_millis},
    refresh::deployed,
};
use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    maintain,
    pg::{
        Session,
        catalog::{self, Relation},
        lock::{self, Sight},
    },
    run::{Operation, Run, Status},
    store::{runs::Ending, views},
    strategy::merge,
    view::{RelationKind, View},
};

/// What a caller may say about one delete.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeleteOptions {
    /// Also drop what depends on the view.
    pub cascade: bool,
    /// A view that does not exist is no failure.
    pub if_exists: bool,
}

pub(crate) async fn delete(
    remat: &Remat,
    view_id: i64,
    options: DeleteOptions,
    asked: Asked<'_>,
) -> Result<Run, Error> {
    let task = Task { view_id, definition: None, operation: Operation::Delete, asked, sight: Sight::Newest };
    let run = Box::pin(attempt(remat, task, async |frame: &Frame<'_>| {
        let Frame { session, view } = *frame;
        match catalog::relation_named(session, &view.definition.name).await? {
            None if options.if_exists && view.relation.is_some() => forget(session, view).await,
            None if options.if_exists => Ok(Done::Skipped("does_not_exist".into())),
            None => Err(absent(view)),
            Some(relation) => drop_relation(session, view, &relation, options).await,
        }
    }))
    .await?;
    if run.status == Status::Success {
        let sweep = async |session: &Session| {
            maintain::sweep_in_passing(session).await;
            Ok(())
        };
        remat.with_session(sweep).await?;
    }
    Ok(run)
}

async fn drop_relation(
    session: &Session,
    view: &View,
    relation: &Relation,
    options: DeleteOptions,
) -> Result<Done, Failure> {
    let name = relation.name.to_sql();
    // The same object, or the same view under another object id, restored from a dump.
    let same = view.relation.as_ref().is_some_and(|made| made.oid == relation.oid);
    let ours = same || deployed(session, view).await.is_ok();
    let what = match relation.kind {
        Some(RelationKind::Matview) if ours => "materialized view",
        Some(RelationKind::Table) if ours => "table",
        _ => return Err(not_ours(view)),
    };
    refuse_under_managed(session, view).await?;
    let dropped =
        if options.cascade { catalog::dependents(session, relation.oid).await? } else { Vec::new() };
    let standing = views::with_relation(session).await?;
    let tail = if options.cascade { " cascade" } else { "" };
    let sql = format!("drop {what} {name}{tail}");
    let lock_wait = lock::patiently(session, &view.definition.settings, relation.oid, &[sql]).await?;
    if relation.kind == Some(RelationKind::Table) {
        session.batch(&format!("drop view if exists {}", merge::defining_view(view.id).to_sql())).await?;
        maintain::forget(session, view.id).await?;
    }
    // Its own, and those of other views that the cascade took along.
    views::forget_dropped(session, &standing).await?;
    let meta = json!({
        "view": view.definition.name,
        "cascade": options.cascade,
        "if_exists": options.if_exists,
        "dropped": dropped,
    });
    let lock_wait_ms = Some(whole_millis(lock_wait));
    Ok(Done::Success(Box::new(Ending { lock_wait_ms, meta, ..Ending::default() })))
}

/// A managed table would be left behind without its query: the cascade takes the view that keeps the query, and knows
/// nothing of the table.
async fn refuse_under_managed(session: &Session, view: &View) -> Result<(), Failure> {
    let readers = views::managed_readers(session, view.id).await?;
    if readers.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = readers.iter().map(|name| format!("\"{name}\"")).collect();
    let primary = format!("cannot drop view \"{}\" because managed tables read it", view.definition.name);
    Err(Failure::new(FailureKind::Dependents, primary)
        .with_detail(format!("They are: {}.", names.join(", ")))
        .with_hint("Delete these views first."))
}

/// Somebody else dropped the relation; the view that keeps its query may be left.
async fn forget(session: &Session, view: &View) -> Result<Done, Failure> {
    session.batch(&format!("drop view if exists {}", merge::defining_view(view.id).to_sql())).await?;
    maintain::forget(session, view.id).await?;
    views::set_relation(session, view.id, None).await?;
    views::set_program(session, view.id, None).await?;
    let meta = json!({ "view": view.definition.name, "notes": ["the relation was dropped outside remat"] });
    Ok(Done::Success(Box::new(Ending { meta, ..Ending::default() })))
}

fn absent(view: &View) -> Failure {
    let mut failure = Failure::new(
        FailureKind::UndefinedObject,
        format!("view \"{}\" does not exist", view.definition.name),
    );
    failure.complaint.sqlstate = Some("42P01".into());
    failure.with_hint("Pass --if-exists where that is no failure.")
}

fn not_ours(view: &View) -> Failure {
    Failure::new(
        FailureKind::Drifted,
        format!("\"{}\" is not the relation that remat made", view.definition.name),
    )
    .with_detail("Somebody put another relation under its name. remat does not drop what it did not make.")
    .with_hint("Drop it yourself, or run `remat plan` to review the difference.")
}
