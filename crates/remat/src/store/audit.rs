//! `remat.audit`: who asked for what. Lines are only ever added; the table refuses everything else.

use tokio_postgres::{Row, types::Type};

use crate::{
    access::{Act, AuditFilter, AuditLine, Role},
    failure::Failure,
    pg::Session,
};

/// Adds a line.
pub(crate) async fn record(session: &Session, act: &Act<'_>) -> Result<(), Failure> {
    let sql =
        "insert into remat.audit (who, role, address, action, object, schema_name, before, after, run_id)
               values (coalesce($1, session_user), $2, $3, $4, $5, $6, $7, $8, $9)";
    let role = act.role.map(Role::as_str);
    let params = [
        (&act.who as _, Type::TEXT),
        (&role as _, Type::TEXT),
        (&act.address as _, Type::TEXT),
        (&act.action as _, Type::TEXT),
        (&act.object as _, Type::TEXT),
        (&act.schema as _, Type::TEXT),
        (&act.before as _, Type::JSONB),
        (&act.after as _, Type::JSONB),
        (&act.run_id as _, Type::INT8),
    ];
    session.execute(sql, &params).await.map(drop)
}

/// Lines that match, the newest first.
pub(crate) async fn list(session: &Session, filter: &AuditFilter) -> Result<Vec<AuditLine>, Failure> {
    let sql = "select id, at, who, role, address, action, object, before, after, run_id
               from   remat.audit
               where  ($1::timestamptz is null or at >= $1) and ($2::text is null or who = $2)
               and    ($3::text is null or action = $3) and ($4::int8 is null or id < $4)
               and    ($5::text[] is null or schema_name = any($5))
               order  by id desc limit $6";
    let limit = filter.limit.unwrap_or(100);
    let schemas = filter.scope.schemas();
    let params = [
        (&filter.since as _, Type::TIMESTAMPTZ),
        (&filter.who as _, Type::TEXT),
        (&filter.action as _, Type::TEXT),
        (&filter.before as _, Type::INT8),
        (&schemas as _, Type::TEXT_ARRAY),
        (&limit as _, Type::INT8),
    ];
    Ok(session.query(sql, &params).await?.iter().map(line).collect())
}

fn line(row: &Row) -> AuditLine {
    AuditLine {
        id: row.get(0),
        at: row.get(1),
        who: row.get(2),
        role: row.get(3),
        address: row.get(4),
        action: row.get(5),
        object: row.get(6),
        before: row.get(7),
        after: row.get(8),
        run_id: row.get(9),
    }
}
