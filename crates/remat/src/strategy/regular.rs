//! `refresh materialized view`: simple, and readers wait for the whole build.
//!
//! The lock comes first, in short attempts: so readers queue behind a waiting refresh only briefly, the wait is
//! measured apart, and the snapshot is taken after it. A role that may refresh without owning the view (MAINTAIN,
//! PostgreSQL 17) cannot lock it beforehand; there the statement itself is attempted.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::{Report, Work};
use crate::{failure::Failure, pg::lock::Attempts, store::runs::Rows};

pub(super) async fn refresh(work: &mut Work<'_>) -> Result<Report, Failure> {
    let inserted_before = inserted(work).await?;
    let began = Instant::now();
    let settings = &work.view.definition.settings;
    // The refresh may also wait for a source while it keeps readers out: then the whole attempt is given up.
    let mut attempts = Attempts::new(work.session, settings, work.relation.oid);
    let (data_as_of, own_wait) = loop {
        attempts.begin().await?;
        match attempt(work).await {
            Ok(done) => break done,
            Err(failure) => attempts.pause_after(failure).await?,
        }
    };
    let waited = attempts.end().await?;
    work.phases.push("lock", waited + own_wait);
    work.phases.push("build", began.elapsed().saturating_sub(waited + own_wait));
    let after = inserted(work).await?.zip(inserted_before).map(|(now, then)| now - then);
    Ok(Report {
        data_as_of: Some(data_as_of),
        lock_wait: waited + own_wait,
        rows: Rows { before: work.rows_before(), after, ..Rows::default() },
        wants_vacuum: true,
        ..Report::default()
    })
}

/// One attempt: the lock, then the refresh. Gives `data_as_of` and the wait for the lock.
async fn attempt(work: &Work<'_>) -> Result<(Timestamp, Duration), Failure> {
    let relation = work.relation;
    let name = relation.name.to_sql();
    let waiting = Instant::now();
    if relation.owned {
        // Altering the owner to itself changes nothing and takes the lock that the refresh needs.
        let take = format!("alter materialized view {name} owner to {}", relation.owner.to_sql());
        work.session.execute(&take, &[]).await?;
    }
    let waited = if relation.owned { waiting.elapsed() } else { Duration::ZERO };
    let data_as_of = work.as_of().await?;
    work.session.execute(&format!("refresh materialized view {name}"), &[]).await?;
    Ok((data_as_of, waited))
}

/// Rows that this session has put into the relation since the server last collected its counters. The difference
/// around a refresh is exact and costs nothing.
async fn inserted(work: &Work<'_>) -> Result<Option<i64>, Failure> {
    Ok(counters(work).await?.map(|(inserted, _)| inserted))
}

/// Rows inserted and deleted, or none where the server does not count.
pub(super) async fn counters(work: &Work<'_>) -> Result<Option<(i64, i64)>, Failure> {
    let sql = "select pg_catalog.pg_stat_get_xact_tuples_inserted($1), pg_catalog.pg_stat_get_xact_tuples_deleted($1)
               where  current_setting('track_counts')::bool";
    let row = work.session.query_opt(sql, &[(&work.relation.oid, Type::OID)]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}
