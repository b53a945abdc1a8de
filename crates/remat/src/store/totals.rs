//! Totals of runs that outlive the runs, and the turns of loops.
//!
//! Law: a total never goes down; see `migrate/0012_alerts.sql` for how.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::types::Type;

use crate::{error::Error, failure::Failure, pg::Session};

/// What ended with the same labels and took about as long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// The view, or 0 for a job.
    pub(crate) view_id: i64,
    pub(crate) job: String,
    pub(crate) operation: String,
    pub(crate) status: String,
    pub(crate) strategy: String,
    /// The bound of durations that these do not exceed; the largest number for none.
    pub(crate) le_ms: i64,
    pub(crate) runs: i64,
    pub(crate) duration_ms: i64,
    pub(crate) lock_wait_ms: i64,
    pub(crate) rows_changed: i64,
    pub(crate) mismatches: i64,
}

/// All that ended since the beginning.
pub(crate) async fn counts(session: &Session) -> Result<Vec<Count>, Error> {
    let sql = "select view_id, job_name, operation, status, strategy, le_ms, runs, duration_ms, lock_wait_ms,
                      rows_changed, mismatches
               from remat.run_counts() order by view_id, job_name, operation, status, strategy, le_ms";
    let rows = session.query(sql, &[]).await?;
    let count = rows.iter().map(|row| Count {
        view_id: row.get(0),
        job: row.get(1),
        operation: row.get(2),
        status: row.get(3),
        strategy: row.get(4),
        le_ms: row.get(5),
        runs: row.get(6),
        duration_ms: row.get(7),
        lock_wait_ms: row.get(8),
        rows_changed: row.get(9),
        mismatches: row.get(10),
    });
    Ok(count.collect())
}

/// Folds what ended into the totals, some of it; gives how many ends.
pub(crate) async fn fold(session: &Session) -> Result<i64, Failure> {
    Ok(session.query_one("select remat.fold_run_ends()", &[]).await?.get(0))
}

/// Notes how long ago each of these loops of this process last did its work. One that another process turned later keeps
/// that time.
pub(crate) async fn turned(
    session: &Session,
    process: &str,
    loops: &[(&'static str, Duration)],
) -> Result<(), Failure> {
    let (names, ages): (Vec<&str>, Vec<f64>) =
        loops.iter().map(|(name, age)| (*name, age.as_secs_f64())).unzip();
    // In one order: daemons that write the same rows wait for each other, never in a circle.
    let sql = "insert into remat.loops as l (service, turned_at, process)
               select t.service, pg_catalog.clock_timestamp() - t.age * interval '1 second', $3
               from   unnest($1, $2) as t (service, age) order by t.service
               on conflict (service) do update set turned_at = excluded.turned_at, process = excluded.process
               where  excluded.turned_at > l.turned_at";
    let params =
        [(&names as _, Type::TEXT_ARRAY), (&ages as _, Type::FLOAT8_ARRAY), (&process as _, Type::TEXT)];
    session.execute(sql, &params).await.map(drop)
}

/// When each loop last did its work, by name.
pub(crate) async fn loops(session: &Session) -> Result<Vec<(String, Timestamp)>, Error> {
    let rows = session.query("select service, turned_at from remat.loops order by service", &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
