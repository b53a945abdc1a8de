//! Locks: one run per view, and short waits for relations.
//!
//! Law: a relation lock is waited for in short attempts inside savepoints, so that readers never queue behind remat
//! for longer than one attempt. Advisory locks belong to the transaction: a pooler or a dead worker cannot leave one
//! behind. The lock on a run says that its transaction lives; see [`crate::store::runs`].

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::Session;
use crate::{
    failure::{Failure, FailureKind},
    view::Settings,
};

/// Advisory key space of views: `remv` in ASCII.
pub(crate) const VIEW_KEY: i32 = 0x7265_6d76;
/// Advisory key space of runs: `remr` in ASCII.
pub(crate) const RUN_KEY: i32 = 0x7265_6d72;

/// Takes the lock of a view for this transaction, unless another run has it.
pub(crate) async fn try_view(session: &Session, view_id: i64) -> Result<bool, Failure> {
    let sql = "select pg_catalog.pg_try_advisory_xact_lock($1, ($2 % 2147483647)::int4)";
    let row = session.query_one(sql, &[(&VIEW_KEY, Type::INT4), (&view_id, Type::INT8)]).await?;
    Ok(row.get(0))
}

/// Marks the run as alive until this transaction ends.
pub(crate) async fn mark_run(session: &Session, run_id: i64) -> Result<(), Failure> {
    let sql = "select pg_catalog.pg_advisory_xact_lock($1, ($2 % 2147483647)::int4)::text";
    session.query(sql, &[(&RUN_KEY, Type::INT4), (&run_id, Type::INT8)]).await.map(drop)
}

/// Runs `sql`, which may wait for a lock on the relation, in attempts of `lock_timeout_ms` until it succeeds or
/// `lock_budget_ms` is spent. Gives the time spent in attempts that failed; the last attempt's own time is its work.
/// A failure names who held the lock.
pub(crate) async fn patiently(
    session: &Session,
    settings: &Settings,
    relation: u32,
    sql: &str,
) -> Result<Duration, Failure> {
    let started = Instant::now();
    let mut attempt = 0_u32;
    loop {
        let before = started.elapsed();
        let timeout =
            format!("savepoint remat_lock; set local lock_timeout = {}", settings.lock_timeout_ms.max(1));
        session.batch(&timeout).await?;
        match session.execute(sql, &[]).await {
            Ok(_) => {
                session.batch("release savepoint remat_lock").await?;
                return Ok(before);
            }
            Err(failure) if failure.kind != FailureKind::LockTimeout => return Err(failure),
            Err(failure) => {
                session.batch("rollback to savepoint remat_lock").await?;
                if started.elapsed() >= Duration::from_millis(settings.lock_budget_ms.into()) {
                    return Err(with_blockers(session, relation, failure).await);
                }
            }
        }
        attempt += 1;
        tokio::time::sleep(pause(attempt)).await;
    }
}

/// The pause between two attempts: it grows to half a second, so that readers get their turn.
fn pause(attempt: u32) -> Duration {
    Duration::from_millis(u64::from(attempt.min(10)) * 50)
}

async fn with_blockers(session: &Session, relation: u32, failure: Failure) -> Failure {
    match blockers(session, relation).await {
        Ok(names) if !names.is_empty() => failure.with_detail(format!("Blocked by {}.", names.join("; "))),
        _ => failure,
    }
    .with_hint("Wait for these sessions or end them, or raise lock_budget of the view.")
}

async fn blockers(session: &Session, relation: u32) -> Result<Vec<String>, Failure> {
    let rows = session.query(include_str!("blockers.sql"), &[(&relation, Type::OID)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
