//! How a request becomes a run, and how exactly one worker gets it.

use std::{sync::Arc, time::Duration};

use remat::{
    backend::{InlineBackend, PostgresBackend, RedisBackend},
    job::JobKind,
    operation::RefreshOptions,
    run::Status,
    store::queue::{Outcome, Reach},
    view::Strategy,
};
use remat_testkit::{RedisServer, wait_until};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    daemon,
    support::{App, GATED, PER_USER},
};

#[tokio::test]
async fn an_enqueued_refresh_is_done_by_a_worker() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    let backend = PostgresBackend::new(&app.remat);
    app.change_sales().await;
    let enqueued =
        app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id), json!("exact")]).await.unwrap();
    assert_eq!(app.remat.run(enqueued.run_id).await.unwrap().status, Status::Pending);
    let daemon = daemon::start(&app.remat, 2).await;
    let run = app.remat.wait_for_run(enqueued.run_id).await.unwrap();
    assert_eq!((run.status, run.rows_after), (Status::Success, Some(100)), "{run:#?}");
    app.assert_equal(&view).await;
    daemon.drain().await;
    assert_eq!(app.count("select count(*) from remat.workers").await, 0, "a worker takes itself out");
}

#[tokio::test]
async fn a_worker_that_waits_is_woken_by_a_request_in_sql() {
    let app = App::start().await;
    app.view(Strategy::Merge, PER_USER).await;
    let daemon = daemon::start(&app.remat, 2).await;
    wait_until("the worker listens", async || {
        app.count("select count(*) from remat.workers where state = 'running'").await == 1
    })
    .await;
    let began = std::time::Instant::now();
    let id = app.count("select remat.enqueue_refresh('per_user')").await;
    let run = app.remat.wait_for_run(id).await.unwrap();
    assert_eq!(run.status, Status::Success, "{run:#?}");
    assert!(began.elapsed() < Duration::from_secs(3), "it was found by looking, not by being told");
    daemon.drain().await;
}

#[tokio::test]
async fn a_worker_with_a_broker_is_woken_by_a_request_in_sql() {
    let (app, broker) = (App::start().await, RedisServer::start().await);
    app.view(Strategy::Merge, PER_USER).await;
    let backend = RedisBackend::connect(&broker.url(), None).await.unwrap();
    let mut settings = daemon::settings(2);
    settings.worker.as_mut().unwrap().poll = Duration::from_hours(1);
    let daemon = daemon::start_with(&app.remat, Arc::new(backend), &settings).await;
    // The worker proves that it hears, and looks once more when it does.
    wait_until("the worker listens to the database", async || {
        app.count(
            "select count(*) from pg_stat_activity
             where  datname = current_database() and state = 'idle' and query like '%pg_notify%'",
        )
        .await
            > 0
    })
    .await;
    let id = app.count("select remat.enqueue_refresh('per_user')").await;
    let run =
        timeout(Duration::from_secs(30), app.remat.wait_for_run(id)).await.expect("it is told").unwrap();
    assert_eq!(run.status, Status::Success, "{run:#?}");
    daemon.drain().await;
}

#[tokio::test]
async fn a_worker_that_waits_is_woken_by_a_request_of_the_library() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    let daemon = daemon::start(&app.remat, 2).await;
    wait_until("the worker listens", async || {
        app.count("select count(*) from remat.workers where state = 'running'").await == 1
    })
    .await;
    // Another process, which cannot ring this one's bell.
    let other = crate::support::connect(&app.db.url()).await;
    let backend = PostgresBackend::new(&other);
    let began = std::time::Instant::now();
    let run = other.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    assert_eq!(app.remat.wait_for_run(run).await.unwrap().status, Status::Success);
    assert!(began.elapsed() < Duration::from_secs(3), "it was found by looking, not by being told");
    daemon.drain().await;
}

