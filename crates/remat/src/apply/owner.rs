//! Gives a view's relation another owner, together with the change of its definition.

use crate::{
    error::Error,
    failure::Failure,
    maintain,
    name::{Identifier, RelationName},
    pg::{Session, catalog, lock},
    store::{plans, views},
    strategy::merge,
    view::{Definition, RelationKind, View},
};

/// Saves a definition whose relation needs no other change than, perhaps, its owner.
pub(super) async fn alter(
    session: &Session,
    project: Option<&str>,
    view: &View,
    to: &Definition,
) -> Result<(), Error> {
    session.batch("begin transaction isolation level read committed").await?;
    let done = async {
        if let Some(owner) = to.owner.as_ref().filter(|_| to.owner != view.definition.owner) {
            give(session, view, owner).await?;
        }
        if view.definition.follows_changes() && !to.follows_changes() {
            maintain::release(session, view.id).await?;
        }
        views::save(session, to, project).await.map(drop)
    }
    .await;
    session.batch(if done.is_ok() { "commit" } else { "rollback" }).await?;
    done?;
    maintain::sweep_in_passing(session).await;
    Ok(())
}

async fn give(session: &Session, view: &View, owner: &Identifier) -> Result<(), Failure> {
    let Some(relation) = catalog::relation_named(session, &view.definition.name).await? else {
        return Ok(());
    };
    let owner = owner.to_sql();
    let alter = |kind, name: &RelationName| format!("alter {kind} {} owner to {owner}", name.to_sql());
    let settings = &view.definition.settings;
    let patiently = async |sql: String| lock::patiently(session, settings, relation.oid, &[sql]).await;
    match relation.kind {
        Some(RelationKind::Table) => {
            // As at its creation: a merge runs as the owner, in this schema.
            session.batch(&format!("grant usage, create on schema remat_query to {owner}")).await?;
            patiently(alter("view", &merge::defining_view(view.id))).await?;
            patiently(alter("table", &relation.name)).await?;
            // What belongs to the former owner is made anew.
            plans::mark_stale(session, view.id).await?;
        }
        _ => drop(patiently(alter("materialized view", &relation.name)).await?),
    }
    Ok(())
}
