//! Captures, who reads them, and how far each reader has come.
//!
//! Law: a capture is changed or taken away only by a transaction that holds its row. A state is stored by the transaction
//! whose snapshot it tells of; what is new since then is decided in the database, by `remat.capture_changes`. A log row
//! goes only when the states of all consumers cover it; see `remat.prune_capture`.

use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use crate::{capture::Part, failure::Failure, name::literal, pg::Session};

/// The capture of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capture {
    /// The captured columns, in the order of the log's.
    pub(crate) columns: Vec<i16>,
    /// True when no change can pass unlogged.
    pub(crate) sound: bool,
}

/// What a log says since a view's contents were brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// No row changed.
    Unchanged,
    /// So many rows were logged: one for each image. Where as many were to be counted at most, there may be more, and all rows may
    /// have gone at once.
    Changed(i64),
    /// The log cannot tell everything: read the whole table.
    Reset(Gap),
}

/// Why a log cannot tell everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// The view has no state yet.
    Unfilled,
    /// The state is of another database system: its transactions mean nothing here.
    Moved,
    /// Changes may pass unlogged.
    Unguarded,
    /// Changes may have passed unlogged, or the columns are others.
    Altered,
    /// All rows of the table, or of its log, went at once.
    Truncated,
}

/// What one log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The capture.
    pub capture_id: i64,
    /// The object id of the table.
    pub table: u32,
    /// What the log says.
    pub answer: Answer,
}

/// What a view's contents cover: all that a snapshot of the server sees, and what the transaction that stored it wrote itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    seen: String,
    stored_by: String,
}

impl Snapshot {
    /// From the texts of a `pg_snapshot` and an `xid8`.
    pub(super) fn of(seen: String, stored_by: String) -> Self {
        Self { seen, stored_by }
    }

    /// The condition for rows of a log under this alias that are new since the snapshot. What is visible now is up to
    /// the statement's own snapshot, as for every row. What is later than all that the snapshot knew of is new without a
    /// closer look, which costs the most.
    pub fn is_new(&self, alias: &str) -> String {
        let snapshot = format!("{}::pg_catalog.pg_snapshot", literal(&self.seen));
        let stored_by = format!("{}::pg_catalog.xid8", literal(&self.stored_by));
        format!(
            "{alias}.xid operator(pg_catalog.>=) pg_catalog.pg_snapshot_xmin({snapshot}) \
             and ({alias}.xid operator(pg_catalog.>=) pg_catalog.pg_snapshot_xmax({snapshot}) \
                  or not pg_catalog.pg_visible_in_snapshot({alias}.xid, {snapshot})) \
             and {alias}.xid operator(pg_catalog.<>) {stored_by}"
        )
    }
}

/// A consumer that has no state and therefore keeps the log from being pruned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfilled {
    /// The view.
    pub view_id: i64,
    /// The capture that it holds up.
    pub capture_id: i64,
    /// For how many seconds.
    pub waiting_s: i64,
}

/// Holds the capture of a table until the transaction ends, a new one where there is none, and gives its id.
pub(crate) async fn hold(session: &Session, table: u32) -> Result<i64, Failure> {
    let sql = "insert into remat.captures as c (relation, system) values ($1, remat.system())
               on conflict (system, relation) do update set relation = c.relation
               returning c.id";
    Ok(session.query_one(sql, &[(&table, Type::OID)]).await?.get(0))
}

/// A capture that the transaction holds, as it stands now.
pub(crate) async fn held(session: &Session, capture_id: i64) -> Result<Capture, Failure> {
    let sql = "select columns, remat.capture_fingerprint(id) is not null from remat.captures where id = $1";
    let row = session.query_one(sql, &[(&capture_id, Type::INT8)]).await?;
    Ok(Capture { columns: row.get(0), sound: row.get(1) })
}

/// True when the log of a capture stands.
pub(crate) async fn log_exists(session: &Session, capture_id: i64) -> Result<bool, Failure> {
    let sql = "select remat.relation_at('remat_log', 't' || $1) is not null";
    Ok(session.query_one(sql, &[(&capture_id, Type::INT8)]).await?.get(0))
}