#[tokio::test]
async fn a_claim_locks_what_it_takes_and_nothing_else() {
    let app = App::start().await;
    let enqueue = "select count(*) from generate_series(1, 30) n, lateral remat.enqueue_run('sql', null, 'job ' || n % 10,
                     '{\"sql\": \"select 1\"}', 'api', '{\"overlap\": \"queue\"}', 'postgres', clock_timestamp(), null,
                     '{}', null, false) e";
    assert_eq!(app.count(enqueue).await, 30);
    let mut claiming = app.db.connect().await;
    let claiming = claiming.transaction().await.unwrap();
    let claimed = claiming.query("select id, job_name from remat.claim(null, null, 20)", &[]).await.unwrap();
    let jobs: std::collections::HashSet<String> = claimed.iter().map(|row| row.get(1)).collect();
    assert_eq!((claimed.len(), jobs.len()), (10, 10), "one run of each job");
    let free = "select count(*) from (select from remat.runs for update skip locked) free";
    assert_eq!(app.count(free).await, 20);
    claiming.commit().await.unwrap();
    assert_eq!(
        app.count("select count(*) from remat.claim(null, null, 20)").await,
        0,
        "all jobs are at work"
    );
}

#[tokio::test]
async fn a_job_whose_run_was_taken_over_meanwhile_commits_nothing() {
    let app = App::start().await;
    app.db.execute("create table marks (at timestamptz default now())").await;
    let gate = app.shut_gate().await;
    let daemon = daemon::start(&app.remat, 2).await;
    let enqueue =
        "select run_id from remat.enqueue_run('sql', null, 'mark',
           '{\"sql\": \"insert into public.marks select now() where public.gate()\"}', 'api', '{}', 'postgres',
           clock_timestamp(), null, '{}', null, true)";
    let run = app.count(enqueue).await;
    app.waits_for_gate().await;
    app.db.execute("update remat.runs set fence = fence + 1 where status = 'running'").await;
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    wait_until("the job is over", async || {
        app.count("select count(*) from pg_locks where locktype = 'advisory' and classid = 1919249778").await
            == 0
    })
    .await;
    assert_eq!(app.count("select count(*) from marks").await, 0);
    assert_eq!(app.remat.run(run).await.unwrap().status, Status::Running, "the row is the other's");
    daemon.drain().await;
}

#[tokio::test]
async fn inline_does_at_once_what_is_enqueued() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let enqueued =
        app.remat.enqueue(&InlineBackend, JobKind::Refresh, None, &[json!("per_user")]).await.unwrap();
    let run = app.remat.run(enqueued.run_id).await.unwrap();
    assert_eq!(run.status, Status::Success, "{run:#?}");
    let enqueued = app
        .remat
        .enqueue(&InlineBackend, JobKind::Delete, None, &[json!(view.id), json!(true)])
        .await
        .unwrap();
    assert_eq!(app.remat.run(enqueued.run_id).await.unwrap().status, Status::Success);
    let enqueued = app
        .remat
        .enqueue(&InlineBackend, JobKind::Create, None, &[json!(view.id), json!(false)])
        .await
        .unwrap();
    assert_eq!(app.remat.run(enqueued.run_id).await.unwrap().status, Status::Success);
}

#[tokio::test]
async fn requests_during_a_run_become_one_that_begins_after_it() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    let backend = PostgresBackend::new(&app.remat);
    let gate = app.shut_gate().await;
    let daemon = daemon::start(&app.remat, 4).await;
    let ask = async || app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap();
    let first = ask().await;
    app.waits_for_gate().await;
    let second = ask().await;
    assert_eq!(second.outcome, Outcome::Enqueued);
    for _ in 0..5 {
        let next = ask().await;
        assert_eq!((next.run_id, next.outcome), (second.run_id, Outcome::Joined));
    }
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    let first = app.remat.wait_for_run(first.run_id).await.unwrap();
    let second = app.remat.wait_for_run(second.run_id).await.unwrap();
    assert_eq!((first.status, second.status), (Status::Success, Status::Success));
    assert!(second.data_as_of > first.finished_at, "it began before the other one had ended");
    daemon.drain().await;
}

