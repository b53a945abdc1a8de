//! Views that are refreshed together: of one moment, committed at once, and each with its own run.

use remat::{
    operation::{Chain, RefreshOptions},
    run::{Run, Status},
    view::View,
};
use tokio::task::JoinHandle;

use crate::{
    fixture::{assert_fresh, incremental, refreshed},
    support::App,
};

const BY_USER: &str = "select user_id, count(*) as sales, sum(cents) as cents from sales group by user_id";
const DEAR: &str = "select user_id, cents from by_user where cents > 100";

/// Views of these names and queries that follow changes and are filled.
async fn filled(app: &App, views: &[(&str, &str)]) -> Vec<View> {
    let mut made = Vec::new();
    for (name, query) in views {
        let view = app.create(&incremental(name, query)).await;
        refreshed(app, &view).await;
        made.push(view);
    }
    made
}

/// Two views, of which the second waits at the gate when it is written, and the first is done by then.
async fn gated(app: &App) -> Vec<View> {
    let views = filled(app, &[("by_user", BY_USER), ("last", BY_USER)]).await;
    app.db
        .execute(
            "create function wait() returns trigger language plpgsql as $$
             begin perform gate(); return null; end $$;
             create trigger wait before update on last execute function wait();",
        )
        .await;
    app.change_sales().await;
    views
}

async fn together(app: &App, views: &[View], chain: &Chain) -> Vec<Run> {
    let options = RefreshOptions::default();
    let groups = app.remat.groups(views.to_vec(), options).await.unwrap();
    assert_eq!(groups, [views], "they can be refreshed together");
    app.remat.refresh_group(views, options, chain).await.unwrap()
}

/// The same beside the test.
fn spawn_together(app: &App, views: &[View]) -> JoinHandle<Vec<Run>> {
    let (remat, group) = (app.remat.clone(), views.to_vec());
    tokio::spawn(async move {
        remat.refresh_group(&group, RefreshOptions::default(), &Chain::default()).await.unwrap()
    })
}

fn told(runs: &[Run]) -> Vec<(Status, Option<&str>)> {
    runs.iter().map(|run| (run.status, run.strategy.as_deref().or(run.reason.as_deref()))).collect()
}

const FOLLOWED: (Status, Option<&str>) = (Status::Success, Some("incremental"));
const SKIPPED: (Status, Option<&str>) = (Status::Success, Some("skip"));

#[tokio::test]
async fn views_of_a_group_are_of_one_moment_and_become_visible_at_once() {
    let app = App::start().await;
    let views = gated(&app).await;
    let gate = app.shut_gate().await;
    let refresh = spawn_together(&app, &views);
    app.waits_for_gate().await;
    // The first view is done, and nobody sees it yet; what is written now is for the next refresh of both.
    let before = app.count("select sum(sales)::int8 from by_user").await;
    assert_eq!(before, 1000);
    app.db.execute("insert into sales (user_id, cents) values (1, 1)").await;
    drop(gate);
    let runs = refresh.await.unwrap();
    assert_eq!(told(&runs), [FOLLOWED, FOLLOWED]);
    assert_eq!(runs[0].data_as_of, runs[1].data_as_of);
    let sums = "select (select sum(sales) from by_user)::int8 - (select sum(sales) from last)::int8";
    assert_eq!(app.count(sums).await, 0, "both cover the same rows");
    assert_eq!(told(&together(&app, &views, &Chain::default()).await), [FOLLOWED, FOLLOWED]);
    for view in &views {
        assert_fresh(&app, view).await;
    }
}

#[tokio::test]
async fn a_view_over_a_view_has_its_changes_at_once_and_only_once() {
    let app = App::start().await;
    let views = filled(&app, &[("by_user", BY_USER), ("dear", DEAR)]).await;
    for round in 0..3 {
        app.db.execute(&format!("insert into sales (user_id, cents) values ({}, 5000)", 200 + round)).await;
        assert_eq!(told(&together(&app, &views, &Chain::default()).await), [FOLLOWED, FOLLOWED]);
        assert_fresh(&app, &views[0]).await;
        assert_fresh(&app, &views[1]).await;
        // What the transaction wrote itself is covered, although its snapshot does not see it.
        assert_eq!(told(&together(&app, &views, &Chain::default()).await), [SKIPPED, SKIPPED]);
    }
    app.db.execute("update sales set cents = 0 where user_id >= 200").await;
    refreshed(&app, &views[0]).await;
    let run = refreshed(&app, &views[1]).await;
    assert_eq!((run.strategy.as_deref(), run.rows_deleted), (Some("incremental"), Some(3)));
}

