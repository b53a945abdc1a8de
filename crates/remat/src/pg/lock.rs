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
    name::RelationName,
    view::Settings,
};

/// Advisory key space of views: `remv` in ASCII.
pub(crate) const VIEW_KEY: i32 = 0x7265_6d76;
/// Advisory key space of runs: `remr` in ASCII.
pub(crate) const RUN_KEY: i32 = 0x7265_6d72;

/// How long the transaction of a run may stand idle. Between two attempts at a lock it does for half a second at most.
const IDLE_LIMIT: &str = "20s";

/// The second half of an advisory key. It is computed here: what `%` means between a bigint and an integer would be
/// looked up along the role's search path, where somebody else's operator could fit better than the server's.
pub(crate) fn key_of(id: i64) -> i32 {
    i32::try_from(id % i64::from(i32::MAX)).expect("a remainder is smaller than its divisor")
}

/// Takes the lock of a view for this transaction, unless another run has it.
pub(crate) async fn try_view(session: &Session, view_id: i64) -> Result<bool, Failure> {
    Ok(try_views(session, &[view_id]).await? == [true])
}

/// What the statements of a run see.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight<'a> {
    /// Each what was committed before it. Under an older snapshot a refresh would put older contents over newer ones.
    Newest,
    /// All the same snapshot. It is taken after the locks on these tables, so that nobody rewrites or truncates one of
    /// them between the snapshot, which would show it empty, and its reading.
    One(&'a [RelationName]),
}

impl Sight<'_> {
    fn isolation(self) -> &'static str {
        match self {
            Self::Newest => "read committed",
            Self::One(_) => "repeatable read",
        }
    }

    /// A statement that takes no snapshot.
    fn lock(self) -> Option<String> {
        let Self::One(tables @ [_, ..]) = self else { return None };
        let names: Vec<_> = tables.iter().map(RelationName::to_sql).collect();
        Some(format!("lock table {} in access share mode;", names.join(", ")))
    }
}

/// Takes the locks of several views for this transaction, as [`try_view`] does; says for each whether it could.
pub(crate) async fn try_views(session: &Session, view_ids: &[i64]) -> Result<Vec<bool>, Failure> {
    let keys: Vec<i32> = view_ids.iter().map(|id| key_of(*id)).collect();
    let sql = "select pg_catalog.pg_try_advisory_xact_lock($1, v.key)
               from   pg_catalog.unnest($2) with ordinality as v (key, place)
               order  by v.place";
    let rows = session.query(sql, &[(&VIEW_KEY, Type::INT4), (&keys, Type::INT4_ARRAY)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Begins the transaction of runs and marks these as alive until it ends, in one round trip. What it sees does not depend on
/// the role's default. A process that is stopped between two statements loses its session after a while, so that its
/// locks hold nobody up for ever. `pin` is what else holds for the transaction.
pub(crate) async fn begin_runs(
    session: &Session,
    run_ids: &[i64],
    sight: Sight<'_>,
    pin: &str,
) -> Result<(), Failure> {
    let mark = |id: &i64| format!("pg_catalog.pg_advisory_xact_lock({RUN_KEY}, {})", key_of(*id));
    let marks: Vec<_> = run_ids.iter().map(mark).collect();
    let mark = format!("select {}", marks.join(", "));
    let limit = format!("set local idle_in_transaction_session_timeout = '{IDLE_LIMIT}'");
    let (isolation, lock) = (sight.isolation(), sight.lock().unwrap_or_default());
    session
        .batch(&format!(
            "begin transaction isolation level {isolation} read write; {limit}; {pin}; {lock} {mark}"
        ))
        .await
}

/// Runs statements that wait for locks on the relation and on what belongs to it, and are quick once they have them, in
/// [`Attempts`]. Gives the time until they succeeded.
pub(crate) async fn patiently(
    session: &Session,
    settings: &Settings,
    relation: u32,
    statements: &[String],
) -> Result<Duration, Failure> {
    let began = Instant::now();
    let mut attempts = Attempts::new(session, settings, relation);
    loop {
        attempts.begin().await?;
        match in_turn(session, statements).await {
            Ok(()) => return attempts.end().await.map(|_| began.elapsed()),
            Err(failure) => attempts.pause_after(failure).await?,
        }
    }
}

async fn in_turn(session: &Session, statements: &[String]) -> Result<(), Failure> {
    for sql in statements {
        session.execute(sql, &[]).await?;
    }
    Ok(())
}

/// Attempts at work that waits for locks: each in a savepoint with a short lock timeout, until one succeeds or
/// `lock_budget_ms` is spent. Not a function over a closure, because the futures of such closures are not `Send`.
pub(crate) struct Attempts<'a> {
    session: &'a Session,
    settings: &'a Settings,
    relation: u32,
    started: Instant,
    waited: Duration,
    made: u32,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(session: &'a Session, settings: &'a Settings, relation: u32) -> Self {
        Self { session, settings, relation, started: Instant::now(), waited: Duration::ZERO, made: 0 }
    }

    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        self.session.check_cancelled()?;
        self.made += 1;
        self.waited = self.started.elapsed();
        let timeout = self.settings.lock_timeout_ms.max(1);
        self.session.batch(&format!("savepoint remat_lock; set local lock_timeout = {timeout}")).await
    }

    /// Ends an attempt that succeeded, and gives the time spent before it. From now on the transaction waits for locks
    /// as long as the budget says.
    pub(crate) async fn end(self) -> Result<Duration, Failure> {
        let budget = self.settings.lock_budget_ms;
        self.session
            .batch(&format!("release savepoint remat_lock; set local lock_timeout = {budget}"))
            .await?;
        Ok(self.waited)
    }

    /// Undoes an attempt that failed and pauses before the next. Gives the failure back when it is not a lock's, or
    /// when the budget is spent; then it names who holds a lock on the relation.
    pub(crate) async fn pause_after(&self, failure: Failure) -> Result<(), Failure> {
        if failure.kind != FailureKind::LockTimeout {
            return Err(failure);
        }
        self.session.batch("rollback to savepoint remat_lock").await?;
        if self.started.elapsed() >= Duration::from_millis(self.settings.lock_budget_ms.into()) {
            let mut failure = with_blockers(self.session, self.relation, failure).await;
            failure.attempted.lock_wait = Some(self.started.elapsed());
            return Err(failure);
        }
        tokio::time::sleep(pause(self.made)).await;
        Ok(())
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
