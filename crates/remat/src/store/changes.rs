//! What has changed since somebody looked last: new runs, runs in another status, new events.
//!
//! Law: it reads and costs what has changed, not what is kept. Ids are drawn before their rows are committed, so whoever
//! asks again begins a little before the newest id that was seen.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use crate::{error::Error, failure::Failure, name::RelationName, pg::Session};

/// An event of `remat.events`, without what was there before and after.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = ViewEvent))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRow {
    /// Counts the events.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Where it came from: `cli`, `library`, `api`, `sql`, `remat`.
    pub source: String,
    /// A verb such as `apply` or `pause`.
    pub action: String,
    /// The view that it was done to.
    pub view: Option<RelationName>,
    /// The run that did it.
    pub run_id: Option<i64>,
}

/// The newest run and the newest event.
pub(crate) async fn newest(session: &Session) -> Result<(i64, i64), Failure> {
    let sql = "select coalesce((select max(id) from remat.runs), 0), coalesce((select max(id) from remat.events), 0)";
    let row = session.query_one(sql, &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Runs that have not ended, with how they stand: those at work, and as many of those that wait as `limit` says.
pub(crate) async fn active(session: &Session, limit: i64) -> Result<Vec<(i64, String)>, Failure> {
    let sql = "select id, status from remat.runs where status in ('running', 'unknown')
               union all
               (select id, status from remat.runs where status = 'pending' order by priority desc, due_at, id limit $1)";
    let rows = session.query(sql, &[(&limit, Type::INT8)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// How these runs stand, and all that are newer than `after`, at most `limit` of those.
pub(crate) async fn standing(
    session: &Session,
    known: &[i64],
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, String)>, Failure> {
    let sql = "select id, status from remat.runs where id = any($1)
               union
               (select id, status from remat.runs where id > $2 order by id desc limit $3)
               order by 1";
    let params = [(&known as _, Type::INT8_ARRAY), (&after as _, Type::INT8), (&limit as _, Type::INT8)];
    let rows = session.query(sql, &params).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Events that are newer than `after`, at most `limit`, the oldest first.
pub(crate) async fn events(session: &Session, after: i64, limit: i64) -> Result<Vec<EventRow>, Error> {
    let sql = "select e.id, e.at, e.source, e.action, v.schema_name, v.view_name, e.run_id
               from   remat.events e left join remat.views v on v.id = e.view_id
               where  e.id > $1 order by e.id limit $2";
    let rows = session.query(sql, &[(&after, Type::INT8), (&limit, Type::INT8)]).await?;
    rows.iter().map(event).collect()
}

fn event(row: &Row) -> Result<EventRow, Error> {
    let (schema, name): (Option<String>, Option<String>) = (row.get(4), row.get(5));
    Ok(EventRow {
        id: row.get(0),
        at: row.get(1),
        source: row.get(2),
        action: row.get(3),
        view: schema.zip(name).map(|(schema, name)| RelationName::new(schema, name)).transpose()?,
        run_id: row.get(6),
    })
}
