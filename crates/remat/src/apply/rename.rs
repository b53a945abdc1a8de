//! Gives a view another name: its relation and its row change in one transaction, and everything else stays.

use crate::{
    error::Error,
    failure::{Failure, FailureKind},
    name::RelationName,
    operation::create::record,
    pg::{Session, catalog, in_transaction, lock},
    store::views,
    view::{Definition, RelationKind, View},
};

/// Renames the relation, unless somebody did already, and the view.
pub(super) async fn view(session: &Session, view: &View, to: &RelationName) -> Result<(), Error> {
    in_transaction(session, async {
        hold(session, view).await?;
        if let Some(relation) = catalog::relation_named(session, &view.definition.name).await? {
            relation_to(session, view, &relation, to).await?;
        }
        views::rename(session, view.id, to).await?;
        let renamed = Definition { name: to.clone(), ..view.definition.clone() };
        if catalog::relation_named(session, to).await?.is_some() {
            record(session, &View { definition: renamed, ..view.clone() }).await?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

/// Gives a relation that somebody renamed its name back.
pub(super) async fn relation_back(session: &Session, view: &View, from: &RelationName) -> Result<(), Error> {
    in_transaction(session, async {
        hold(session, view).await?;
        if let Some(relation) = catalog::relation_named(session, from).await? {
            relation_to(session, view, &relation, &view.definition.name).await?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

/// Nobody else works on the view until this transaction ends.
async fn hold(session: &Session, view: &View) -> Result<(), Failure> {
    if lock::try_view(session, view.id).await? {
        return Ok(());
    }
    let name = &view.definition.name;
    Err(Failure::new(FailureKind::LeaseLost, format!("another run is at work on view \"{name}\""))
        .with_hint("Try again when it has ended; `remat status` shows it."))
}

async fn relation_to(
    session: &Session,
    view: &View,
    relation: &catalog::Relation,
    to: &RelationName,
) -> Result<(), Failure> {
    let kind = match relation.kind {
        Some(RelationKind::Table) => "table",
        _ => "materialized view",
    };
    let settings = &view.definition.settings;
    let mut name = relation.name.clone();
    if name.name != to.name {
        let sql = format!("alter {kind} {} rename to {}", name.to_sql(), to.name.to_sql());
        lock::patiently(session, settings, relation.oid, &[sql]).await?;
        name.name = to.name.clone();
    }
    if name.schema != to.schema {
        let sql = format!("alter {kind} {} set schema {}", name.to_sql(), to.schema.to_sql());
        lock::patiently(session, settings, relation.oid, &[sql]).await?;
    }
    Ok(())
}
