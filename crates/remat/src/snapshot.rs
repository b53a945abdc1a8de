//! One snapshot that holds a view as it stands.
//!
//! Law: what is read within it belongs together: the rows, the catalog, and remat's own tables. A view whose file was
//! replaced between the snapshot and the lock is not read: a new file may hold rows that are newer than the snapshot
//! and yet visible, or none that are.

use tokio_postgres::types::Type;

use crate::{
    error::{Error, ErrorKind},
    failure::Failure,
    pg::{
        Session,
        catalog::{self, Relation},
    },
    view::View,
};

/// How often it begins anew because the view was replaced under it.
const SNAPSHOTS: usize = 10;

/// Begins a read-only snapshot with the pinned settings, and locks the view against replacement. Whoever calls it rolls
/// back, also after an error.
pub(crate) async fn hold(session: &Session, view: &View) -> Result<Relation, Error> {
    for _ in 0..SNAPSHOTS {
        session.batch("begin transaction isolation level repeatable read read only").await?;
        if let Some(relation) = held(session, view).await? {
            return Ok(relation);
        }
        session.batch("rollback").await?;
    }
    let primary = format!("view \"{}\" is replaced again and again", view.definition.name);
    Err(Error::new(ErrorKind::Conflict, primary).with_hint("Try again when fewer refreshes run."))
}

/// Becomes the owner of the view for this transaction, as a refresh does, where the role may.
pub(crate) async fn act_as_owner(session: &Session, relation: &Relation) -> Result<(), Failure> {
    if relation.owned {
        session.execute(&format!("set local role {}", relation.owner.to_sql()), &[]).await?;
    }
    Ok(())
}

/// None when the view was replaced between the snapshot and the lock.
async fn held(session: &Session, view: &View) -> Result<Option<Relation>, Error> {
    crate::operation::pin(session, &view.definition.settings).await?;
    let relation = standing(session, view).await?;
    let name = relation.name.to_sql();
    session.query(&format!("select from {name} limit 0"), &[]).await?;
    let sql = "select c.relfilenode = pg_catalog.pg_relation_filenode(pg_catalog.to_regclass($2)::oid)
               from   pg_catalog.pg_class c where c.oid = $1";
    let same = session.query_one(sql, &[(&relation.oid, Type::OID), (&name, Type::TEXT)]).await?;
    Ok((same.get::<_, Option<bool>>(0) == Some(true)).then_some(relation))
}

async fn standing(session: &Session, view: &View) -> Result<Relation, Error> {
    let name = &view.definition.name;
    catalog::relation_named(session, name).await?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("view \"{name}\" does not exist in the database"))
            .with_hint(format!("Run `remat create {name}`."))
    })
}
