//! `remat.idempotency_keys`: what was answered to a request that names a key.
//!
//! Law: whoever inserts the row does the work; everybody else gets what it answered, or hears that it is not done yet. Who
//! began and never answered has died: after a minute the next one takes its place, so the work itself must bear to be done
//! twice.

use serde_json::Value;
use tokio_postgres::types::Type;

use crate::{failure::Failure, pg::Session};

/// What is known of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Nothing: the caller does the work, and then answers.
    Mine,
    /// Somebody does it now.
    AtWork,
    /// The key was used for another request.
    Other,
    /// It was done; this was the answer.
    Answered(Answer),
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Where the thing is that was made.
    pub location: Option<String>,
    /// The body.
    pub body: Value,
}

/// Takes a key, or tells what is known of it. `request` is what the request hashes to.
pub async fn take(session: &Session, who: &str, key: &str, request: &[u8]) -> Result<Known, Failure> {
    let sql = "insert into remat.idempotency_keys as k (who, key, request) values ($1, $2, $3)
               on conflict (who, key) do update set created_at = pg_catalog.clock_timestamp(), request = excluded.request, status = null
               where (k.status is null and k.request = excluded.request and k.created_at < pg_catalog.clock_timestamp() - interval '1 minute')
               or    k.created_at < pg_catalog.clock_timestamp() - interval '24 hours'";
    let params = [(&who as _, Type::TEXT), (&key as _, Type::TEXT), (&request as _, Type::BYTEA)];
    if session.execute(sql, &params).await? > 0 {
        return Ok(Known::Mine);
    }
    let sql =
        "select request = $3, status, location, body from remat.idempotency_keys where who = $1 and key = $2";
    let Some(row) = session.query_opt(sql, &params).await? else { return Ok(Known::AtWork) };
    Ok(match (row.get::<_, bool>(0), row.get::<_, Option<i32>>(1)) {
        (false, _) => Known::Other,
        (true, None) => Known::AtWork,
        (true, Some(status)) => Known::Answered(Answer {
            status: u16::try_from(status).unwrap_or(500),
            location: row.get(2),
            body: row.get::<_, Option<Value>>(3).unwrap_or_default(),
        }),
    })
}

/// Keeps the answer.
pub async fn answer(session: &Session, who: &str, key: &str, answer: &Answer) -> Result<(), Failure> {
    let sql =
        "update remat.idempotency_keys set status = $3, location = $4, body = $5 where who = $1 and key = $2";
    let status = i32::from(answer.status);
    let params = [
        (&who as _, Type::TEXT),
        (&key as _, Type::TEXT),
        (&status as _, Type::INT4),
        (&answer.location as _, Type::TEXT),
        (&answer.body as _, Type::JSON),
    ];
    session.execute(sql, &params).await.map(drop)
}

/// Gives a key back whose work failed for a reason that may pass.
pub async fn release(session: &Session, who: &str, key: &str) -> Result<(), Failure> {
    let sql = "delete from remat.idempotency_keys where who = $1 and key = $2 and status is null";
    session.execute(sql, &[(&who, Type::TEXT), (&key, Type::TEXT)]).await.map(drop)
}

/// Deletes the answers of yesterday.
pub(crate) async fn prune(session: &Session) -> Result<(), Failure> {
    let sql = "delete from remat.idempotency_keys where created_at < pg_catalog.clock_timestamp() - interval '24 hours'";
    session.execute(sql, &[]).await.map(drop)
}
