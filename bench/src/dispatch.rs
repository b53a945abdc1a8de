//! How soon a run begins that is due: from the nominal time of its schedule to `started_at`, both by the server's clock,
//! with many definitions and a long past in the table.
//!
//! Law: every run that fell due within the time that counts is in the figures, however late it began; one that did not
//! begin is an error.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use remat::{
    Remat,
    backend::{Ear, Hint, JobBackend, PostgresBackend},
    daemon::{Daemon, DaemonSettings},
    error::Error,
    service::{Stop, worker::WorkerSettings},
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    Outcome,
    args::Args,
    measure::quantile,
    place::Place,
    report::{Section, Target, figure},
};

/// How long a daemon works before times count.
const SETTLE: Duration = Duration::from_secs(6);
/// How often a worker that nobody calls looks into the table.
const POLL: Duration = Duration::from_secs(1);
/// What a run of the past is like: of one of a hundred views or one of the jobs, mostly a success.
const PAST: &str = "
insert into remat.runs (view_id, operation, job_name, status, trigger, queue, backend, arguments, due_at, queued_at,
                        started_at, finished_at, data_as_of, duration_ms, error_message, meta)
select v.id, case when v.id is null then 'sql' else 'refresh' end, case when v.id is null then 'job ' || n % 1000 end,
       case when n % 50 = 0 then 'failed' else 'success' end, 'schedule', 'default', 'postgres', '{}', t, t, t,
       t + interval '40 ms', t + interval '2 ms', 40, case when n % 50 = 0 then 'it broke' end,
       '{\"view\": \"bench.past\", \"row_count_strategy\": \"estimated\"}'
from   generate_series($1::int8, $2::int8) n
cross  join lateral (select now() - ($3::int8 - n) * interval '1 second' - interval '1 hour' as t) at
cross  join lateral (select case when n % 3 > 0 then (select min(id) from remat.views where view_name like 'past%') + n % 100 end
                     as id) v";
/// How many runs of the past one statement writes.
const PAST_AT_ONCE: i64 = 500_000;
const VIEWS: &str = "
insert into remat.views (schema_name, view_name, query, strategy, fingerprint)
select 'bench', 'past_' || n, 'select 1', 'regular', 'none' from generate_series(1, 100) n";
/// Each fires once a minute; so as many per second as a sixtieth of them.
const DEFINITIONS: &str = "
insert into remat.scheduled_jobs (name, schedule, sql)
select 'job ' || n, n % 60 || ' * * * * *', 'select 1' from generate_series(1, $1::int4) n";

/// Who is there to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    OneDaemon,
    ThreeDaemons,
    Polling,
}

impl Setting {
    fn title(self) -> &'static str {
        match self {
            Self::OneDaemon => "one daemon",
            Self::ThreeDaemons => "three daemons",
            Self::Polling => "one scheduler, one worker that hears nothing and polls each second",
        }
    }
}

/// Milliseconds from due to enqueued and from due to started.
struct Latencies {
    enqueued: Vec<f64>,
    started: Vec<f64>,
}

/// Fills the table and measures each setting.
pub(crate) async fn measure(place: &Place, args: &Args) -> Outcome<Section> {
    fill(place, args).await?;
    let mut lines = Vec::new();
    let mut targets = Vec::new();
    for setting in [Setting::OneDaemon, Setting::ThreeDaemons, Setting::Polling] {
        let latencies = watch_setting(place, args, setting).await?;
        let p99 = quantile(latencies.started.iter().copied(), 0.99);
        eprintln!("dispatch: {}: p99 {p99:.1} ms", setting.title());
        lines.push(line(setting, &latencies));
        if setting != Setting::Polling {
            targets.push(Target {
                what: match setting {
                    Setting::OneDaemon => "one daemon: p99 under 100 ms",
                    _ => "three daemons: p99 under 100 ms",
                },
                measured: format!("{p99:.1} ms"),
                reached: p99 < 100.0,
            });
        }
    }
    let sql = "select pg_total_relation_size('remat.runs') / 1000000";
    let megabytes: i64 = place.sql.query_one(sql, &[]).await?.get(0);
    Ok(Section {
        title: "dispatch: from due to started".into(),
        facts: json!({
            "definitions": args.definitions, "old_runs": args.old_runs, "runs_mb": megabytes, "seconds": args.seconds.unwrap_or(60),
            "slots": args.slots,
        }),
        columns: vec![
            "",
            "runs",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "worst ms",
            "enqueued p99 ms",
            "enqueued worst ms",
        ],
        lines,
        targets,
    })
}

