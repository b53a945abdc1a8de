//! remat's own queue: clients that enqueue over SQL, and one daemon that works.

use std::{sync::Arc, time::Duration};

use futures_util::future::join;
use remat::{
    Remat,
    backend::PostgresBackend,
    daemon::{Daemon, DaemonSettings},
    service::{Stop, worker::WorkerSettings},
};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_postgres::{Client, types::ToSql};

use super::{BATCH, Phase};
use crate::{
    Outcome,
    args::Args,
    place::{Place, connect},
};

/// A run of one of a thousand jobs: two runs of the same job are never at work at once.
const STATEMENT: &str = "remat.enqueue_run('sql', null, 'job ' || n % 1000, '{\"sql\": \"select 1\"}', 'api',
    '{\"overlap\": \"queue\"}', 'postgres', clock_timestamp(), null, '{}', null, false)";
/// A refresh of one of the views.
const REFRESH: &str = "remat.enqueue_run('refresh',
    (select min(id) from remat.views where view_name like 'tiny%') + n % 100, null, '{}', 'api',
    '{\"overlap\": \"queue\"}', 'postgres', clock_timestamp(), null, '{}', null, false)";

/// Goes through a phase, to the commit of the last run's end.
pub(super) async fn go_through(
    place: &Place,
    args: &Args,
    refreshes: bool,
    phase: Phase,
    runs: u32,
) -> Outcome {
    let call = if refreshes { REFRESH } else { STATEMENT };
    match phase {
        Phase::EnqueueSingly => enqueue(place, args.clients, call, runs, 1).await,
        Phase::EnqueueInBatches => enqueue(place, args.clients, call, runs, BATCH).await,
        Phase::WorkOff => work_off(place, args.slots, async { Ok(()) }).await?.complete(runs),
        Phase::BothSingly => {
            let clients = enqueue(place, args.clients, call, runs, 1);
            work_off(place, args.slots, clients).await?.complete(runs)
        }
        Phase::BothInBatches => {
            let clients = enqueue(place, args.clients, call, runs, BATCH);
            work_off(place, args.slots, clients).await?.complete(runs)
        }
    }
}

/// Enqueues over several connections, so many in each statement.
async fn enqueue(place: &Place, clients: u32, call: &str, runs: u32, at_once: u32) -> Outcome {
    let sql = format!("select count(*) from generate_series($1::int, $2::int) n, lateral {call} e");
    let mut working = JoinSet::new();
    for client in 0..clients {
        let connection = connect(&place.url).await?;
        let (first, last) = (runs * client / clients, runs * (client + 1) / clients);
        let sql = sql.clone();
        working.spawn(async move {
            let statement = connection.prepare(&sql).await?;
            let tell = "select set_config('synchronous_commit', 'off', true), pg_notify('remat', 'run')";
            let tell = connection.prepare(tell).await?;
            let mut next = first;
            while next < last {
                let end = (next + at_once).min(last);
                let bounds = [i32::try_from(next)?, i32::try_from(end)? - 1];
                let bounds: [&(dyn ToSql + Sync); 2] = [&bounds[0], &bounds[1]];
                // In one round trip, as the library does it.
                let (enqueued, told) =
                    join(connection.query_one(&statement, &bounds), connection.query_one(&tell, &[])).await;
                enqueued?;
                told?;
                next = end;
            }
            Ok::<_, crate::Failed>(())
        });
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    Ok(())
}

/// What the table says at the end.
struct Ended {
    succeeded: i64,
    others: i64,
}

impl Ended {
    fn complete(&self, runs: u32) -> Outcome {
        if (self.succeeded, self.others) == (i64::from(runs), 0) {
            return Ok(());
        }
        Err(format!("{} of {runs} runs succeeded, {} did not", self.succeeded, self.others).into())
    }
}

/// Runs a daemon beside those who enqueue, until nothing waits.
async fn work_off(place: &Place, slots: usize, clients: impl Future<Output = Outcome>) -> Outcome<Ended> {
    let remat = Remat::builder().database_url(&place.url)?.idle_sessions(slots + 4).connect().await?;
    let worker = WorkerSettings {
        name: "bench".into(),
        queues: Vec::new(),
        slots,
        poll: Duration::from_secs(5),
        grace: Duration::from_secs(30),
    };
    let settings = DaemonSettings { worker: Some(worker), schedules: false, retention: None };
    let daemon = Daemon::prepare(&remat, Arc::new(PostgresBackend::new(&remat)), &settings).await?;
    let (stop, told) = watch::channel(Stop::No);
    let daemon = tokio::spawn(daemon.run(told));
    clients.await?;
    while !is_empty(&place.sql).await? {
        sleep(Duration::from_millis(20)).await;
    }
    stop.send_replace(Stop::Drain);
    daemon.await??;
    let sql = "select count(*) filter (where status = 'success'), count(*) filter (where status <> 'success')
               from remat.runs";
    let row = place.sql.query_one(sql, &[]).await?;
    Ok(Ended { succeeded: row.get(0), others: row.get(1) })
}

async fn is_empty(sql: &Client) -> Outcome<bool> {
    let waits = "select exists (select from remat.runs where status = 'pending')
                     or exists (select from remat.runs where status in ('running', 'unknown'))";
    Ok(!sql.query_one(waits, &[]).await?.get::<_, bool>(0))
}
