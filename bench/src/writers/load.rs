//! Clients that write.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{
    Outcome,
    measure::millis,
    place::{Place, connect},
    processor,
};

/// A statement of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Single {
    Insert,
    Update,
    Delete,
}

impl Single {
    pub(super) const ALL: [Self; 3] = [Self::Insert, Self::Update, Self::Delete];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The statement with one parameter, a number that no other statement of this turn has.
    fn sql(self, table: &str) -> String {
        match self {
            Self::Insert => {
                format!(
                    "insert into {table} values ($1::int8, 'name ' || $1::int8 % 1000, 1.5, now(), 'a note')"
                )
            }
            Self::Update => format!(
                "update {table} set amount = amount + 1, changed_at = now() where id = 1 + ($1::int8 * 7919) % 200000"
            ),
            Self::Delete => format!("delete from {table} where id = $1::int8"),
        }
    }
}

/// A statement of many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bulk {
    Insert,
    Update,
    Delete,
}

impl Bulk {
    /// Each turn deletes what it inserted.
    pub(super) const ALL: [Self; 3] = [Self::Insert, Self::Update, Self::Delete];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// What a turn of single rows measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) per_second: f64,
    /// Microseconds of the server's processes for each statement, where the system tells.
    pub(super) server_us: Option<f64>,
}

/// First number of the rows that single statements insert and delete.
const FIRST: i64 = 10_000_000;
/// Numbers of one client.
const SHARE: i64 = 1_000_000;
/// Rows of many at once have numbers from here.
const BULK: i64 = 100_000_000;

/// Writes single rows for so many seconds, each in a transaction of its own, by prepared statements.
#[allow(clippy::cast_precision_loss)] // counts
pub(super) async fn single(
    place: &Place,
    kind: Single,
    table: &str,
    clients: u32,
    seconds: u32,
) -> Outcome<Figures> {
    make_ready(place, kind, table, clients, seconds).await?;
    let before = processor::used(&place.sql).await;
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds.into());
    let mut working = JoinSet::new();
    for client in 0..clients {
        let connection = connect(&place.url).await?;
        let statement = connection.prepare(&kind.sql(table)).await?;
        let first = FIRST + i64::from(client) * SHARE;
        working.spawn(async move {
            let mut done = 0;
            while Instant::now() < until {
                if connection.execute(&statement, &[&(first + done)]).await? != 1 {
                    return Err("there was no row left to write".into());
                }
                done += 1;
            }
            Outcome::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(client) = working.join_next().await {
        done += client??;
    }
    let took = began.elapsed().as_secs_f64();
    let after = processor::used(&place.sql).await;
    let used = before.zip(after).map(|(before, after)| after.server - before.server);
    Ok(Figures { per_second: done as f64 / took, server_us: used.map(|seconds| seconds * 1e6 / done as f64) })
}

/// An insert finds no row under its numbers, a delete finds one.
async fn make_ready(place: &Place, kind: Single, table: &str, clients: u32, seconds: u32) -> Outcome {
    place.sql.batch_execute(&format!("delete from {table} where id >= {FIRST}")).await?;
    if kind == Single::Delete {
        // More than any client deletes in that time.
        let rows = i64::from(seconds) * 60_000 / i64::from(clients);
        let fill = format!(
            "insert into {table} select {FIRST} + c * {SHARE} + g, 'name ' || g % 1000, 1.5, now(), 'a note'
             from generate_series(0, {clients} - 1) c, generate_series(0, {rows}) g"
        );
        place.sql.batch_execute(&fill).await?;
    }
    place.sql.batch_execute(&format!("vacuum (analyze) {table}; ")).await?;
    Ok(())
}

/// Milliseconds of one statement of so many rows.
pub(super) async fn bulk(place: &Place, kind: Bulk, table: &str, rows: i64) -> Outcome<f64> {
    let last = BULK + rows;
    let sql = match kind {
        Bulk::Insert => format!(
            "insert into {table} select {BULK} + g, 'name ' || g % 1000, 1.5, now(), 'a note of some length'
             from generate_series(1, {rows}) g"
        ),
        Bulk::Update => {
            format!("update {table} set amount = amount + 1 where id > {BULK} and id <= {last}")
        }
        Bulk::Delete => format!("delete from {table} where id > {BULK} and id <= {last}"),
    };
    let began = Instant::now();
    place.sql.batch_execute(&sql).await?;
    let took = millis(began.elapsed());
    if kind == Bulk::Delete {
        place.sql.batch_execute(&format!("vacuum {table}")).await?;
    }
    Ok(took)
}