async fn fill(place: &Place, args: &Args) -> Outcome {
    let began = Instant::now();
    place.sql.batch_execute("truncate remat.runs, remat.fires").await?;
    place.sql.batch_execute(VIEWS).await?;
    let mut first = 1;
    while first <= args.old_runs {
        let last = (first + PAST_AT_ONCE - 1).min(args.old_runs);
        place.sql.execute(PAST, &[&first, &last, &args.old_runs]).await?;
        eprintln!("dispatch: {last} old runs after {:.0} s", began.elapsed().as_secs_f64());
        first = last + 1;
    }
    place.sql.execute(DEFINITIONS, &[&i32::try_from(args.definitions)?]).await?;
    place.sql.batch_execute("vacuum analyze").await?;
    place.sql.batch_execute("checkpoint").await?;
    eprintln!("dispatch: ready after {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

async fn watch_setting(place: &Place, args: &Args, setting: Setting) -> Outcome<Latencies> {
    // What fell due while nobody was there is not owed.
    place.sql.batch_execute("update remat.scheduled_jobs set last_fire = clock_timestamp()").await?;
    let mut daemons = Vec::new();
    match setting {
        Setting::OneDaemon => daemons.push(Running::start(place, args, true, true, true).await?),
        Setting::ThreeDaemons => {
            for _ in 0..3 {
                daemons.push(Running::start(place, args, true, true, true).await?);
            }
        }
        Setting::Polling => {
            daemons.push(Running::start(place, args, true, false, true).await?);
            daemons.push(Running::start(place, args, false, true, false).await?);
        }
    }
    sleep(SETTLE).await;
    let from: String = place.sql.query_one("select clock_timestamp()::text", &[]).await?.get(0);
    sleep(Duration::from_secs(args.seconds.unwrap_or(60).into())).await;
    let to: String = place.sql.query_one("select clock_timestamp()::text", &[]).await?.get(0);
    // What fell due last may have yet to begin.
    sleep(POLL * 2).await;
    for daemon in daemons {
        daemon.drain().await?;
    }
    read(place, &from, &to).await
}

async fn read(place: &Place, from: &str, to: &str) -> Outcome<Latencies> {
    let sql = "select 1000 * extract(epoch from r.queued_at - f.fire_at)::float8,
                      1000 * extract(epoch from r.started_at - f.fire_at)::float8
               from   remat.fires f left join remat.runs r on r.fire_id = f.id and r.queued_at > $1::text::timestamptz
               where  f.fire_at between $1::text::timestamptz and $2::text::timestamptz";
    let rows = place.sql.query(sql, &[&from, &to]).await?;
    let mut latencies = Latencies { enqueued: Vec::new(), started: Vec::new() };
    for row in rows {
        let (Some(enqueued), Some(started)) = (row.get(0), row.get(1)) else {
            return Err("a run that was due did not begin".into());
        };
        latencies.enqueued.push(enqueued);
        latencies.started.push(started);
    }
    Ok(latencies)
}

fn line(setting: Setting, latencies: &Latencies) -> Vec<Value> {
    let started = |share| figure(quantile(latencies.started.iter().copied(), share), 1);
    let enqueued = |share| figure(quantile(latencies.enqueued.iter().copied(), share), 1);
    vec![
        json!(setting.title()),
        json!(latencies.started.len()),
        started(0.5),
        started(0.95),
        started(0.99),
        started(1.0),
        enqueued(0.99),
        enqueued(1.0),
    ]
}

/// A daemon over connections of its own.
struct Running {
    stop: watch::Sender<Stop>,
    ended: JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn start(place: &Place, args: &Args, schedules: bool, works: bool, listens: bool) -> Outcome<Self> {
        let remat =
            Remat::builder().database_url(&place.url)?.idle_sessions(args.slots + 4).connect().await?;
        let worker = works.then(|| WorkerSettings {
            name: "bench".into(),
            queues: Vec::new(),
            slots: args.slots,
            poll: POLL,
            grace: Duration::from_secs(30),
        });
        let backend: Arc<dyn JobBackend> =
            if listens { Arc::new(PostgresBackend::new(&remat)) } else { Arc::new(Deaf) };
        let daemon =
            Daemon::prepare(&remat, backend, &DaemonSettings { worker, schedules, retention: None }).await?;
        let (stop, told) = watch::channel(Stop::No);
        Ok(Self { stop, ended: tokio::spawn(daemon.run(told)) })
    }

    async fn drain(self) -> Outcome {
        self.stop.send_replace(Stop::Drain);
        Ok(self.ended.await??)
    }
}

/// A back end that never brings anything.
struct Deaf;

impl JobBackend for Deaf {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn announce<'a>(&'a self, _hints: &'a [Hint]) -> BoxFuture<'a, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }

    fn listen<'a>(&'a self, _queues: &'a [String], ear: &'a Ear) -> BoxFuture<'a, Result<(), Error>> {
        async {
            ear.closed().await;
            Ok(())
        }
        .boxed()
    }
}
