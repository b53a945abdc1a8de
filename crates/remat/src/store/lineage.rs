//! What reads what: base tables, plain views, and materialized views whether remat manages them or not.
//!
//! Law: the edges are those that the catalog knows. What a function reads inside its body is none of them.

use serde::Serialize;
use tokio_postgres::Row;

use crate::{error::Error, name::RelationName, pg::Session};

/// A relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its object id.
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// What it is.
    pub kind: Kind,
    /// The row of `remat.views`, where remat manages it.
    pub view_id: Option<i64>,
    /// The relations that it reads directly.
    pub reads: Vec<u32>,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A table, or a partitioned one.
    Table,
    /// A plain view.
    View,
    /// A materialized view, or a managed table.
    Materialized,
    /// A table of another server.
    Foreign,
}

/// Every relation that a materialized view reads, and these, by name.
pub async fn nodes(session: &Session) -> Result<Vec<Node>, Error> {
    session.query(include_str!("lineage.sql"), &[]).await?.iter().map(node).collect()
}

fn node(row: &Row) -> Result<Node, Error> {
    let view_id: Option<i64> = row.get(4);
    let kind = match (row.get::<_, &str>(3), view_id) {
        (_, Some(_)) | ("m", None) => Kind::Materialized,
        ("v", None) => Kind::View,
        ("f", None) => Kind::Foreign,
        (_, None) => Kind::Table,
    };
    Ok(Node {
        oid: row.get(0),
        name: RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2))?,
        kind,
        view_id,
        reads: row.get(5),
    })
}
