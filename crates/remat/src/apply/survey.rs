//! What the database has of a project, as facts for the plan.

use crate::{
    error::{Error, ErrorKind},
    failure::Failure,
    name::RelationName,
    operation::create::new_relation,
    pg::{
        Session,
        catalog::{self, Relation},
    },
    plan::{ActualView, Existence, Step},
    replace,
    store::views,
    strategy::merge,
    view::{Definition, MadeRelation, RelationKind, View},
};

/// The views of the project, and views of other origin that it now defines.
pub(super) async fn actual(
    session: &Session,
    project: &str,
    desired: &[Definition],
) -> Result<Vec<ActualView>, Error> {
    let named: Vec<RelationName> =
        desired.iter().flat_map(|d| std::iter::once(&d.name).chain(&d.renamed_from)).cloned().collect();
    let mut actual: Vec<ActualView> = Vec::new();
    for view in views::of_project(session, project, &named).await? {
        let existence = existence(session, &view).await?;
        actual.push(ActualView { view, existence });
    }
    let known = |name: &RelationName| actual.iter().any(|known| known.view.definition.name == *name);
    for new in
        desired.iter().filter(|d| !known(&d.name) && d.renamed_from.as_ref().is_none_or(|from| !known(from)))
    {
        refuse_foreign(session, new).await?;
    }
    Ok(actual)
}

/// Whether something that remat did not make stands under the view's name.
pub(super) async fn is_taken(session: &Session, view: &View) -> Result<bool, Failure> {
    Ok(matches!(existence(session, view).await?, Existence::Drifted { .. }))
}

/// Refuses a name that is new to remat when something stands there: to build over it would destroy it.
async fn refuse_foreign(session: &Session, new: &Definition) -> Result<(), Error> {
    if catalog::relation_named(session, &new.name).await?.is_none() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!("relation \"{}\" exists and was not made by remat", new.name),
    )
    .with_hint("Rename or drop it, or give the view another name."))
}

async fn existence(session: &Session, view: &View) -> Result<Existence, Failure> {
    let named = catalog::relation_named(session, &view.definition.name).await?;
    match (named, &view.relation) {
        (Some(relation), made) => {
            let fingerprint = catalog::fingerprint(session, relation.oid).await?;
            Ok(compare(&relation, &fingerprint, made.as_ref()))
        }
        (None, None) => Ok(Existence::Absent),
        (None, Some(made)) => {
            let moved = catalog::relation_by_oid(session, made.oid).await?;
            Ok(moved.map_or(Existence::Absent, |relation| Existence::Renamed { to: relation.name }))
        }
    }
}

fn compare(relation: &Relation, fingerprint: &str, made: Option<&MadeRelation>) -> Existence {
    let drifted = |reason: &str| Existence::Drifted { reason: reason.into() };
    let Some(made) = made else { return drifted("it was not made by remat") };
    let restored = made.fingerprint == fingerprint;
    match relation.kind {
        None => drifted("another kind of object stands under its name"),
        Some(_) if relation.oid != made.oid && !restored => drifted("it was dropped and made anew"),
        Some(_) if !made.has_columns_of(fingerprint) => drifted("its columns were changed"),
        Some(kind) => Existence::Present { kind },
    }
}

/// The statements that a step would run.
pub(super) async fn sql_of(session: &Session, step: &Step) -> Result<Vec<String>, Error> {
    match step {
        Step::Remove(view) => Ok(drop_of(view)),
        Step::Alter(_) => Ok(vec!["-- no relation is changed".into()]),
        Step::Rename { alteration, .. } => Ok(vec![format!(
            "alter {} {} rename to {};",
            kind_of(&alteration.view),
            alteration.view.definition.name.to_sql(),
            alteration.definition.name.name.to_sql()
        )]),
        Step::Create(definition) => {
            let note = "-- v0 in remat_query stands for the number that the view is going to get".to_owned();
            let is_table = definition.relation_kind() == RelationKind::Table;
            let statements = preview(session, definition, 0).await?;
            Ok(is_table.then_some(note).into_iter().chain(statements).collect())
        }
        Step::Redefine(to) | Step::Convert(to) | Step::Reindex(to) | Step::Recreate(to) => {
            preview(session, &to.definition, to.view.id).await
        }
        Step::Repair { alteration, .. } => preview(session, &alteration.definition, alteration.view.id).await,
    }
}

fn drop_of(view: &View) -> Vec<String> {
    let relation = format!("drop {} {};", kind_of(view), view.definition.name.to_sql());
    let query = format!("drop view {};", merge::defining_view(view.id).to_sql());
    let is_table = view.definition.relation_kind() == RelationKind::Table;
    std::iter::once(relation).chain(is_table.then_some(query)).collect()
}

fn kind_of(view: &View) -> &'static str {
    match view.definition.relation_kind() {
        RelationKind::Matview => "materialized view",
        RelationKind::Table => "table",
    }
}

async fn preview(session: &Session, definition: &Definition, view_id: i64) -> Result<Vec<String>, Error> {
    session.batch("begin transaction isolation level read committed").await?;
    let statements = async {
        crate::operation::pin(session, &definition.settings).await?;
        let old = catalog::relation_named(session, &definition.name).await?;
        let new = new_relation(definition, true);
        replace::preview(session, &definition.settings, old.as_ref(), &new, view_id).await
    }
    .await;
    session.batch("rollback").await?;
    Ok(statements?)
}
