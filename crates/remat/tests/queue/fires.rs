//! What falls due, once.

use remat::view::Strategy;
use remat_testkit::wait_until;

use crate::{
    daemon,
    support::{App, PER_USER},
};

#[tokio::test]
async fn a_sql_job_fires_by_its_cron_line_and_is_a_run() {
    let app = App::start().await;
    app.db
        .execute(
            "create table cleaned (at timestamptz default now());
             insert into remat.scheduled_jobs (name, schedule, sql)
             values ('cleanup', '* * * * * *', 'insert into public.cleaned default values')",
        )
        .await;
    let daemon = daemon::start(&app.remat, 2).await;
    wait_until("the job ran twice", async || app.count("select count(*) from cleaned").await >= 2).await;
    daemon.drain().await;
    let cleaned = app.count("select count(*) from cleaned").await;
    let runs = "select count(*) from remat.runs where operation = 'sql' and job_name = 'cleanup' and status = 'success'";
    assert_eq!(app.count(runs).await, cleaned);
    let fires = "select count(*) from remat.fires where job_name = 'cleanup' and outcome = 'enqueued'";
    assert!(app.count(fires).await >= cleaned);
}

#[tokio::test]
async fn a_view_fires_by_its_own_cron_line() {
    let app = App::start().await;
    let mut definition = App::definition(Strategy::Merge, PER_USER);
    definition.schedule = Some("* * * * * *".into());
    let view = app.create(&definition).await;
    let daemon = daemon::start(&app.remat, 2).await;
    let refreshed = "select count(*) from remat.runs where trigger = 'schedule' and status = 'success'";
    wait_until("it was refreshed twice", async || app.count(refreshed).await >= 2).await;
    daemon.drain().await;
    app.assert_equal(&view).await;
}

#[tokio::test]
async fn a_view_with_a_target_is_refreshed_before_it_gets_older() {
    let app = App::start().await;
    let mut definition = App::definition(Strategy::Merge, PER_USER);
    definition.target_lag_s = Some(2);
    app.create(&definition).await;
    let daemon = daemon::start(&app.remat, 2).await;
    let refreshed = "select count(*) from remat.runs where trigger = 'lag' and status = 'success'";
    wait_until("it was refreshed thrice", async || app.count(refreshed).await >= 3).await;
    daemon.drain().await;
}

#[tokio::test]
async fn several_daemons_fire_each_time_once() {
    let app = App::start().await;
    app.db
        .execute(
            "create table ticks (at timestamptz default now());
             insert into remat.scheduled_jobs (name, schedule, sql, dispatch)
             select 'tick ' || n, '* * * * * *', 'insert into public.ticks default values', '{\"overlap\": \"queue\"}'
             from generate_series(1, 20) n",
        )
        .await;
    let mut daemons = Vec::new();
    for _ in 0..5 {
        let remat = crate::support::connect(&app.db.url()).await;
        daemons.push(daemon::start(&remat, 2).await);
    }
    wait_until("a hundred times were dealt with", async || {
        app.count("select count(*) from remat.fires").await >= 100
    })
    .await;
    for daemon in daemons {
        daemon.drain().await;
    }
    let daemon = daemon::start(&app.remat, 4).await;
    wait_until("nothing waits", async || {
        app.count("select count(*) from remat.runs where status in ('pending', 'running') and due_at < now() - interval '1 s'").await == 0
    })
    .await;
    daemon.drain().await;
    let doubled =
        "select count(*) from (select fire_id from remat.runs group by fire_id having count(*) > 1) d";
    assert_eq!(app.count(doubled).await, 0);
    let lost = "select count(*) from remat.fires f where outcome = 'enqueued'
                and not exists (select from remat.runs r where r.fire_id = f.id and r.id = any(f.runs))";
    assert_eq!(app.count(lost).await, 0);
    let done = app.count("select count(*) from remat.runs where status = 'success'").await;
    assert_eq!(app.count("select count(*) from ticks").await, done);
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(app.count(deadlocks).await, 0, "schedulers waited for each other in a circle");
}
