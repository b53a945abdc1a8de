//! What became of one view over time: its last runs, how fresh it was, its definitions.
//!
//! Law: each statement takes the newest rows of one view from an index and stops; none depends on how many runs are kept.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{Row, types::Type};

use crate::{
    error::Error,
    pg::Session,
    run::{Operation, Status},
};

/// One run in a chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The run.
    pub id: i64,
    /// What it did.
    pub operation: Operation,
    /// How it ended.
    pub status: Status,
    /// The strategy that ran.
    pub strategy: Option<String>,
    /// Why that one, or why it was skipped.
    pub reason: Option<String>,
    /// When it was asked for.
    pub queued_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Milliseconds of work, lock waits included.
    pub duration_ms: Option<i64>,
    /// Milliseconds of waiting for locks.
    pub lock_wait_ms: Option<i64>,
    /// Rows that were inserted, updated and deleted, where they were counted.
    pub changed: Option<(i64, i64, i64)>,
    /// Rows afterwards.
    pub rows: Option<i64>,
    /// Bytes afterwards.
    pub bytes: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A refresh that brought the contents up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fill {
    /// The contents were as new as this,
    pub data_as_of: Timestamp,
    /// from this moment on.
    pub visible_at: Timestamp,
}

/// One version of a definition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    /// Its number, from 1.
    pub version: i32,
    /// The definition as it was written.
    pub definition: Value,
    /// When it was written.
    pub changed_at: Timestamp,
    /// The database role that wrote it.
    pub changed_by: String,
}

/// The last runs of a view that have ended, the newest first.
pub async fn points(session: &Session, view_id: i64, limit: i64) -> Result<Vec<Point>, Error> {
    let sql =
        "select r.id, r.operation, r.status, r.strategy, r.reason, r.queued_at, r.finished_at, r.duration_ms,
                      r.lock_wait_ms, r.rows_inserted, r.rows_updated, r.rows_deleted, r.rows_after, r.bytes,
                      r.error_message
               from   remat.runs r
               where  r.view_id = $1 and r.finished_at is not null
               order  by r.id desc
               limit  $2";
    let rows = session.query(sql, &[(&view_id, Type::INT8), (&limit, Type::INT8)]).await?;
    rows.iter().map(point).collect()
}

/// The refreshes of a view that brought it up to date since a moment, and the one before, the oldest first; at most the
/// newest `limit`.
pub async fn fills(
    session: &Session,
    view_id: i64,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Fill>, Error> {
    let sql = "(select r.data_as_of, r.finished_at from remat.runs r
                where  r.view_id = $1 and r.operation = 'refresh' and r.status = 'success' and r.data_as_of > $2
                order  by r.data_as_of desc limit $3)
               union all
               (select r.data_as_of, r.finished_at from remat.runs r
                where  r.view_id = $1 and r.operation = 'refresh' and r.status = 'success' and r.data_as_of <= $2
                order  by r.data_as_of desc limit 1)
               union all
               (select r.data_as_of, r.finished_at from remat.runs r
                where  r.view_id = $1 and r.operation in ('create', 'delete') and r.operation = 'create'
                and    r.status = 'success' and r.data_as_of is not null
                order  by r.id desc limit 10)
               order  by 1";
    let params = [(&view_id as _, Type::INT8), (&since as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    let rows = session.query(sql, &params).await?;
    Ok(rows.iter().map(|row| Fill { data_as_of: row.get(0), visible_at: row.get(1) }).collect())
}

/// The durations of the last refreshes of these views that succeeded, the oldest first.
pub async fn durations(
    session: &Session,
    view_ids: &[i64],
    each: i64,
) -> Result<Vec<(i64, Vec<i64>)>, Error> {
    let sql = "select v.id, array(select t.duration_ms
                                  from  (select r.duration_ms, r.data_as_of from remat.runs r
                                         where  r.view_id = v.id and r.operation = 'refresh' and r.status = 'success'
                                         order  by r.data_as_of desc limit $2) t
                                  order  by t.data_as_of)
               from   unnest($1) as v(id)";
    let rows = session.query(sql, &[(&view_ids, Type::INT8_ARRAY), (&each, Type::INT8)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The versions of a view's definition, the newest first.
pub async fn versions(session: &Session, view_id: i64, limit: i64) -> Result<Vec<Version>, Error> {
    let sql = "select version, definition, changed_at, changed_by from remat.view_versions
               where view_id = $1 order by version desc limit $2";
    let rows = session.query(sql, &[(&view_id, Type::INT8), (&limit, Type::INT8)]).await?;
    let version = |row: &Row| Version {
        version: row.get(0),
        definition: row.get(1),
        changed_at: row.get(2),
        changed_by: row.get(3),
    };
    Ok(rows.iter().map(version).collect())
}

fn point(row: &Row) -> Result<Point, Error> {
    let changed: (Option<i64>, Option<i64>, Option<i64>) = (row.get(9), row.get(10), row.get(11));
    Ok(Point {
        id: row.get(0),
        operation: row.get::<_, &str>(1).parse()?,
        status: row.get::<_, &str>(2).parse()?,
        strategy: row.get(3),
        reason: row.get(4),
        queued_at: row.get(5),
        finished_at: row.get(6),
        duration_ms: row.get(7),
        lock_wait_ms: row.get(8),
        changed: match changed {
            (Some(inserted), Some(updated), Some(deleted)) => Some((inserted, updated, deleted)),
            _ => None,
        },
        rows: row.get(12),
        bytes: row.get(13),
        error: row.get(14),
    })
}
