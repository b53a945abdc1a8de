//! What a relation takes on disk, when it was vacuumed, and who reads it.
//!
//! Law: reads only, and only of the relations that were asked for: a size is asked of the file system.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use super::Session;
use crate::failure::Failure;

/// One relation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Footprint {
    /// Its object id.
    pub oid: u32,
    /// Bytes of its rows.
    pub heap_bytes: i64,
    /// Bytes of its indexes.
    pub index_bytes: i64,
    /// Bytes of all that belongs to it.
    pub total_bytes: i64,
    /// The server's estimate; none where it has none.
    pub rows: Option<f64>,
    /// The part of its pages, from 0 to 1, that need no look at who may see which row.
    pub all_visible: Option<f64>,
    /// Rows that live, by the statistics.
    pub live: Option<i64>,
    /// Rows that are dead and not yet vacuumed, by the statistics.
    pub dead: Option<i64>,
    /// When it was vacuumed last.
    pub last_vacuum: Option<Timestamp>,
    /// When it was analyzed last.
    pub last_analyze: Option<Timestamp>,
    /// How often it was read since the statistics began. A refresh that compares, and whoever verifies, reads it, too.
    pub scans: i64,
    /// When it was read last; from PostgreSQL 16 on.
    pub last_read: Option<Timestamp>,
    /// Since when the statistics count; none where they were never reset.
    pub since: Option<Timestamp>,
    /// False where nobody can read it yet.
    pub populated: bool,
    /// The role that owns it.
    pub owner: String,
}

/// One index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexFootprint {
    /// Its name.
    pub name: String,
    /// The statement that makes it.
    pub definition: String,
    /// Bytes.
    pub bytes: i64,
    /// How often it was used since the statistics began.
    pub scans: i64,
    /// True for one that refuses equal rows.
    pub unique: bool,
}

/// These relations, as far as they stand.
pub async fn of(session: &Session, oids: &[u32]) -> Result<Vec<Footprint>, Failure> {
    let rows = session.query(include_str!("footprint.sql"), &[(&oids, Type::OID_ARRAY)]).await?;
    Ok(rows.iter().map(footprint).collect())
}

/// The indexes of a relation by name.
pub async fn indexes(session: &Session, oid: u32) -> Result<Vec<IndexFootprint>, Failure> {
    let sql = "select i.relname::text, pg_catalog.pg_get_indexdef(x.indexrelid), pg_catalog.pg_relation_size(x.indexrelid),
                      coalesce(pg_catalog.pg_stat_get_numscans(x.indexrelid), 0), x.indisunique
               from   pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
               where  x.indrelid = $1 order by i.relname";
    let rows = session.query(sql, &[(&oid, Type::OID)]).await?;
    let index = |row: &Row| IndexFootprint {
        name: row.get(0),
        definition: row.get(1),
        bytes: row.get(2),
        scans: row.get(3),
        unique: row.get(4),
    };
    Ok(rows.iter().map(index).collect())
}

fn footprint(row: &Row) -> Footprint {
    Footprint {
        oid: row.get("oid"),
        heap_bytes: row.get("heap_bytes"),
        index_bytes: row.get("index_bytes"),
        total_bytes: row.get("total_bytes"),
        rows: Some(row.get::<_, f64>("rows")).filter(|rows| *rows >= 0.0),
        all_visible: row.get("all_visible"),
        live: row.get("n_live_tup"),
        dead: row.get("n_dead_tup"),
        last_vacuum: row.get("last_vacuum"),
        last_analyze: row.get("last_analyze"),
        scans: row.get("scans"),
        last_read: row.get("last_read"),
        since: row.get("since"),
        populated: row.get("relispopulated"),
        owner: row.get("owner"),
    }
}
