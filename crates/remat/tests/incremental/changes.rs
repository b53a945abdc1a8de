//! What an application does to its tables shows in the view, and costs no more than that.

use remat::view::Strategy;

use crate::{
    fixture::{following, incremental, refreshed, refreshes_by},
    support::{App, PER_USER},
};

#[tokio::test]
async fn the_first_refresh_fills_and_later_ones_follow() {
    let (app, view) = following(PER_USER).await;
    for statement in [
        "insert into sales (user_id, cents) values (1, 5), (1000, 7)",
        "update sales set cents = cents + 1 where user_id = 3",
        "update sales set user_id = 4 where user_id = 3",
        "delete from sales where user_id in (5, 1000)",
        "insert into sales (user_id, cents) select 5, 1 from generate_series(1, 10)",
    ] {
        app.db.execute(statement).await;
        let run = refreshes_by(&app, &view, "incremental").await;
        let reason = run.reason.unwrap();
        assert!(reason.starts_with("incremental: ") && reason.ends_with("in \"public.sales\""), "{reason}");
    }
}

#[tokio::test]
async fn a_refresh_tells_what_it_wrote() {
    let (app, view) = following(PER_USER).await;
    app.change_sales().await;
    let run = refreshes_by(&app, &view, "incremental").await;
    assert_eq!((run.rows_inserted, run.rows_updated, run.rows_deleted), (Some(1), Some(10), Some(1)));
    assert_eq!((run.rows_before, run.rows_after), (Some(100), Some(100)));
    assert_eq!(run.meta["changes"]["public.sales"], 31);
    assert!(!run.meta["stages"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn nothing_changed_is_a_skip() {
    let (app, view) = following(PER_USER).await;
    app.db.execute("update sales set cents = cents where false; begin; delete from sales; rollback").await;
    let run = refreshes_by(&app, &view, "skip").await;
    assert_eq!(run.reason.as_deref(), Some("unchanged: no table that it reads has changed"));
    assert_eq!((run.rows_after, run.rows_updated), (Some(100), Some(0)));
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
    refreshes_by(&app, &view, "skip").await;
}

#[tokio::test]
async fn a_truncate_is_a_merge_and_changes_are_followed_from_there() {
    let (app, view) = following(PER_USER).await;
    app.db.execute("truncate sales; insert into sales (user_id, cents) values (1, 1)").await;
    let run = refreshes_by(&app, &view, "merge").await;
    assert_eq!(run.reason.as_deref(), Some("merge: all rows of \"public.sales\" went at once"));
    app.db.execute("insert into sales (user_id, cents) values (2, 1)").await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn auto_follows_changes_where_that_can_be() {
    let app = App::start().await;
    let view = app.view(Strategy::Auto, PER_USER).await;
    refreshes_by(&app, &view, "merge").await;
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn rows_leave_a_window_of_time_although_nobody_writes() {
    let app = App::start().await;
    app.db
        .execute(
            "create table visits (user_id int, at timestamptz not null);
             insert into visits select g, now() - interval '1 hour' + g * interval '1 millisecond' from generate_series(1, 50) g;
             insert into visits select g, now() from generate_series(51, 60) g",
        )
        .await;
    let query =
        "select user_id, count(*) as n from visits where at > now() - interval '1 hour' group by user_id";
    let view = app.create(&incremental("recent", query)).await;
    refreshed(&app, &view).await;
    app.db.execute("update visits set at = at - interval '1 minute' where user_id = 55").await;
    refreshed(&app, &view).await;
    let run = refreshes_by_now(&app, &view).await;
    assert_eq!(run, 10);
}

/// Refreshes until the fifty rows have left, and gives what is left.
async fn refreshes_by_now(app: &App, view: &remat::view::View) -> i64 {
    remat_testkit::wait_until("the rows have left", async || {
        refreshed(app, view).await;
        app.count("select count(*) from recent").await == 10
    })
    .await;
    app.count("select count(*) from recent").await
}

#[tokio::test]
async fn a_key_that_is_not_unique_fails_as_in_a_merge() {
    let app = App::start().await;
    app.db.execute("create table items (user_id int, n int); insert into items values (1, 1), (2, 2)").await;
    let view = app.view(Strategy::Incremental, "select user_id, n from items").await;
    refreshes_by(&app, &view, "merge").await;
    app.db.execute("insert into items values (1, 3)").await;
    let run = app.refresh(&view).await;
    let error = run.error.unwrap();
    assert_eq!(error.primary, "the key of view \"public.per_user\" is not unique in its query's result");
    app.db.execute("delete from items where n = 3").await;
    refreshed(&app, &view).await;
    app.db.execute("insert into items values (3, 3)").await;
    refreshed(&app, &view).await;
}

#[tokio::test]
async fn many_changes_are_merged_where_that_took_less() {
    let (app, view) = following(PER_USER).await;
    let many = "insert into sales (user_id, cents) select g % 3000, g from generate_series(1, 20000) g";
    app.db.execute(many).await;
    refreshes_by(&app, &view, "incremental").await;
    let learned =
        "select count(*) from remat.view_plans where follow_rate > 0 and merge_rate > 0 and follow_ms > 0";
    assert_eq!(app.count(learned).await, 1, "what both took was kept");
    // However slow the machine was.
    app.db
        .execute("update remat.view_plans set follow_rate = 1000000, merge_rate = 0.000001, follow_ms = 5, merge_from = null")
        .await;
    app.db.execute(many).await;
    let run = refreshes_by(&app, &view, "merge").await;
    let reason = run.reason.unwrap();
    assert!(reason.contains("20,000"), "{reason}");
    let learned = "select count(*) from remat.view_plans where merge_rate > 0.00001 and merge_from = 2000";
    assert_eq!(app.count(learned).await, 1, "and what that took, and from how many changes on it is better");
    // It left the hidden table behind, which is filled once before changes are followed again.
    app.change_sales().await;
    let run = refreshes_by(&app, &view, "merge").await;
    assert!(run.reason.unwrap().contains("left behind"));
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn a_truncation_among_more_changes_than_are_counted_is_answered_by_a_merge() {
    let (app, view) = following(PER_USER).await;
    app.db.execute("update remat.view_plans set merge_from = 100").await;
    app.db
        .execute("insert into sales (user_id, cents) select g % 30, g from generate_series(1, 500) g")
        .await;
    app.db.execute("truncate sales; insert into sales (user_id, cents) values (1, 1)").await;
    let run = refreshes_by(&app, &view, "merge").await;
    assert!(
        run.reason.unwrap().contains("at least 100 of"),
        "counting stopped before it came to the truncation"
    );
    let raised = "select count(*) from remat.view_plans where merge_from = 125";
    assert_eq!(app.count(raised).await, 1, "one day it is weighed again");
}

#[tokio::test]
async fn few_changes_are_weighed_as_well_once_following_took_long() {
    let (app, view) = following(PER_USER).await;
    app.change_sales().await;
    app.db
        .execute("update remat.view_plans set follow_ms = 5000, follow_rate = 1000000, merge_rate = 0.000001")
        .await;
    let run = refreshes_by(&app, &view, "merge").await;
    assert!(run.reason.unwrap().contains(" of about "), "it tells how many rows changed");
    app.db.execute("update remat.view_plans set follow_rate = 0.000001").await;
    app.change_sales().await;
    refreshes_by(&app, &view, "merge").await;
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
    let quick = "select count(*) from remat.view_plans where follow_ms < 5000";
    assert_eq!(app.count(quick).await, 1, "and it is known that it no longer does");
}

#[tokio::test]
async fn a_view_over_a_view_follows_it() {
    let (app, view) = following(PER_USER).await;
    let query = "select sales as user_id, count(*) as users from per_user group by sales";
    let upper = app.create(&incremental("upper", query)).await;
    refreshed(&app, &upper).await;
    app.change_sales().await;
    refreshes_by(&app, &upper, "skip").await;
    refreshes_by(&app, &view, "incremental").await;
    refreshes_by(&app, &upper, "incremental").await;
}

#[tokio::test]
async fn a_partitioned_table_is_followed() {
    let app = App::start().await;
    app.db
        .execute(
            "create table parted (user_id int, n int) partition by range (user_id);
             create table parted_1 partition of parted for values from (0) to (100);
             create table parted_2 partition of parted for values from (100) to (200);
             insert into parted select g, g from generate_series(0, 199) g",
        )
        .await;
    let view =
        app.view(Strategy::Incremental, "select user_id, sum(n) as n from parted group by user_id").await;
    refreshes_by(&app, &view, "merge").await;
    for statement in [
        "update parted set user_id = 150 where user_id = 50",
        "insert into parted_1 values (7, 7)",
        "delete from parted_2 where user_id = 150",
    ] {
        app.db.execute(statement).await;
        refreshes_by(&app, &view, "incremental").await;
    }
    app.db.execute("create table parted_3 partition of parted for values from (200) to (300); insert into parted values (250, 1)").await;
    refreshed(&app, &view).await;
    refreshed(&app, &view).await;
    app.db.execute("insert into parted values (251, 1)").await;
    refreshes_by(&app, &view, "incremental").await;
}