#[tokio::test]
async fn a_request_in_a_transaction_sees_what_that_transaction_wrote() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    let mut other = app.db.connect().await;
    // A run waits already; the worker must not take it for a request whose writes it cannot see.
    let waiting = app.count("select remat.enqueue_refresh('per_user')").await;
    let tx = other.transaction().await.unwrap();
    let joined: i64 = tx.query_one("select remat.enqueue_refresh('per_user')", &[]).await.unwrap().get(0);
    tx.batch_execute("insert into sales (user_id, cents) values (5000, 1)").await.unwrap();
    let daemon = daemon::start(&app.remat, 2).await;
    if joined != waiting {
        app.remat.wait_for_run(waiting).await.unwrap().check().unwrap();
    }
    tx.commit().await.unwrap();
    let run = app.remat.wait_for_run(joined).await.unwrap();
    assert_eq!(run.status, Status::Success, "{run:#?}");
    app.assert_equal(&view).await;
    daemon.drain().await;
}

#[tokio::test]
async fn a_downstream_run_waits_for_its_upstream_and_is_skipped_when_that_fails() {
    let app = App::start().await;
    app.view(Strategy::Regular, "select user_id, 100 / min(cents) as n from sales group by user_id").await;
    let mut above = App::definition(Strategy::Regular, "select count(*) as user_id from per_user");
    above.name = remat::name::RelationName::new("public", "above").unwrap();
    let above = app.create(&above).await;
    let backend = PostgresBackend::new(&app.remat);
    let reach = Reach { upstream: true, downstream: false };
    let views = [above.clone()];
    let daemon = daemon::start(&app.remat, 4).await;
    let runs =
        app.remat.enqueue_views(&backend, &views, reach, RefreshOptions::default(), None).await.unwrap();
    assert_eq!(runs.len(), 2);
    let [below, above_run] = [runs[0].1.run_id, runs[1].1.run_id];
    let run = app.remat.wait_for_run(above_run).await.unwrap();
    let upstream = app.remat.run(below).await.unwrap();
    assert_eq!((upstream.status, run.status), (Status::Success, Status::Success));
    assert!(run.data_as_of > upstream.finished_at);

    app.db.execute("update sales set cents = 0").await;
    let runs =
        app.remat.enqueue_views(&backend, &views, reach, RefreshOptions::default(), None).await.unwrap();
    let run = app.remat.wait_for_run(runs[1].1.run_id).await.unwrap();
    assert_eq!((run.status, run.reason.as_deref()), (Status::Skipped, Some("upstream_failed")), "{run:#?}");
    assert_eq!(run.meta["root_cause"], json!(runs[0].1.run_id));
    daemon.drain().await;
}

#[tokio::test]
async fn a_queue_never_has_more_at_work_than_it_may() {
    let app = App::start().await;
    let backend = PostgresBackend::new(&app.remat);
    let gate = app.db.connect().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        let mut definition = App::definition(Strategy::Regular, GATED);
        definition.name = remat::name::RelationName::new("public", format!("v{n}")).unwrap();
        ids.push(app.create(&definition).await.id);
    }
    gate.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    app.db.execute("insert into remat.queues (name, concurrency) values ('default', 2)").await;
    let daemons = [daemon::start(&app.remat, 4).await, daemon::start(&app.remat, 4).await];
    let mut runs = Vec::new();
    for id in ids {
        runs.push(app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(id)]).await.unwrap().run_id);
    }
    wait_until("two are at work", async || {
        app.count("select count(*) from remat.runs where status = 'running'").await == 2
    })
    .await;
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    for run in runs {
        assert_eq!(app.remat.wait_for_run(run).await.unwrap().status, Status::Success);
    }
    let overlapping = "select max((select count(*) from remat.runs b where b.operation = 'refresh'
                         and b.started_at <= a.started_at and b.finished_at > a.started_at))
                       from remat.runs a where a.operation = 'refresh'";
    assert!(app.count(overlapping).await <= 2);
    for daemon in daemons {
        daemon.drain().await;
    }
}
