//! The server that remat is connected to, and what its role may do there.
//!
//! Law: reads only; nothing here is a secret.

use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use super::Session;
use crate::failure::Failure;

/// The server and the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Standing {
    /// Such as `18.4 (Debian 18.4-1)`.
    pub version: String,
    /// Such as 180004.
    pub version_number: i32,
    /// True for a standby.
    pub in_recovery: bool,
    /// The database.
    pub database: String,
    /// The role of this session.
    pub role: String,
    /// True where the role may do everything.
    pub is_superuser: bool,
    /// True where the role may see what other sessions do.
    pub sees_sessions: bool,
    /// True where the role may cancel what other roles do.
    pub may_signal: bool,
}

/// What the role may do to a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Right {
    /// The relation.
    pub oid: u32,
    /// The role that owns it.
    pub owner: String,
    /// Whether it may be refreshed: as its owner, or by the privilege MAINTAIN where the server has that.
    pub may_refresh: bool,
}

/// Reads both.
pub async fn read(session: &Session) -> Result<Standing, Failure> {
    let sql = "select current_setting('server_version'), current_setting('server_version_num')::int4,
                      pg_catalog.pg_is_in_recovery(), current_database()::text, current_user::text,
                      (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user),
                      pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
                      pg_catalog.pg_has_role(current_user, 'pg_signal_backend', 'usage')";
    let row = session.query_one(sql, &[]).await?;
    Ok(Standing {
        version: row.get(0),
        version_number: row.get(1),
        in_recovery: row.get(2),
        database: row.get(3),
        role: row.get(4),
        is_superuser: row.get::<_, Option<bool>>(5).unwrap_or_default(),
        sees_sessions: row.get(6),
        may_signal: row.get(7),
    })
}

/// What the role may do to these relations.
pub async fn rights(session: &Session, oids: &[u32]) -> Result<Vec<Right>, Failure> {
    // The privilege is named only where the server knows it.
    let has_maintain: bool =
        session.query_one("select current_setting('server_version_num')::int4 >= 170000", &[]).await?.get(0);
    let maintain = if has_maintain { "or pg_catalog.has_table_privilege(c.oid, 'maintain')" } else { "" };
    let sql = format!(
        "select c.oid, pg_catalog.pg_get_userbyid(c.relowner)::text,
                pg_catalog.pg_has_role(c.relowner, 'usage') {maintain}
         from   pg_catalog.pg_class c where c.oid = any ($1)"
    );
    let rows = session.query(&sql, &[(&oids, Type::OID_ARRAY)]).await?;
    let right = |row: &Row| Right { oid: row.get(0), owner: row.get(1), may_refresh: row.get(2) };
    Ok(rows.iter().map(right).collect())
}
