//! What metrics and alerts ask of views and scheduled jobs, read from the rows of runs.
//!
//! Law: what it costs grows with the number of views, never with the number of runs.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::{Row, types::Type};

use crate::{
    alert::{
        Rules,
        facts::{Facts, Failed, Found, JobFacts, Live, SchedulerFacts, ViewFacts, WorkerFacts},
    },
    error::Error,
    name::RelationName,
    pg::Session,
    run::Finding,
    store::alerts,
};

/// All that these rules judge by.
pub(crate) async fn all(session: &Session, rules: &Rules) -> Result<Facts, Error> {
    let (most, at_least) = rules.durations();
    let of_views = alerts::known_as_slow(session).await?;
    let (now, scheduler) = scheduler(session).await?;
    Ok(Facts {
        now,
        views: views(session, Durations { most, at_least, of_views: &of_views }).await?,
        jobs: jobs(session).await?,
        scheduler,
        workers: workers(session).await?,
    })
}

/// Which durations of refreshes are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Durations<'a> {
    /// How many of each view; none for metrics.
    pub(crate) most: i64,
    /// Where a refresh took at least so long.
    pub(crate) at_least: Duration,
    /// And of these views in any case.
    pub(crate) of_views: &'a [i64],
}

/// Every view by name.
pub(crate) async fn views(session: &Session, durations: Durations<'_>) -> Result<Vec<ViewFacts>, Error> {
    let at_least = i64::try_from(durations.at_least.as_millis()).unwrap_or(i64::MAX);
    let params = [
        (&durations.most as _, Type::INT8),
        (&at_least as _, Type::INT8),
        (&durations.of_views as _, Type::INT8_ARRAY),
    ];
    session.query(include_str!("view_facts.sql"), &params).await?.iter().map(view).collect()
}

fn view(row: &Row) -> Result<ViewFacts, Error> {
    let finding = row.get::<_, Option<&str>>(23).map(str::parse::<Finding>).transpose()?;
    let failed = row.get::<_, Option<i64>>(14).map(|run_id| Failed {
        run_id,
        message: row.get::<_, Option<String>>(16).unwrap_or_default(),
        hint: row.get(17),
        is_retried: row.get(18),
        in_a_row: row.get(19),
    });
    let live = row
        .get::<_, Option<i64>>(20)
        .map(|run_id| Live { run_id, seconds: row.get::<_, Option<f64>>(21).unwrap_or_default() });
    Ok(ViewFacts {
        id: row.get(0),
        name: RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2))?,
        tags: row.get(3),
        target_lag_s: row.get(4),
        state: row.get::<_, &str>(5).parse()?,
        data_as_of: row.get(6),
        age_s: row.get(7),
        is_paused: row.get(8),
        is_quarantined: row.get::<_, bool>(8) && row.get::<_, bool>(26),
        is_made: row.get(9),
        last_success: row.get(10),
        last_duration_ms: row.get(11),
        bytes: row.get(12),
        rows: row.get(13),
        failed,
        live,
        took_ms: row.get::<_, Option<Vec<i64>>>(22).unwrap_or_default(),
        verified: finding.map(|finding| Found { finding, at: row.get(24), run_id: row.get(25) }),
    })
}

/// Every scheduled job that runs SQL, by name.
pub(crate) async fn jobs(session: &Session) -> Result<Vec<JobFacts>, Error> {
    let rows = session.query(include_str!("job_facts.sql"), &[]).await?;
    Ok(rows.iter().map(job).collect())
}

fn job(row: &Row) -> JobFacts {
    let failed = row.get::<_, Option<i64>>(1).map(|run_id| Failed {
        run_id,
        message: row.get::<_, Option<String>>(2).unwrap_or_default(),
        hint: row.get(3),
        is_retried: row.get(4),
        in_a_row: row.get(5),
    });
    JobFacts { name: row.get(0), failed }
}

/// Whether anything fires by the clock, and how long ago a scheduler last looked; and the server's clock.
pub(crate) async fn scheduler(session: &Session) -> Result<(Timestamp, SchedulerFacts), Error> {
    let sql = "select pg_catalog.clock_timestamp(),
                      exists (select from remat.scheduled_jobs j where j.enabled)
                      or exists (select from remat.views v
                                 where  v.retired_at is null and not remat.is_paused(v.pause)
                                 and    (v.schedule is not null or (v.target_lag_s is not null and v.relation_oid is not null))),
                      (select extract(epoch from pg_catalog.clock_timestamp() - l.turned_at)::float8
                       from remat.loops l where l.service = 'scheduler')";
    let row = session.query_one(sql, &[]).await?;
    Ok((row.get(0), SchedulerFacts { is_needed: row.get(1), silent_s: row.get(2) }))
}

/// Every worker that has not left, and for how long it has been silent.
pub(crate) async fn workers(session: &Session) -> Result<Vec<WorkerFacts>, Error> {
    let sql = "select w.id, w.name, w.slots, extract(epoch from pg_catalog.clock_timestamp() - w.heartbeat_at)::float8
               from remat.workers w order by w.id";
    let rows = session.query(sql, &[]).await?;
    let worker =
        |row: &Row| WorkerFacts { id: row.get(0), name: row.get(1), slots: row.get(2), silent_s: row.get(3) };
    Ok(rows.iter().map(worker).collect())
}
