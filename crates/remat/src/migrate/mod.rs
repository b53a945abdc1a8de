//! Brings remat's own schema up to date.
//!
//! Law: migrations are numbered, never edited once released, and applied under an advisory lock, each in a transaction
//! with its row. An older program works on beside a migration that only adds, and refuses one that is marked as breaking:
//! it must not write into tables that it does not understand.

use tokio_postgres::{Row, types::Type};

use crate::{
    error::{Error, ErrorKind},
    name::{hash, literal},
    pg::Session,
};

struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
    /// True when a program that does not know this migration may not work on a database that has it. All others only
    /// add, so that a rolling upgrade need not stop the older daemons.
    breaking: bool,
}

impl Migration {
    fn title(&self) -> String {
        format!("{:04}_{}", self.version, self.name)
    }

    fn record(&self) -> String {
        format!(
            "insert into remat.migrations (version, name, checksum, breaking) values ({}, {}, {}, {})",
            self.version,
            literal(self.name),
            literal(&hash(self.sql)),
            self.breaking
        )
    }
}

/// Every migration in order.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "tables", sql: include_str!("0001_tables.sql"), breaking: false },
    Migration {
        version: 2,
        name: "compatibility",
        sql: include_str!("0002_compatibility.sql"),
        breaking: false,
    },
    Migration {
        version: 3,
        name: "sql_interface",
        sql: include_str!("0003_sql_interface.sql"),
        breaking: false,
    },
    Migration { version: 4, name: "guard", sql: include_str!("0004_guard.sql"), breaking: false },
    Migration { version: 5, name: "sql_refresh", sql: include_str!("0005_sql_refresh.sql"), breaking: false },
    Migration { version: 6, name: "sql_status", sql: include_str!("0006_sql_status.sql"), breaking: false },
    Migration { version: 7, name: "queue", sql: include_str!("0007_queue.sql"), breaking: false },
    Migration { version: 8, name: "unchanged", sql: include_str!("0008_unchanged.sql"), breaking: false },
    Migration { version: 9, name: "capture", sql: include_str!("0009_capture.sql"), breaking: false },
    Migration {
        version: 10,
        name: "verification",
        sql: include_str!("0010_verification.sql"),
        breaking: false,
    },
    Migration { version: 11, name: "access", sql: include_str!("0011_access.sql"), breaking: false },
    Migration { version: 12, name: "alerts", sql: include_str!("0012_alerts.sql"), breaking: false },
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
    breaking   boolean not null default false,
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

/// The newest migration that this program knows.
pub(crate) fn newest() -> i32 {
    MIGRATIONS.last().map_or(0, |last| last.version)
}

/// The database was migrated to something that this program does not understand.
pub(crate) fn outdated() -> Error {
    Error::new(ErrorKind::Schema, "the remat tables are newer than this program")
        .with_hint("Use the newer remat.")
}

/// Refuses a database whose tables are missing, older or newer than this program's.
pub async fn check(session: &Session) -> Result<(), Error> {
    let known = recorded(session).await?;
    verify(&known)?;
    if known.len() >= MIGRATIONS.len() {
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

/// A migration that the database has.
struct Recorded {
    version: i32,
    checksum: String,
    breaking: bool,
}

async fn recorded(session: &Session) -> Result<Vec<Recorded>, Error> {
    let exists = session.query_one("select to_regclass('remat.migrations') is not null", &[]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let sql = "select version, checksum, breaking from remat.migrations order by version";
    let recorded = |row: &Row| Recorded { version: row.get(0), checksum: row.get(1), breaking: row.get(2) };
    Ok(session.query(sql, &[]).await?.iter().map(recorded).collect())
}

/// The database's history must be a beginning of ours, or go on from ours with migrations that only add.
fn verify(known: &[Recorded]) -> Result<(), Error> {
    for (position, Recorded { version, checksum, breaking }) in known.iter().enumerate() {
        let Some(ours) = MIGRATIONS.get(position) else {
            if *breaking {
                let known = MIGRATIONS.len();
                let detail = format!("The database has migration {version}; this program knows {known}.");
                return Err(outdated().with_detail(detail));
            }
            continue;
        };
        if ours.version != *version || hash(ours.sql) != *checksum {
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

    fn of_this_program() -> Vec<Recorded> {
        let of = |m: &Migration| Recorded { version: m.version, checksum: hash(m.sql), breaking: false };
        MIGRATIONS.iter().map(of).collect()
    }

    #[test]
    fn a_newer_database_is_refused() {
        let mut known = of_this_program();
        assert!(verify(&known).is_ok());
        known.push(Recorded { version: 1000, checksum: "x".into(), breaking: true });
        assert!(verify(&known).unwrap_err().to_string().contains("newer"));
    }

    #[test]
    fn a_newer_database_that_only_added_is_worked_on() {
        let mut known = of_this_program();
        known.push(Recorded { version: 1000, checksum: "x".into(), breaking: false });
        assert!(verify(&known).is_ok());
    }

    #[test]
    fn a_migration_that_was_edited_after_release_is_refused() {
        assert!(
            verify(&[Recorded { version: 1, checksum: "other".into(), breaking: false }])
                .unwrap_err()
                .to_string()
                .contains("differs")
        );
    }
}
