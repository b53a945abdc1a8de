//! The demo's database: `remat_demo`, made by the demo and known by its comment.
//!
//! Law: no other database is written to. One of that name without the comment belongs to somebody else and is refused.

use remat::{
    error::{Error, ErrorKind},
    failure::Failure,
    pg::{Session, Target},
};
use tokio_postgres::types::Type;

/// Its name.
const NAME: &str = "remat_demo";

/// The comment that says whose it is.
const MARK: &str = "made by remat demo, which replaces it at its next run";

/// Makes the database anew on the server of `any`, and gives the way to it.
pub(super) async fn renew(any: &Target) -> Result<Target, Error> {
    let session = any.connect().await?;
    match comment(&session).await? {
        Some(comment) if comment == MARK => drop_old(&session).await?,
        Some(_) => return Err(foreign(any)),
        None => {}
    }
    session.batch(&format!("create database {NAME}")).await.map_err(cannot_create)?;
    session.batch(&format!("comment on database {NAME} is '{MARK}'")).await?;
    // Not every platform has it: the server notices by itself that an interrupted demo went away.
    let watch = format!("alter database {NAME} set client_connection_check_interval = '1s'");
    if let Err(failure) = session.batch(&watch).await {
        tracing::debug!(reason = failure.complaint.primary, "the server does not watch its clients");
    }
    Ok(any.with_database(NAME))
}

/// The URL of the demo's database on the server of a URL that names its database `postgres`.
pub(super) fn on(url: &str) -> String {
    format!("{}/{NAME}", url.strip_suffix("/postgres").unwrap_or(url))
}

/// The comment of the database of that name, empty where it has none; nothing where there is no such database.
async fn comment(session: &Session) -> Result<Option<String>, Error> {
    let sql =
        "select coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where datname = $1";
    Ok(session.query_opt(sql, &[(&NAME, Type::TEXT)]).await?.map(|row| row.get(0)))
}

async fn drop_old(session: &Session) -> Result<(), Error> {
    let dropped = session.batch(&format!("drop database {NAME}")).await;
    dropped.map_err(|failure| failure.with_hint("Another remat demo may be at work on this server.").into())
}

fn foreign(any: &Target) -> Error {
    let primary = format!("database \"{NAME}\" exists and was not made by the demo");
    Error::new(ErrorKind::Conflict, primary)
        .with_detail(format!("It is on the server of {any}. The demo only replaces what it made itself."))
        .with_hint("Rename or drop that database, or run the demo on another server; without a URL it brings its own.")
}

fn cannot_create(failure: Failure) -> Error {
    failure
        .with_hint("The demo needs a role that may create databases; without a URL it brings its own server.")
        .into()
}
