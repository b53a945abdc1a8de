//! Puts captures in place, widens them, and takes away what nobody reads.
//!
//! Law: one table at a time, each in a transaction of its own, in the order of their object ids; relation locks come in short
//! attempts. What is sound and wide enough is not touched. Whatever is missing of a capture is made anew, and then nothing
//! that it logged before counts.

use tokio_postgres::types::Type;

use super::{
    Need, by_table, script,
    table::{Level, Table},
};
use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName},
    pg::{
        Session,
        catalog::{identifier, print_full_names},
        in_transaction,
        lock::patiently,
    },
    store::captures::{self, Capture},
    view::Settings,
};

/// The first server that replaces a trigger without keeping readers away.
const OLDEST_SERVER: i32 = 140_000;

/// Sees to it that every change of what a view needs is logged from now on, and that the view is known to read just that.
/// The session must not be in a transaction. Gives the ids of the captures. What the view read before and nobody else
/// reads is left for [`sweep`], whose waiting is no reason to fail here.
pub async fn install(
    session: &Session,
    settings: &Settings,
    view_id: i64,
    needs: &[Need],
) -> Result<Vec<i64>, Failure> {
    check_server(session).await?;
    let needs = by_table(needs);
    let mut ids = Vec::new();
    for (table, columns) in &needs {
        ids.push(one_table(session, capture(session, settings, view_id, *table, columns)).await?);
    }
    let tables: Vec<u32> = needs.keys().copied().collect();
    captures::unsubscribe_but(session, view_id, &tables).await?;
    Ok(ids)
}

/// Ends a view's reading of all logs, and takes away those that nobody reads then.
pub async fn remove(session: &Session, settings: &Settings, view_id: i64) -> Result<(), Failure> {
    captures::unsubscribe_but(session, view_id, &[]).await?;
    sweep(session, settings).await
}

/// Takes away every capture that nobody reads, or that came from another system in a dump.
pub async fn sweep(session: &Session, settings: &Settings) -> Result<(), Failure> {
    for (capture_id, table) in captures::unused(session).await? {
        one_table(session, take_away(session, settings, capture_id, table)).await?;
    }
    Ok(())
}

async fn check_server(session: &Session) -> Result<(), Failure> {
    let sql = "select pg_catalog.current_setting('server_version_num')::pg_catalog.int4";
    if session.query_one(sql, &[]).await?.get::<_, i32>(0) >= OLDEST_SERVER {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Prerequisite, "changes cannot be captured on this server");
    Err(failure
        .with_detail("It needs PostgreSQL 14 or newer.")
        .with_hint("Choose the strategy merge, or upgrade the server."))
}

/// With the names of types printed in full.
async fn one_table<T>(
    session: &Session,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    in_transaction(session, async {
        print_full_names(session).await?;
        work.await
    })
    .await
}

/// Sees to one table.
async fn capture(
    session: &Session,
    settings: &Settings,
    view_id: i64,
    table: u32,
    columns: &[i16],
) -> Result<i64, Failure> {
    let id = captures::hold(session, table).await?;
    let Capture { columns: captured, sound } = captures::held(session, id).await?;
    if !(sound && columns.iter().all(|column| captured.contains(column))) {
        // Who cannot have it is told so before anybody has to wait.
        let found = Table::read(session, table, columns).await?;
        found.check(table, columns)?;
        let log = captures::log_exists(session, id).await?.then_some(id);
        patiently(session, settings, table, &script::lock(found.root(), log)).await?;
        build(session, id, view_id, found.root(), columns).await?;
    }
    captures::subscribe(session, id, view_id, columns).await?;
    Ok(id)
}

/// Makes or widens a capture, with all writers of the table kept away.
async fn build(
    session: &Session,
    id: i64,
    view_id: i64,
    locked: &Level,
    needed: &[i16],
) -> Result<(), Failure> {
    // Only what is read from here on stays as it is.
    let Capture { columns: captured, sound } = captures::held(session, id).await?;
    let known = if sound { captured } else { captures::columns_of_others(session, id, view_id).await? };
    let added = needed.iter().copied().filter(|column| !known.contains(column));
    let wanted: Vec<i16> = known.iter().copied().chain(added).collect();
    let found = Table::read(session, locked.oid, &wanted).await?;
    found.check(locked.oid, needed)?;
    if found.root().name != locked.name {
        let primary = format!("table \"{}\" was renamed while its lock was waited for", locked.name);
        return Err(Failure::new(FailureKind::Serialization, primary));
    }
    let columns: Vec<i16> = found.columns_of(&wanted).map(|column| column.number).collect();
    let statements = if sound {
        script::widen(id, &found, &columns, known.len())
    } else {
        script::create(id, &found, &columns)
    };
    session.batch(&statements.join(";\n")).await?;
    captures::set_columns(session, id, &columns, &found.layout(&columns), !sound).await
}

async fn take_away(
    session: &Session,
    settings: &Settings,
    capture_id: i64,
    table: u32,
) -> Result<(), Failure> {
    if !captures::forget_unused(session, capture_id).await? {
        return Ok(());
    }
    let triggers = triggers_of(session, capture_id).await?;
    patiently(session, settings, table, &script::drop_all(capture_id, &triggers)).await.map(drop)
}

/// The triggers of a capture, wherever they stand but on its log, which goes as a whole. Those that a partition has from above
/// go with the one above.
async fn triggers_of(session: &Session, capture_id: i64) -> Result<Vec<(Identifier, RelationName)>, Failure> {
    let sql = "select t.tgname::text, n.nspname::text, c.relname::text
               from   pg_catalog.pg_trigger t
               join   pg_catalog.pg_class c on c.oid = t.tgrelid
               join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
               where  t.tgfoid in (pg_catalog.to_regproc($1)::oid, pg_catalog.to_regproc($2)::oid)
               and    t.tgparentid = 0 and n.nspname <> 'remat_log'
               order  by c.oid";
    let functions = [script::trigger_function(capture_id), script::stranger_function(capture_id)];
    let [function, stranger] = functions.map(|name| name.to_string());
    let rows = session.query(sql, &[(&function, Type::TEXT), (&stranger, Type::TEXT)]).await?;
    let trigger = |row: &tokio_postgres::Row| {
        let table = RelationName { schema: identifier(row.get(1))?, name: identifier(row.get(2))? };
        Ok((identifier(row.get(0))?, table))
    };
    rows.iter().map(trigger).collect()
}