/// The columns that other views read of a capture.
pub(crate) async fn columns_of_others(
    session: &Session,
    capture_id: i64,
    view_id: i64,
) -> Result<Vec<i16>, Failure> {
    let sql = "select distinct unnest(columns) from remat.capture_consumers where capture_id = $1 and view_id <> $2";
    let rows = session.query(sql, &[(&capture_id, Type::INT8), (&view_id, Type::INT8)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Writes down what is captured now, and which columns the table has up to the last of them. `anew`: nothing of what was captured before counts.
pub(crate) async fn set_columns(
    session: &Session,
    capture_id: i64,
    columns: &[i16],
    layout: &[i16],
    anew: bool,
) -> Result<(), Failure> {
    let sql = "update remat.captures
               set    columns = $2, layout = $3, installed = case when $4 then pg_current_xact_id() else installed end
               where  id = $1";
    let params = [
        (&capture_id as _, Type::INT8),
        (&columns as _, Type::INT2_ARRAY),
        (&layout as _, Type::INT2_ARRAY),
        (&anew as _, Type::BOOL),
    ];
    session.execute(sql, &params).await.map(drop)
}

/// Makes a view a reader of these columns.
pub(crate) async fn subscribe(
    session: &Session,
    capture_id: i64,
    view_id: i64,
    columns: &[i16],
) -> Result<(), Failure> {
    let sql = "insert into remat.capture_consumers as k (capture_id, view_id, columns) values ($1, $2, $3)
               on conflict (capture_id, view_id) do update set columns = excluded.columns
               where k.columns <> excluded.columns";
    let params =
        [(&capture_id as _, Type::INT8), (&view_id as _, Type::INT8), (&columns as _, Type::INT2_ARRAY)];
    session.execute(sql, &params).await.map(drop)
}

/// Ends a view's reading of all captures but those of these tables.
pub(crate) async fn unsubscribe_but(session: &Session, view_id: i64, tables: &[u32]) -> Result<(), Failure> {
    let sql = "delete from remat.capture_consumers k
               using  remat.captures c
               where  c.id = k.capture_id and k.view_id = $1 and (c.relation <> all ($2) or c.system <> remat.system())";
    session.execute(sql, &[(&view_id, Type::INT8), (&tables, Type::OID_ARRAY)]).await.map(drop)
}

/// The captures that nobody reads, and those that came with a dump from another system, with their table's object id.
pub(crate) async fn unused(session: &Session) -> Result<Vec<(i64, u32)>, Failure> {
    let sql = "select c.id, c.relation from remat.captures c
               where  c.system <> remat.system()
               or     not exists (select from remat.capture_consumers k where k.capture_id = c.id)
               order  by c.id";
    Ok(session.query(sql, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Deletes the row of a capture, unless somebody reads it by now. The caller takes away what it stands for.
pub(crate) async fn forget_unused(session: &Session, capture_id: i64) -> Result<bool, Failure> {
    let hold = "select 1 from remat.captures where id = $1 for update";
    session.execute(hold, &[(&capture_id, Type::INT8)]).await?;
    let strangers = "delete from remat.capture_consumers k using remat.captures c
                     where c.id = k.capture_id and c.id = $1 and c.system <> remat.system()";
    session.execute(strangers, &[(&capture_id, Type::INT8)]).await?;
    let sql = "delete from remat.captures c
               where c.id = $1 and not exists (select from remat.capture_consumers k where k.capture_id = c.id)";
    Ok(session.execute(sql, &[(&capture_id, Type::INT8)]).await? == 1)
}

/// The snapshot that a view's contents show; none before the first fill.
pub async fn snapshot(session: &Session, view_id: i64) -> Result<Option<Snapshot>, Failure> {
    let sql = "select snapshot::text, stored_by::text from remat.view_states
               where  view_id = $1 and system = remat.system()";
    let row = session.query_opt(sql, &[(&view_id, Type::INT8)]).await?;
    Ok(row.map(|row| Snapshot::of(row.get(0), row.get(1))))
}

/// As of when a view's contents are, as a constant of SQL; NULL before the first fill.
pub(crate) async fn since(session: &Session, view_id: i64) -> Result<String, Failure> {
    let sql = "select as_of::text from remat.view_states where view_id = $1 and system = remat.system()";
    let row = session.query_opt(sql, &[(&view_id, Type::INT8)]).await?;
    let as_of: Option<String> = row.map(|row| row.get(0));
    let as_of = as_of.map_or_else(|| "null".to_owned(), |as_of| literal(&as_of));
    Ok(format!("{as_of}::pg_catalog.timestamptz"))
}

/// The capture that tells every change of these columns of a table.
pub(crate) async fn told(session: &Session, table: u32, columns: &[i16]) -> Result<Option<i64>, Failure> {
    let sql = "select c.id from remat.captures c
               where  c.relation = $1 and c.system = remat.system() and $2 <@ c.columns
               and    remat.capture_fingerprint(c.id, $2) is not null";
    let row = session.query_opt(sql, &[(&table, Type::OID), (&columns, Type::INT2_ARRAY)]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// What each log that a view reads says since then. The transaction must be REPEATABLE READ; counting stops at `at_most`.
pub async fn changes(session: &Session, view_id: i64, at_most: i64) -> Result<Vec<Change>, Failure> {
    let sql = "select capture_id, relation, because, changed from remat.capture_changes($1, $2)";
    let rows = session.query(sql, &[(&view_id, Type::INT8), (&at_most, Type::INT8)]).await?;
    Ok(rows.iter().map(change).collect())
}

pub(super) fn change(row: &Row) -> Change {
    let answer = match (row.get::<_, Option<&str>>(2), row.get::<_, Option<i64>>(3)) {
        (None, Some(0)) => Answer::Unchanged,
        (None, Some(rows)) => Answer::Changed(rows),
        (Some("unfilled"), _) => Answer::Reset(Gap::Unfilled),
        (Some("moved"), _) => Answer::Reset(Gap::Moved),
        (Some("altered"), _) => Answer::Reset(Gap::Altered),
        (Some("truncated"), _) => Answer::Reset(Gap::Truncated),
        // A word of a newer migration included: what is not understood is not trusted.
        (Some(_) | None, _) => Answer::Reset(Gap::Unguarded),
    };
    Change { capture_id: row.get(0), table: row.get(1), answer }
}

/// Says that a view's contents, as this transaction leaves them, are those of its snapshot and of what it has written so far.
/// Fails with 40001 when another transaction did so since that snapshot was taken; the transaction must be REPEATABLE
/// READ, and must not write to a table that the view reads afterwards.
pub async fn store_state(session: &Session, view_id: i64) -> Result<(), Failure> {
    store_state_of(session, view_id, true).await
}

/// The same; `filled` says whether the view's hidden tables cover what its contents do.
pub(crate) async fn store_state_of(session: &Session, view_id: i64, filled: bool) -> Result<(), Failure> {
    let params = [(&view_id as _, Type::INT8), (&filled as _, Type::BOOL)];
    session.query("select remat.store_state($1, $2)", &params).await.map(drop)
}

/// All captures.
pub(crate) async fn all(session: &Session) -> Result<Vec<i64>, Failure> {
    let rows = session.query("select id from remat.captures order by id", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Prunes some blocks of a part of a log in a transaction of its own. Gives the number of rows that went, and the block to go on
/// with.
pub(crate) async fn prune_step(
    session: &Session,
    capture_id: i64,
    part: Part,
    from_block: i64,
    blocks: i64,
) -> Result<(i64, Option<i64>), Failure> {
    let sql = "select deleted, next_block from remat.prune_capture($1, $2, $3, $4)";
    let letter = part.letter();
    let params = [
        (&capture_id as _, Type::INT8),
        (&letter as _, Type::TEXT),
        (&from_block as _, Type::INT8),
        (&blocks as _, Type::INT8),
    ];
    let row = session.query_one(sql, &params).await?;
    Ok((row.get(0), row.get(1)))
}

/// The consumers that have been without a state for longer than so many seconds, the oldest first.
pub async fn unfilled(session: &Session, longer_than_s: i64) -> Result<Vec<Unfilled>, Failure> {
    let sql = "select k.view_id, k.capture_id, extract(epoch from clock_timestamp() - k.since)::int8
               from   remat.capture_consumers k
               where  k.since < clock_timestamp() - $1 * interval '1 second'
               and    not exists (select from remat.view_states s where s.view_id = k.view_id and s.system = remat.system())
               order  by k.since";
    let rows = session.query(sql, &[(&longer_than_s, Type::INT8)]).await?;
    let unfilled =
        |row: &Row| Unfilled { view_id: row.get(0), capture_id: row.get(1), waiting_s: row.get(2) };
    Ok(rows.iter().map(unfilled).collect())
}
