//! Connections that break and servers that end: the run tells afterwards what the server did.

mod support;

use remat::{
    operation::RefreshOptions,
    run::{Run, Status},
    view::{Strategy, View},
};
use remat_testkit::{TcpProxy, wait_until};
use support::{App, GATED, PER_USER};
use tokio::task::JoinHandle;

/// A refresh whose connection goes through the proxy.
async fn refresh_through(app: &App, proxy: &TcpProxy, view: &View) -> JoinHandle<Run> {
    let remat = support::connect(&app.db.url_through(proxy.port())).await;
    let view = view.clone();
    tokio::spawn(async move {
        remat.refresh(&view, RefreshOptions::default()).await.expect("the outcome is found")
    })
}

#[tokio::test]
async fn a_connection_cut_during_the_work_is_a_rolled_back_failure() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, GATED).await;
    app.change_sales().await;
    let proxy = TcpProxy::start(app.db.server().port).await;
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let refresh = refresh_through(&app, &proxy, &view).await;
    app.waits_for_gate().await;
    proxy.cut();
    proxy.heal();
    let run = refresh.await.unwrap();
    app.sql.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    assert!(run.error.unwrap().to_string().contains("rolled the work back"));
    assert!(!app.remat.verify(&view).await.unwrap().equal, "nothing of the refresh is visible");
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_found_to_be_a_success() {
    let app = App::start().await;
    for strategy in [Strategy::Regular, Strategy::Merge, Strategy::Swap] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = remat::name::RelationName::new("public", strategy.as_str()).unwrap();
        let view = app.create(&definition).await;
        app.change_sales().await;
        let proxy = TcpProxy::start(app.db.server().port).await;
        proxy.cut_before_reply_to_commit();
        let refresh = refresh_through(&app, &proxy, &view).await;
        let sql = format!(
            "select count(*) from remat.runs where view_id = {} and operation = 'refresh' and status = 'success'",
            view.id
        );
        wait_until("the server has committed", async || app.count(&sql).await > 0).await;
        proxy.heal();
        let run = refresh.await.unwrap();
        assert_eq!(run.status, Status::Success, "{strategy}: {run:#?}");
        app.assert_equal(&app.again(&view).await).await;
    }
}

#[tokio::test]
async fn an_outcome_is_unknown_until_the_server_tells_it() {
    let app = App::start().await;
    let mut definition = App::definition(Strategy::Regular, GATED);
    // The server shall not notice that its client is gone.
    definition.settings.parameters.insert("client_connection_check_interval".into(), "0".into());
    let view = app.create(&definition).await;
    let proxy = TcpProxy::start(app.db.server().port).await;
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let refresh = refresh_through(&app, &proxy, &view).await;
    app.waits_for_gate().await;
    proxy.cut();
    proxy.heal();
    let unknown = "select count(*) from remat.runs where status = 'unknown'";
    wait_until("the run is unknown while its transaction lives", async || app.count(unknown).await == 1)
        .await;
    app.sql.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(refresh.await.unwrap().status, Status::Failed);
    assert_eq!(app.count(unknown).await, 0);
}

#[tokio::test]
async fn a_terminated_backend_is_a_failure_and_its_work_is_gone() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, GATED).await;
    app.change_sales().await;
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let refresh = app.spawn_refresh(&view);
    app.waits_for_gate().await;
    app.db.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted and objid = 1 and database = (select oid from pg_database where datname = current_database())").await;
    let run = refresh.await.unwrap();
    app.sql.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    assert!(!app.remat.verify(&view).await.unwrap().equal);
    assert_eq!(app.refresh(&view).await.status, Status::Success);
}

#[tokio::test]
async fn a_run_whose_process_was_killed_is_ended_by_whoever_looks_next() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    // What a killed process leaves: a row that says running, and no session behind it.
    app.db
        .execute(&format!(
            "insert into remat.runs (view_id, operation, status, started_at, pid, backend_start)
             values ({}, 'refresh', 'running', clock_timestamp(), 1, '2000-01-01')",
            view.id
        ))
        .await;
    app.remat.check_schema().await.unwrap();
    let lost = &app.remat.runs(&remat::store::runs::Filter::default()).await.unwrap()[0];
    assert_eq!(lost.status, Status::Failed);
    assert!(lost.error.as_ref().unwrap().to_string().contains("rolled back"));
}

#[tokio::test]
async fn a_run_at_work_is_not_taken_for_lost() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let refresh = app.spawn_refresh(&view);
    app.waits_for_gate().await;
    app.db
        .execute("update remat.runs set started_at = started_at - interval '1 day' where status = 'running'")
        .await;
    app.remat.check_schema().await.unwrap();
    assert_eq!(app.count("select count(*) from remat.runs where status = 'running'").await, 1);
    app.sql.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(refresh.await.unwrap().status, Status::Success);
}

#[tokio::test]
async fn a_worker_that_lost_its_run_cannot_overwrite_what_was_decided() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, GATED).await;
    app.change_sales().await;
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let refresh = app.spawn_refresh(&view);
    app.waits_for_gate().await;
    app.db.execute("update remat.runs set fence = fence + 1 where status = 'running'").await;
    app.sql.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(refresh.await.unwrap().status, Status::Running, "the row is its new owner's to end");
    assert!(!app.remat.verify(&view).await.unwrap().equal, "the late worker's contents are rolled back");
}
