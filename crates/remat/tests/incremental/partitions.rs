//! Partitions that come with rows, go with rows, and are written to in between.

use remat::view::{Strategy, View};

use crate::{
    fixture::{refreshed, refreshes_by},
    support::App,
};

/// A table of three partitions, one with columns of its own order, and a view that follows it.
async fn parted() -> (App, View) {
    let app = App::start().await;
    app.db
        .execute(
            "create table parted (user_id int, n int) partition by range (user_id);
             create table parted_1 partition of parted for values from (0) to (100);
             create table parted_2 (n int, gone text, user_id int);
             alter table parted_2 drop column gone;
             alter table parted attach partition parted_2 for values from (100) to (200);
             create table parted_3 partition of parted for values from (200) to (300) partition by range (user_id);
             create table parted_31 partition of parted_3 for values from (200) to (250);
             create table later (user_id int, n int);
             insert into later select g, g from generate_series(300, 399) g;
             insert into parted select g, g from generate_series(0, 249) g;",
        )
        .await;
    let query = "select user_id, count(*) as rows, sum(n) as n from parted group by user_id";
    let view = app.view(Strategy::Incremental, query).await;
    refreshes_by(&app, &view, "merge").await;
    (app, view)
}

/// Two refreshes at most, and changes are followed again.
async fn recovers(app: &App, view: &View) {
    refreshed(app, view).await;
    for user in [1, 101, 201] {
        app.db.execute(&format!("insert into parted values ({user}, 7)")).await;
        refreshed(app, view).await;
    }
    app.db.execute("update parted set n = n + 1 where user_id in (1, 201)").await;
    refreshes_by(app, view, "incremental").await;
}

#[tokio::test]
async fn a_partition_that_is_attached_brings_its_rows() {
    let (app, view) = parted().await;
    app.db.execute("alter table parted attach partition later for values from (300) to (400)").await;
    refreshes_by(&app, &view, "merge").await;
    assert_eq!(app.count("select count(*) from per_user where user_id >= 300").await, 100);
    app.db
        .execute("delete from later where user_id = 300; update parted set user_id = 5 where user_id = 301")
        .await;
    recovers(&app, &view).await;
    app.db.execute("delete from later where user_id = 302; insert into parted values (303, 1)").await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn a_partition_that_is_detached_takes_its_rows() {
    for detach in [
        "alter table parted detach partition parted_1",
        "alter table parted detach partition parted_2",
        "alter table parted_3 detach partition parted_31",
        "alter table parted detach partition parted_3",
        "alter table parted detach partition parted_1 concurrently",
        "drop table parted_2",
    ] {
        let (app, view) = parted().await;
        app.db.execute("update parted set n = n + 1 where user_id % 50 = 0").await;
        app.db.execute(detach).await;
        let run = refreshes_by(&app, &view, "merge").await;
        assert_eq!(
            run.reason.as_deref(),
            Some("merge: changes of \"public.parted\" may have passed unlogged")
        );
        // What is done to it from here on is not the table's.
        let gone = ["parted_1", "parted_2", "parted_31", "parted_3"]
            .into_iter()
            .find(|name| detach.split_whitespace().any(|word| word == *name));
        if !detach.starts_with("drop") {
            app.db.execute(&format!("delete from {}", gone.unwrap())).await;
            refreshes_by(&app, &view, "skip").await;
        }
    }
}

#[tokio::test]
async fn a_partition_that_leaves_is_written_and_comes_back() {
    let (app, view) = parted().await;
    app.db
        .execute(
            "alter table parted detach partition parted_1; delete from parted_1 where user_id < 50;
             alter table parted attach partition parted_1 for values from (0) to (100)",
        )
        .await;
    refreshes_by(&app, &view, "merge").await;
    recovers(&app, &view).await;
}

#[tokio::test]
async fn a_partition_that_came_and_went_between_refreshes_leaves_nothing() {
    for (below, table, bounds) in
        [("parted", "later", "(300) to (400)"), ("parted_3", "between_250_and_299", "(250) to (300)")]
    {
        let (app, view) = parted().await;
        app.db
            .execute(
                "create table between_250_and_299 (user_id int, n int);
                 insert into between_250_and_299 select g, g from generate_series(250, 299) g",
            )
            .await;
        let come = format!("alter table {below} attach partition {table} for values from {bounds}");
        let go = format!("alter table {below} detach partition {table}");
        for write in [
            "insert into parted select g, 1 from unnest(array[1, 260, 310]) g where g = 1 or g between TAKEN",
            "delete from parted where user_id in (2, 261, 311)",
            "update parted set n = n + 1 where user_id in (3, 262, 312)",
            "update parted set user_id = 1 where user_id in (263, 313)",
            "update TABLE set n = n + 1",
        ] {
            let write = write.replace("TAKEN", &bounds.replace("to", "and")).replace("TABLE", table);
            app.db.execute(&format!("{come}; {write}; {go}")).await;
            refreshed(&app, &view).await;
        }
        app.db.execute(&format!("create table other partition of {below} for values from {bounds}")).await;
        app.db.execute("insert into parted select g, g from generate_series(200, 249) g").await;
        app.db.execute(&format!("insert into other values ({}, 7); drop table other", &bounds[1..4])).await;
        refreshed(&app, &view).await;
        recovers(&app, &view).await;
    }
}

#[tokio::test]
async fn rows_that_a_partition_came_with_and_rows_that_it_got_count_after_it_is_known() {
    let (app, view) = parted().await;
    app.db
        .execute(
            "alter table parted attach partition later for values from (300) to (400);
             update parted set user_id = 1 where user_id = 310; delete from parted where user_id = 311;
             update later set n = 0 where user_id = 312",
        )
        .await;
    refreshes_by(&app, &view, "merge").await;
    recovers(&app, &view).await;
}

#[tokio::test]
async fn a_partition_that_is_truncated_is_a_merge() {
    for table in ["parted", "parted_1", "parted_2", "parted_3", "parted_31"] {
        let (app, view) = parted().await;
        app.db.execute(&format!("truncate {table}")).await;
        refreshes_by(&app, &view, "merge").await;
        recovers(&app, &view).await;
    }
}
