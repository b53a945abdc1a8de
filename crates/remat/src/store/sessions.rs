//! `remat.sessions`: browsers that logged in with a token. A session never outlives its token.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::tokens;
use crate::{access::Grant, error::Error, failure::Failure, pg::Session};

/// Enters a session of a token.
pub(crate) async fn open(
    session: &Session,
    token_id: i64,
    hash: &[u8],
    lasts: Duration,
) -> Result<(), Failure> {
    let sql = "insert into remat.sessions (hash, token_id, expires_at)
               values ($1, $2, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $3))";
    let lasts = lasts.as_secs_f64();
    let params = [(&hash as _, Type::BYTEA), (&token_id as _, Type::INT8), (&lasts as _, Type::FLOAT8)];
    session.execute(sql, &params).await.map(drop)
}

/// Whose session this is, while it and its token count; with the hash as it is kept.
pub(crate) async fn by_hash(session: &Session, hash: &[u8]) -> Result<Option<(Vec<u8>, Grant)>, Error> {
    let sql = "select s.hash, t.id, t.name, t.role, t.schemas
               from   remat.sessions s join remat.tokens t on t.id = s.token_id
               where  s.hash = $1 and s.expires_at > pg_catalog.clock_timestamp() and t.revoked_at is null
               and    (t.expires_at is null or t.expires_at > pg_catalog.clock_timestamp())";
    session.query_opt(sql, &[(&hash, Type::BYTEA)]).await?.as_ref().map(tokens::grant).transpose()
}

/// Ends a session.
pub(crate) async fn close(session: &Session, hash: &[u8]) -> Result<(), Failure> {
    session.execute("delete from remat.sessions where hash = $1", &[(&hash, Type::BYTEA)]).await.map(drop)
}

/// Deletes sessions whose time is over.
pub(crate) async fn prune(session: &Session) -> Result<(), Failure> {
    let sql = "delete from remat.sessions where expires_at < pg_catalog.clock_timestamp()";
    session.execute(sql, &[]).await.map(drop)
}
