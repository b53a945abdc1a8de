//! Brings remat's own schema up to date.
//!
//! Law: migrations are numbered, never edited once released, and applied under an advisory lock, each in a transaction
//! with its row. A database that carries a migration which this program does not know is refused: an older program
//! must not write into newer tables.

use tokio_postgres::types::Type;

use crate::{
    error::{Error, ErrorKind},
    name::{hash, literal},
    pg::Session,
};

struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

impl Migration {
    fn title(&self) -> String {
        format!("{:04}_{}", self.version, self.name)
    }

    fn record(&self) -> String {
        format!(
            "insert into remat.migrations (version, name, checksum) values ({}, {}, {})",
            self.version,
            literal(self.name),
            literal(&hash(self.sql))
        )
    }
}

/// Every migration in order.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "tables", sql: include_str!("0001_tables.sql") },
    Migration { version: 2, name: "compatibility", sql: include_str!("0002_compatibility.sql") },
    Migration { version: 3, name: "sql_interface", sql: include_str!("0003_sql_interface.sql") },
    Migration { version: 4, name: "guard", sql: include_str!("0004_guard.sql") },
    Migration { version: 5, name: "sql_refresh", sql: include_str!("0005_sql_refresh.sql") },
    Migration { version: 6, name: "sql_status", sql: include_str!("0006_sql_status.sql") },
    Migration { version: 8, name: "unchanged", sql: include_str!("0008_unchanged.sql") },
];

/// Advisory key under which migrations run: `remm` in ASCII.
const MIGRATION_KEY: i32 = 0x7265_6d6d;

/// Whoever waited for the lock must see what the other one did, and names in the migrations mean the server's objects,
/// whatever the role has set.
const BEGIN: &str = "begin transaction isolation level read committed read write; set local search_path = pg_catalog, pg_temp";

const LEDGER: &str = "
create schema if not exists remat;
create schema if not exists remat_query;
create table if not exists remat.migrations (
    version    integer primary key,
    name       text not null,
    checksum   text not null,
    applied_at timestamptz not null default clock_timestamp(),
    applied_by text not null default session_user
)";

/// Applies what is missing and gives the names of what it applied.
pub async fn migrate(session: &Session) -> Result<Vec<String>, Error> {
    session.batch(BEGIN).await?;
    let applied = apply_missing(session).await;
    session.batch(if applied.is_ok() { "commit" } else { "rollback" }).await?;
    applied
}

/// The SQL that [`migrate`] would run on this database, as one transaction.
pub async fn pending_sql(session: &Session) -> Result<String, Error> {
    let known = recorded(session).await?;
    let missing = MIGRATIONS.get(known.len()..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(String::new());
    }
    let ledger = known.is_empty().then(|| format!("{};", LEDGER.trim()));
    let steps = missing.iter().map(|m| format!("-- {}\n\n{}\n{};", m.title(), m.sql.trim_end(), m.record()));
    let parts: Vec<String> = ledger.into_iter().chain(steps).collect();
    Ok(format!("begin;\n\n{}\n\ncommit;", parts.join("\n\n")))
}

/// Refuses a database whose tables are missing, older or newer than this program's.
pub async fn check(session: &Session) -> Result<(), Error> {
    let known = recorded(session).await?;
    verify(&known)?;
    if known.len() == MIGRATIONS.len() {
        return Ok(());
    }
    let database: String = session.query_one("select current_database()::text", &[]).await?.get(0);
    let primary = if known.is_empty() {
        format!("database \"{database}\" has no remat tables")
    } else {
        format!("the remat tables of database \"{database}\" are older than this program")
    };
    Err(Error::new(ErrorKind::Schema, primary)
        .with_hint("Run `remat migrate`; `remat migrate --print` shows its SQL."))
}

async fn apply_missing(session: &Session) -> Result<Vec<String>, Error> {
    let lock = "select pg_catalog.pg_advisory_xact_lock($1, 0)::text";
    session.query(lock, &[(&MIGRATION_KEY, Type::INT4)]).await?;
    let known = recorded(session).await?;
    verify(&known)?;
    let mut applied = Vec::new();
    if known.is_empty() {
        session.batch(LEDGER).await?;
    }
    for migration in MIGRATIONS.iter().skip(known.len()) {
        session.batch(migration.sql).await?;
        session.batch(&migration.record()).await?;
        applied.push(migration.title());
    }
    Ok(applied)
}

async fn recorded(session: &Session) -> Result<Vec<(i32, String)>, Error> {
    let exists = session.query_one("select to_regclass('remat.migrations') is not null", &[]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows = session.query("select version, checksum from remat.migrations order by version", &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The database's history must be a beginning of ours.
fn verify(known: &[(i32, String)]) -> Result<(), Error> {
    for (position, (version, checksum)) in known.iter().enumerate() {
        let Some(ours) = MIGRATIONS.get(position).filter(|ours| ours.version == *version) else {
            return Err(Error::new(ErrorKind::Schema, "the remat tables are newer than this program")
                .with_detail(format!(
                    "The database has migration {version}; this program knows {}.",
                    MIGRATIONS.len()
                ))
                .with_hint("Use the newer remat."));
        };
        if hash(ours.sql) != *checksum {
            return Err(Error::new(
                ErrorKind::Schema,
                format!("migration {version} differs from this program's"),
            )
            .with_detail("The database was migrated by a remat built from other sources."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_database_is_refused() {
        let mut known: Vec<_> = MIGRATIONS.iter().map(|m| (m.version, hash(m.sql))).collect();
        assert!(verify(&known).is_ok());
        known.push((1000, "x".into()));
        assert!(verify(&known).unwrap_err().to_string().contains("newer"));
    }

    #[test]
    fn a_migration_that_was_edited_after_release_is_refused() {
        assert!(verify(&[(1, "other".into())]).unwrap_err().to_string().contains("differs"));
    }
}
