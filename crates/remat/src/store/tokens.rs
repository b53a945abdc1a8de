//! `remat.tokens`: who may ask over HTTP, and what.
//!
//! Law: a secret is looked up by what it hashes to, and whether its token still counts is judged by the server's clock in
//! the same statement.

use std::time::Duration;

use tokio_postgres::{Row, types::Type};

use crate::{
    access::{Grant, NewToken, Scope, Token},
    error::Error,
    failure::Failure,
    pg::Session,
};

/// Enters a token. Fails as not unique where its name was given before.
pub(crate) async fn insert(
    session: &Session,
    token: &NewToken,
    hash: &[u8],
    by: Option<&str>,
) -> Result<(), Failure> {
    let sql = "insert into remat.tokens (name, hash, role, schemas, expires_at, created_by)
               values ($1, $2, $3, $4, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $5),
                       coalesce($6, session_user))";
    let role = token.role.as_str();
    let schemas = (!token.schemas.is_empty()).then_some(&token.schemas);
    let lasts = token.lasts.as_ref().map(Duration::as_secs_f64);
    let params = [
        (&token.name as _, Type::TEXT),
        (&hash as _, Type::BYTEA),
        (&role as _, Type::TEXT),
        (&schemas as _, Type::TEXT_ARRAY),
        (&lasts as _, Type::FLOAT8),
        (&by as _, Type::TEXT),
    ];
    session.execute(sql, &params).await.map(drop)
}

/// Takes a token back; true when it had not been taken back before.
pub(crate) async fn revoke(session: &Session, name: &str) -> Result<bool, Failure> {
    let sql = "update remat.tokens set revoked_at = pg_catalog.clock_timestamp() where name = $1 and revoked_at is null";
    Ok(session.execute(sql, &[(&name, Type::TEXT)]).await? > 0)
}

const COLUMNS: &str = "name, role, schemas, created_at, created_by, expires_at, last_used_at, revoked_at,
    case when revoked_at is not null then 'revoked'
         when expires_at <= pg_catalog.clock_timestamp() then 'expired' else 'active' end";

/// Every token, the newest first.
pub(crate) async fn all(session: &Session) -> Result<Vec<Token>, Error> {
    let sql = format!("select {COLUMNS} from remat.tokens order by id desc");
    session.query(&sql, &[]).await?.iter().map(token).collect()
}

/// One token.
pub(crate) async fn named(session: &Session, name: &str) -> Result<Option<Token>, Error> {
    let sql = format!("select {COLUMNS} from remat.tokens where name = $1");
    session.query_opt(&sql, &[(&name, Type::TEXT)]).await?.as_ref().map(token).transpose()
}

fn token(row: &Row) -> Result<Token, Error> {
    Ok(Token {
        name: row.get(0),
        role: row.get::<_, &str>(1).parse()?,
        schemas: row.get(2),
        created_at: row.get(3),
        created_by: row.get(4),
        expires_at: row.get(5),
        last_used_at: row.get(6),
        revoked_at: row.get(7),
        state: row.get(8),
    })
}

/// The token that counts now and has this hash, with the hash as it is kept. Notes once a minute that it was used.
pub(crate) async fn by_hash(session: &Session, hash: &[u8]) -> Result<Option<(Vec<u8>, Grant)>, Error> {
    let sql = "with found as materialized (
                 select t.id, t.hash, t.name, t.role, t.schemas, t.last_used_at
                 from   remat.tokens t
                 where  t.hash = $1 and t.revoked_at is null
                 and    (t.expires_at is null or t.expires_at > pg_catalog.clock_timestamp())),
               used as (
                 update remat.tokens t set last_used_at = pg_catalog.clock_timestamp()
                 from   found
                 where  t.id = found.id
                 and    (t.last_used_at is null or t.last_used_at < pg_catalog.clock_timestamp() - interval '1 minute'))
               select hash, id, name, role, schemas from found";
    session.query_opt(sql, &[(&hash, Type::BYTEA)]).await?.as_ref().map(grant).transpose()
}

/// A grant from the columns hash, id, name, role and schemas.
pub(super) fn grant(row: &Row) -> Result<(Vec<u8>, Grant), Error> {
    let grant = Grant {
        token_id: row.get(1),
        name: row.get(2),
        role: row.get::<_, &str>(3).parse()?,
        scope: Scope::from(row.get::<_, Option<Vec<String>>>(4)),
    };
    Ok((row.get(0), grant))
}