#[tokio::test]
async fn one_that_fails_is_taken_back_alone_and_stops_only_those_that_read_it() {
    let app = App::start().await;
    let shares = "select user_id, sum(10 / cents) as share from sales group by user_id";
    let views =
        [("by_user", BY_USER), ("shares", shares), ("largest", "select user_id from shares where share > 1")];
    let views = filled(&app, &views).await;
    app.db.execute("insert into sales (user_id, cents) values (300, 0)").await;
    let chain = Chain::new(app.remat.reads().await.unwrap());
    let runs = together(&app, &views, &chain).await;
    assert_eq!(
        told(&runs),
        [FOLLOWED, (Status::Failed, Some("incremental")), (Status::Skipped, Some("upstream_failed"))]
    );
    assert_eq!(runs[1].error.as_ref().unwrap().primary, "division by zero");
    assert_eq!(runs[2].meta["root_cause"], runs[1].id);
    assert_fresh(&app, &views[0]).await;
    assert_eq!(app.count("select count(*) from shares where user_id = 300").await, 0);
    app.db.execute("update sales set cents = 1 where cents = 0").await;
    // The log holds the row that cannot be computed, the table does not any more.
    let runs = together(&app, &views, &Chain::default()).await;
    assert_eq!(told(&runs), [FOLLOWED, (Status::Success, Some("merge")), FOLLOWED]);
    for view in &views {
        assert_fresh(&app, view).await;
    }
}

#[tokio::test]
async fn a_view_that_somebody_else_refreshes_is_left_to_him() {
    let app = App::start().await;
    let views = gated(&app).await;
    let gate = app.shut_gate().await;
    let other = app.spawn_refresh(&views[1]);
    app.waits_for_gate().await;
    let runs = together(&app, &views, &Chain::default()).await;
    assert_eq!(told(&runs), [FOLLOWED, (Status::Skipped, Some("already_running"))]);
    drop(gate);
    assert_eq!(other.await.unwrap().status, Status::Success);
    assert_fresh(&app, &views[0]).await;
    assert_fresh(&app, &views[1]).await;
}

#[tokio::test]
async fn a_cancelled_group_changes_nothing() {
    let app = App::start().await;
    let views = gated(&app).await;
    let gate = app.shut_gate().await;
    let refresh = spawn_together(&app, &views);
    app.waits_for_gate().await;
    app.remat.cancel_all().await;
    let runs = refresh.await.unwrap();
    assert!(runs.iter().all(|run| run.status == Status::Cancelled), "{runs:#?}");
    assert_eq!(app.count("select sum(sales)::int8 from by_user").await, 1000);
    drop(gate);
    assert_eq!(told(&together(&app, &views, &Chain::default()).await), [FOLLOWED, FOLLOWED]);
    assert_fresh(&app, &views[0]).await;
}

#[tokio::test]
async fn a_group_whose_connection_is_lost_changes_nothing_and_its_runs_say_so() {
    let app = App::start().await;
    let views = gated(&app).await;
    let gate = app.shut_gate().await;
    let refresh = spawn_together(&app, &views);
    app.waits_for_gate().await;
    app.db
        .execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted")
        .await;
    let runs = refresh.await.unwrap();
    assert!(runs.iter().all(|run| run.status == Status::Failed), "{runs:#?}");
    assert_eq!(app.count("select sum(sales)::int8 from by_user").await, 1000);
    drop(gate);
    assert_eq!(told(&together(&app, &views, &Chain::default()).await), [FOLLOWED, FOLLOWED]);
}

#[tokio::test]
async fn what_one_definition_sets_does_not_reach_the_next() {
    let app = App::start().await;
    let mut first = incremental("first", BY_USER);
    first.settings.parameters.insert("work_mem".into(), "77MB".into());
    let views = [app.create(&first).await, app.create(&incremental("second", BY_USER)).await];
    for view in &views {
        refreshed(&app, view).await;
    }
    app.db
        .execute(
            "create table noted (of_table name, memory text);
             create function note() returns trigger language plpgsql as $$
             begin insert into noted values (tg_table_name, current_setting('work_mem')); return null; end $$;
             create trigger note after update on first execute function note();
             create trigger note after update on second execute function note();",
        )
        .await;
    app.change_sales().await;
    assert_eq!(told(&together(&app, &views, &Chain::default()).await), [FOLLOWED, FOLLOWED]);
    let noted = "select count(*) from noted where (of_table = 'first') = (memory = '77MB')";
    assert_eq!((app.count(noted).await, app.count("select count(*) from noted").await), (2, 2));
}

#[tokio::test]
async fn what_must_be_merged_first_is_refreshed_by_itself() {
    let app = App::start().await;
    let mut views = filled(&app, &[("by_user", BY_USER), ("dear", DEAR)]).await;
    let unfilled = app.create(&incremental("later", BY_USER)).await;
    let merged = app.view(remat::view::Strategy::Merge, BY_USER).await;
    views.extend([unfilled, merged]);
    let groups = app.remat.groups(views.clone(), RefreshOptions::default()).await.unwrap();
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
    app.change_sales().await;
    let runs = app.remat.refresh_group(&views, RefreshOptions::default(), &Chain::default()).await.unwrap();
    assert!(runs.iter().all(|run| run.status == Status::Success), "{runs:#?}");
    for view in &views {
        assert_fresh(&app, view).await;
    }
}
