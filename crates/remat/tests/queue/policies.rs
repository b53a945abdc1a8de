//! Overlap, priority, misfire and quarantine, as they turn out.

use remat::{
    backend::PostgresBackend,
    job::JobKind,
    name::RelationName,
    run::Status,
    schedule::Overlap,
    store::queue::{Enqueued, Outcome},
    view::{Definition, Strategy, View},
};
use remat_testkit::wait_until;
use serde_json::json;

use crate::{
    daemon,
    support::{App, GATED, PER_USER},
};

async fn ask(app: &App, view: &View) -> Enqueued {
    let backend = PostgresBackend::new(&app.remat);
    app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap()
}

fn with_overlap(overlap: Overlap) -> Definition {
    let mut definition = App::definition(Strategy::Regular, GATED);
    definition.dispatch.overlap = overlap;
    definition
}

/// A view whose refresh waits at the gate, a daemon at work on it, and its run.
async fn at_the_gate(app: &App, overlap: Overlap) -> (View, daemon::Running, tokio_postgres::Client, i64) {
    let view = app.create(&with_overlap(overlap)).await;
    let gate = app.shut_gate().await;
    let daemon = daemon::start(&app.remat, 4).await;
    let first = ask(app, &view).await.run_id;
    app.waits_for_gate().await;
    (view, daemon, gate, first)
}

#[tokio::test]
async fn overlap_skip_names_the_run_that_is_at_work() {
    let app = App::start().await;
    let (view, daemon, gate, first) = at_the_gate(&app, Overlap::Skip).await;
    assert_eq!(ask(&app, &view).await, Enqueued { run_id: first, outcome: Outcome::Skipped });
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(app.remat.wait_for_run(first).await.unwrap().status, Status::Success);
    daemon.drain().await;
}

#[tokio::test]
async fn overlap_queue_does_every_request_one_after_the_other() {
    let app = App::start().await;
    let (view, daemon, gate, first) = at_the_gate(&app, Overlap::Queue).await;
    let (second, third) = (ask(&app, &view).await.run_id, ask(&app, &view).await.run_id);
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    let mut before = None;
    for id in [first, second, third] {
        let run = app.remat.wait_for_run(id).await.unwrap();
        assert_eq!(run.status, Status::Success);
        assert!(run.started_at > before, "two were at work at once");
        before = run.finished_at;
    }
    daemon.drain().await;
}

#[tokio::test]
async fn overlap_cancel_other_takes_the_place_of_what_is_at_work() {
    let app = App::start().await;
    let (view, daemon, gate, first) = at_the_gate(&app, Overlap::CancelOther).await;
    let second = ask(&app, &view).await.run_id;
    wait_until("the first is cancelled", async || app.remat.run(first).await.unwrap().status.is_final())
        .await;
    assert_eq!(app.remat.run(first).await.unwrap().status, Status::Cancelled);
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(app.remat.wait_for_run(second).await.unwrap().status, Status::Success);
    daemon.drain().await;
}

#[tokio::test]
async fn the_more_urgent_run_begins_first() {
    let app = App::start().await;
    let mut runs = Vec::new();
    for priority in [0, 5, -3, 9] {
        let mut definition = App::definition(Strategy::Regular, PER_USER);
        definition.name = RelationName::new("public", format!("v{}", runs.len())).unwrap();
        definition.dispatch.priority = priority;
        let view = app.create(&definition).await;
        runs.push((priority, ask(&app, &view).await.run_id));
    }
    let daemon = daemon::start(&app.remat, 1).await;
    let mut began = Vec::new();
    for (priority, id) in runs {
        began.push((app.remat.wait_for_run(id).await.unwrap().started_at, priority));
    }
    began.sort();
    assert_eq!(began.iter().map(|(_, priority)| *priority).collect::<Vec<_>>(), [9, 5, 0, -3]);
    daemon.drain().await;
}

#[tokio::test]
async fn times_that_nobody_saw_fire_once_late_and_are_counted() {
    let app = App::start().await;
    app.db
        .execute(
            "create table ticks (at timestamptz default now());
             insert into remat.scheduled_jobs (name, schedule, sql, last_fire, updated_at, dispatch)
             select name, '0 * * * *', 'insert into public.ticks default values', now() - interval '5 hours', now() - interval '1 day',
                    jsonb_build_object('jitter_s', 0, 'misfire', misfire)
             from (values ('once', 'once'), ('skip', 'skip'), ('all', 'all')) v(name, misfire)",
        )
        .await;
    let daemon = daemon::start(&app.remat, 2).await;
    let fires = "select count(*) from remat.fires";
    wait_until("each was dealt with", async || {
        app.count(&format!("{fires} where outcome = 'skipped'")).await >= 1
            && app.count(&format!("{fires} where job_name = 'once'")).await >= 1
            && app.count(&format!("{fires} where job_name = 'all'")).await >= 4
    })
    .await;
    daemon.drain().await;
    // Five hours ago is between four and six full hours, whatever the minute is.
    let once = app.count("select sum(missed) from remat.fires where job_name = 'once'").await;
    assert!((3..=5).contains(&once), "{once}");
    assert_eq!(app.count(&format!("{fires} where job_name = 'once' and outcome <> 'skipped'")).await, 1);
    assert_eq!(app.count(&format!("{fires} where job_name = 'skip' and outcome <> 'skipped' and fire_at < now() - interval '2 minutes'")).await, 0);
}

#[tokio::test]
async fn a_view_that_takes_its_connection_down_three_times_is_quarantined() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    // What three crashes leave behind; a server is not crashed here, because other tests have it, too.
    app.db
        .execute(&format!(
            "insert into remat.runs (view_id, operation, status, started_at, finished_at, error_message, meta)
             select {}, 'refresh', 'failed', clock_timestamp(), clock_timestamp(), 'lost', '{{\"failure\": \"connection_lost\"}}'
             from generate_series(1, 3)",
            view.id
        ))
        .await;
    assert_eq!(app.count(&format!("select remat.quarantine({})::int::int8", view.id)).await, 1);
    assert_eq!(
        app.count(&format!("select remat.quarantine({})::int::int8", view.id)).await,
        0,
        "once is enough"
    );
    let paused = app.again(&view).await;
    assert!(paused.pause.as_ref().is_some_and(|pause| pause.by == "remat" && pause.until.is_some()));
    let daemon = daemon::start(&app.remat, 1).await;
    let run = app.remat.wait_for_run(ask(&app, &view).await.run_id).await.unwrap();
    assert_eq!((run.status, run.reason.as_deref()), (Status::Skipped, Some("paused")));
    app.remat.resume(&paused).await.unwrap();
    let run = app.remat.wait_for_run(ask(&app, &view).await.run_id).await.unwrap();
    assert_eq!(run.status, Status::Success);
    daemon.drain().await;
}
