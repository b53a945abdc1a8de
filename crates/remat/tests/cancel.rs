//! Cancelling: what it ends, what it must not touch, and what the runs say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use remat::{operation::RefreshOptions, run::Status, view::Strategy};
use remat_testkit::wait_until;
use support::{App, GATED, PER_USER};

#[tokio::test]
async fn a_cancel_ends_the_vacuum_and_the_run_stays_a_success() {
    let app = App::start().await;
    // Statistics of an expression over the view call its function: that keeps the vacuum at work.
    app.db
        .execute(
            "create function slow(bigint) returns bigint language plpgsql immutable as $$
             begin if exists (select from pg_class where relname = 'go_slow') then perform pg_sleep(600); end if; return $1; end $$",
        )
        .await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    app.db.execute("create statistics per_user_slow on (slow(sales)) from per_user").await;
    app.db.execute("create table go_slow ()").await;
    let remat = app.remat.clone();
    let copy = view.clone();
    let refresh = tokio::spawn(async move { remat.refresh(&copy, RefreshOptions::default()).await.unwrap() });
    let sleeps =
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
    wait_until("the vacuum is at work", async || app.count(sleeps).await == 1).await;
    app.remat.cancel_all().await;
    let run = refresh.await.unwrap();
    assert_eq!(run.status, Status::Success, "{run:#?}");
    assert_eq!(run.meta["vacuum"]["status"], "failed");
    let kept = app.remat.run(run.id).await.unwrap();
    assert_eq!(kept.meta["vacuum"]["status"], "failed", "the row says so, too");
}

#[tokio::test]
async fn a_session_that_was_cancelled_serves_nobody_else() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    for _ in 0..5 {
        let refresh = app.spawn_refresh(&view);
        app.waits_for_gate().await;
        // Several requests, some of which arrive when the run has ended already.
        let cancels: Vec<_> = (0..4)
            .map(|_| {
                let remat = app.remat.clone();
                tokio::spawn(async move { remat.cancel_all().await })
            })
            .collect();
        assert_eq!(refresh.await.unwrap().status, Status::Cancelled);
        for _ in 0..20 {
            app.remat.views().await.unwrap();
        }
        for cancel in cancels {
            cancel.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_cancel_that_hits_the_end_of_a_cancelled_run_leaves_it_cancelled() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    let remat = app.remat.clone();
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let refresh = tokio::spawn({
        let (remat, view) = (remat.clone(), view.clone());
        async move { remat.refresh(&view, RefreshOptions::default()).await.unwrap() }
    });
    app.waits_for_gate().await;
    // The row cannot be written for a while: the next request hits that statement.
    let blocker = app.db.connect().await;
    blocker.batch_execute("begin; select from remat.runs where status = 'running' for update").await.unwrap();
    remat.cancel_all().await;
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%remat.end_run%'
                 and datname = current_database() and pid <> pg_backend_pid()";
    wait_until("the end is being written", async || app.count(waits).await == 1).await;
    app.db
        .execute(
            "select pg_cancel_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'
             and query like '%remat.end_run%' and datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    blocker.batch_execute("commit").await.unwrap();
    let run = refresh.await.unwrap();
    assert_eq!(run.status, Status::Cancelled, "{run:#?}");
}
