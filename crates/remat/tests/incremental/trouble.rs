//! What goes wrong, and that nothing of it stays.

use remat::{
    operation::RefreshOptions,
    run::Status,
    view::{Definition, Strategy},
};

use crate::{
    fixture::{assert_fresh, following, refreshed, refreshes_by},
    support::{App, GATED, PER_USER},
};

#[tokio::test]
async fn a_strict_view_fails_where_it_would_be_merged() {
    let app = App::start().await;
    let definition = Definition { strict: true, ..App::definition(Strategy::Incremental, PER_USER) };
    let view = app.create(&definition).await;
    refreshes_by(&app, &view, "merge").await;
    app.db.execute("truncate sales").await;
    let run = app.refresh(&view).await;
    assert_eq!(run.error.unwrap().primary, "view \"public.per_user\" cannot be refreshed incrementally");
    app.refresh_by(&view, Strategy::Merge).await.check().unwrap();
    app.db.execute("insert into sales (user_id, cents) values (1, 1)").await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn a_merge_on_request_leaves_a_state_to_follow_from() {
    let (app, view) = following(PER_USER).await;
    app.change_sales().await;
    let run = app.refresh_by(&view, Strategy::Merge).await;
    assert_eq!((run.strategy.as_deref(), run.reason.as_deref()), (Some("merge"), Some("as asked for")));
    refreshes_by(&app, &view, "skip").await;
    let forced = RefreshOptions { force: true, ..RefreshOptions::default() };
    let run = app.remat.refresh(&view, forced).await.unwrap();
    assert_eq!(run.strategy.as_deref(), Some("merge"));
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn a_cancelled_refresh_changes_nothing() {
    let (app, view) = following(GATED).await;
    app.change_sales().await;
    let gate = app.shut_gate().await;
    let refresh = app.spawn_refresh(&view);
    app.waits_for_gate().await;
    app.remat.cancel_all().await;
    let run = refresh.await.unwrap();
    assert_eq!(run.status, Status::Cancelled, "{run:#?}");
    drop(gate);
    let run = refreshed(&app, &view).await;
    assert_eq!(run.rows_inserted, Some(1), "{run:#?}");
}

#[tokio::test]
async fn a_crash_between_two_statements_changes_nothing() {
    let (app, view) = following(GATED).await;
    app.change_sales().await;
    let gate = app.shut_gate().await;
    let refresh = app.spawn_refresh(&view);
    app.waits_for_gate().await;
    app.db
        .execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted")
        .await;
    let run = refresh.await.unwrap();
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    drop(gate);
    let run = refreshed(&app, &view).await;
    assert_eq!(run.rows_inserted, Some(1), "{run:#?}");
}

#[tokio::test]
async fn two_refreshes_at_once_are_one() {
    let (app, view) = following(GATED).await;
    app.change_sales().await;
    let gate = app.shut_gate().await;
    let refresh = app.spawn_refresh(&view);
    app.waits_for_gate().await;
    let second = app.refresh(&view).await;
    assert_eq!((second.status, second.reason.as_deref()), (Status::Skipped, Some("already_running")));
    drop(gate);
    assert_eq!(refresh.await.unwrap().status, Status::Success);
    assert_fresh(&app, &view).await;
}

#[tokio::test]
async fn data_on_which_the_query_fails_fails_the_run_and_nothing_else() {
    let app = App::start().await;
    app.db.execute("create table items (user_id int, n int); insert into items values (1, 1), (2, 2)").await;
    let view =
        app.view(Strategy::Incremental, "select user_id, sum(10 / n) as n from items group by user_id").await;
    refreshes_by(&app, &view, "merge").await;
    app.db.execute("insert into items values (3, 0)").await;
    let run = app.refresh(&view).await;
    assert_eq!(run.error.unwrap().primary, "division by zero");
    app.db.execute("update items set n = 1 where n = 0").await;
    refreshed(&app, &view).await;
}
