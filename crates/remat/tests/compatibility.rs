//! What others read: the views with the columns and numbers of the engine that the mission's texts describe, and a
//! database that went through a dump.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/dump.rs"]
mod dump;
mod support;

use remat::{
    operation::{DeleteOptions, RefreshOptions},
    run::Status,
    view::Strategy,
};
use remat_testkit::TestDb;
use support::{App, PER_USER};

async fn columns(app: &App, view: &str) -> String {
    app.text(&format!(
        "select string_agg(attname || ' ' || format_type(atttypid, null), ', ' order by attnum) from pg_attribute
         where attrelid = 'remat.{view}'::regclass and attnum > 0"
    ))
    .await
}

#[tokio::test]
async fn the_run_views_have_the_columns_that_dashboards_of_the_engine_read() {
    let app = App::start().await;
    let run = "id bigint, mat_view_definition_id bigint, status integer, started_at timestamp with time zone, \
               finished_at timestamp with time zone, duration_ms integer, ";
    let tail =
        "error text, meta jsonb, created_at timestamp with time zone, updated_at timestamp with time zone";
    assert_eq!(columns(&app, "mat_view_create_runs").await, format!("{run}{tail}"));
    assert_eq!(columns(&app, "mat_view_refresh_runs").await, format!("{run}rows_count integer, {tail}"));
    assert_eq!(columns(&app, "mat_view_delete_runs").await, format!("{run}{tail}"));
    assert_eq!(
        columns(&app, "materialized_view_refreshes").await,
        "id bigint, view_name text, started_at timestamp with time zone, completed_at timestamp with time zone, \
         duration_ms integer, row_count integer, status text, error_message text"
    );
}

#[tokio::test]
async fn the_numbers_of_a_status_are_those_of_the_engine() {
    let app = App::start().await;
    let view = app.view(Strategy::Concurrent, PER_USER).await;
    assert_eq!(app.refresh(&view).await.status, Status::Success);
    app.db.execute("alter table sales rename to gone; create table sales (x int)").await;
    app.db.execute("alter materialized view per_user rename to hidden").await;
    assert_eq!(app.refresh(&view).await.status, Status::Failed);
    app.db.execute("alter materialized view hidden rename to per_user").await;
    let deleted = app.remat.delete(&view, DeleteOptions::default()).await.unwrap();
    assert_eq!(deleted.status, Status::Success);
    let statuses = "select string_agg(status::text, ',' order by id) from remat.mat_view_refresh_runs";
    assert_eq!(app.text(statuses).await, "2,3");
    assert_eq!(app.text("select status::text from remat.mat_view_create_runs").await, "2");
    assert_eq!(app.text("select meta->>'cascade' || status from remat.mat_view_delete_runs").await, "false2");
    let words = "select string_agg(view_name || ' ' || status || ' ' || coalesce(row_count::text, '-'), ',' order by id)
                 from remat.materialized_view_refreshes";
    assert_eq!(app.text(words).await, "per_user success 100,per_user failed -");
    let error = "select error_message from remat.materialized_view_refreshes where status = 'failed'";
    assert!(app.text(error).await.contains("does not exist in the database"));
}

#[tokio::test]
async fn a_dumped_and_restored_database_goes_on_as_it_was() {
    let app = App::start().await;
    if !dump::can(app.db.server()) {
        return;
    }
    for strategy in [Strategy::Swap, Strategy::Merge] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = remat::name::RelationName::new("public", strategy.as_str()).unwrap();
        app.create(&definition).await;
    }
    app.db.execute("insert into remat.runs (view_id, operation, status, started_at, pid, backend_start) select id, 'refresh', 'running', now(), 1, '2000-01-01' from remat.views").await;
    let restored = TestDb::create().await;
    dump::copy(app.db.server(), &app.db.url(), &restored.url(), dump::Way::Script);
    let remat = support::connect(&restored.url()).await;
    remat.check_schema().await.unwrap();
    for view in remat.views().await.unwrap() {
        restored.execute("insert into sales (user_id, cents) values (5000, 1) ").await;
        let run = remat.refresh(&view, RefreshOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
        let view = remat.view(&view.definition.name).await.unwrap();
        assert!(remat.verify(&view).await.unwrap().equal);
    }
    assert_eq!(restored.query_one_i64("select count(*) from remat.runs where status = 'running'").await, 0);
}
