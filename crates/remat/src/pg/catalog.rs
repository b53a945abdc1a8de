//! What the server's catalog says about a relation.
//!
//! Law: reads only. Text that the server prints (queries, types) is read with an empty search path, so that it names
//! every object in full and compares equal whoever asks.

use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use super::{Param, Session};
use crate::{
    failure::Failure,
    name::{Identifier, RelationName},
    view::RelationKind,
};

/// A relation as the catalog has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// Its object id.
    pub oid: u32,
    /// Where it stands now.
    pub name: RelationName,
    /// A materialized view or a table; none for anything else.
    pub kind: Option<RelationKind>,
    /// False after `with no data`.
    pub populated: bool,
    /// The role that owns it.
    pub owner: Identifier,
    /// True when this session's role may act as the owner.
    pub owned: bool,
    /// True when the session was opened by the owner and acts as nobody else.
    pub owned_by_session: bool,
    /// The server's estimate; negative when it has none.
    pub estimated_rows: f64,
    /// Bytes with indexes and TOAST.
    pub bytes: i64,
    /// Its columns in order.
    pub columns: Vec<Column>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: Identifier,
    /// Its type as the server prints it.
    pub data_type: String,
}

/// Asked also as the owner of a view, who need not have a right in schema remat: so this is no function there.
const STATE: &str = include_str!("relation_state.sql");

/// The relation under a name.
pub async fn relation_named(session: &Session, name: &RelationName) -> Result<Option<Relation>, Failure> {
    let sql = format!("{STATE}\nwhere n.nspname = $1 and c.relname = $2");
    let (schema, name) = (name.schema.as_str(), name.name.as_str());
    read(session, &sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await
}

/// The relation with an object id.
pub async fn relation_by_oid(session: &Session, oid: u32) -> Result<Option<Relation>, Failure> {
    read(session, &format!("{STATE}\nwhere c.oid = $1"), &[(&oid, Type::OID)]).await
}

/// What `drop … cascade` would take along with a relation, as `type identity`.
pub async fn dependents(session: &Session, oid: u32) -> Result<Vec<String>, Failure> {
    let rows = session.query(include_str!("dependents.sql"), &[(&oid, Type::OID)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A hash of a relation's columns and one of its query, with a colon between; empty for one that has no columns or
/// vanished.
pub async fn fingerprint(session: &Session, oid: u32) -> Result<String, Failure> {
    let row = session.query_one("select remat.relation_fingerprint($1)", &[(&oid, Type::OID)]).await?;
    Ok(row.get::<_, Option<_>>(0).unwrap_or_default())
}

/// The first half of a [`fingerprint`]: the one of the columns. Takes no lock on what the relation reads.
pub async fn columns_fingerprint(session: &Session, oid: u32) -> Result<String, Failure> {
    let row = session.query_one("select remat.columns_fingerprint($1)", &[(&oid, Type::OID)]).await?;
    Ok(row.get::<_, Option<_>>(0).unwrap_or_default())
}

/// The query of a view as the server prints it; none for a table.
pub async fn printed_query(session: &Session, oid: u32) -> Result<Option<String>, Failure> {
    let row = session.query_one("select remat.printed_query($1)", &[(&oid, Type::OID)]).await?;
    Ok(row.get(0))
}

/// Gives the session an empty search path for this transaction, as this module's law demands.
pub async fn print_full_names(session: &Session) -> Result<(), Failure> {
    session.batch("set local search_path = ''").await
}

async fn read(session: &Session, sql: &str, params: &[Param<'_>]) -> Result<Option<Relation>, Failure> {
    session.query_opt(sql, params).await?.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<Relation, Failure> {
    let names: Vec<String> = row.get(9);
    let types: Vec<String> = row.get(10);
    let columns = names
        .into_iter()
        .zip(types)
        .map(|(name, data_type)| Ok(Column { name: identifier(name)?, data_type }));
    Ok(Relation {
        oid: row.get(0),
        name: RelationName { schema: identifier(row.get(1))?, name: identifier(row.get(2))? },
        kind: match row.get(3) {
            "m" => Some(RelationKind::Matview),
            "r" => Some(RelationKind::Table),
            _ => None,
        },
        populated: row.get(4),
        owner: identifier(row.get(5))?,
        owned: row.get(6),
        owned_by_session: row.get(11),
        estimated_rows: row.get(7),
        bytes: row.get(8),
        columns: columns.collect::<Result<_, Failure>>()?,
    })
}

/// A name that the catalog itself gave.
pub(crate) fn identifier(name: String) -> Result<Identifier, Failure> {
    Identifier::new(name).map_err(|error| Failure::new(crate::failure::FailureKind::Other, error.to_string()))
}
