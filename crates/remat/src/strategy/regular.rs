//! `refresh materialized view`: simple, and readers wait for the whole build.
//!
//! The lock comes first, in short attempts: so readers queue behind a waiting refresh only briefly, the wait is
//! measured apart, and the snapshot is taken after it. A role that may refresh without owning the view (MAINTAIN,
//! PostgreSQL 17) cannot lock it beforehand; there the statement itself is attempted.

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::{Report, Work};
use crate::{failure::Failure, pg::lock, store::runs::Rows};

pub(super) async fn refresh(work: &mut Work<'_>) -> Result<Report, Failure> {
    let (session, relation) = (work.session, work.relation);
    let name = relation.name.to_sql();
    let waiting = Instant::now();
    let mut lock_wait = Duration::ZERO;
    if relation.owned {
        // Altering the owner to itself changes nothing and takes the lock that the refresh needs.
        let take = format!("alter materialized view {name} owner to {}", relation.owner.to_sql());
        lock::patiently(session, &work.view.definition.settings, relation.oid, &take).await?;
        lock_wait = waiting.elapsed();
    }
    work.phases.add("lock", waiting);
    let inserted_before = inserted(work).await?;
    let building = Instant::now();
    let data_as_of = work.as_of().await?;
    let refresh = format!("refresh materialized view {name}");
    if relation.owned {
        session.execute(&refresh, &[]).await?;
    } else {
        lock_wait = lock::patiently(session, &work.view.definition.settings, relation.oid, &refresh).await?;
    }
    work.phases.add("build", building);
    let after = inserted(work).await?.zip(inserted_before).map(|(now, then)| now - then);
    Ok(Report {
        data_as_of: Some(data_as_of),
        lock_wait,
        rows: Rows { before: work.rows_before(), after, ..Rows::default() },
        wants_vacuum: true,
        ..Report::default()
    })
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
