//! What a run, a comparison or an error says must be so: cases in which it once was not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use remat::{
    Remat,
    error::ErrorKind,
    name::RelationName,
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::{RowCount, Run, Status},
    view::{Definition, Strategy, View},
};
use support::{App, GATED, PER_USER};
use tokio::task::JoinHandle;

fn spawn_refresh(remat: &Remat, view: &View) -> JoinHandle<Run> {
    let (remat, view) = (remat.clone(), view.clone());
    tokio::spawn(async move {
        remat.refresh(&view, RefreshOptions::default()).await.expect("the run is recorded")
    })
}

#[tokio::test]
async fn a_view_may_be_refreshed_with_the_value_that_define_gave() {
    let app = App::start().await;
    for strategy in [Strategy::Regular, Strategy::Swap, Strategy::Merge] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = RelationName::new("public", strategy.as_str()).unwrap();
        let view = app.remat.define(&definition).await.unwrap();
        assert_eq!(app.remat.create(&view, CreateOptions::default()).await.unwrap().status, Status::Success);
        for _ in 0..2 {
            let run = app.refresh(&view).await;
            assert_eq!(run.status, Status::Success, "{run:#?}");
        }
        let run = app.remat.delete(&view, DeleteOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
    }
}

#[tokio::test]
async fn a_pause_counts_although_the_caller_read_the_view_before_it() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let pause = remat::view::Pause { by: "ada".into(), reason: None, until: None };
    app.remat.pause(&view, &pause).await.unwrap();
    let run = app.refresh(&view).await;
    assert_eq!((run.status, run.reason.as_deref()), (Status::Skipped, Some("paused")));
}

#[tokio::test]
async fn an_error_of_the_query_that_looks_like_a_lost_connection_is_a_plain_failure() {
    let app = App::start().await;
    app.db
        .execute(
            "create table remote_is_down (code text);
             create function remote() returns boolean language plpgsql volatile as $$
             declare c text := (select code from public.remote_is_down);
             begin if c is not null then raise exception 'could not connect to server' using errcode = c; end if; return true; end $$",
        )
        .await;
    let view = app
        .view(
            Strategy::Regular,
            "select user_id, count(*) as sales from sales where remote() group by user_id",
        )
        .await;
    // Foreign tables pass on the codes of the server that they ask.
    for code in ["08001", "57P01", "25P04"] {
        app.db
            .execute(&format!("truncate remote_is_down; insert into remote_is_down values ('{code}')"))
            .await;
        let began = std::time::Instant::now();
        let run = app.refresh(&view).await;
        assert_eq!(run.status, Status::Failed, "{code}: {run:#?}");
        assert_eq!(run.error.unwrap().sqlstate.as_deref(), Some(code));
        assert!(began.elapsed().as_secs() < 10, "nobody waits for a connection that is there");
    }
}

#[tokio::test]
async fn a_comparison_sees_every_column_whatever_its_name() {
    let app = App::start().await;
    for column in ["t", "q", "a", "e", "n", "row"] {
        let name = RelationName::new("public", format!("v_{column}")).unwrap();
        let query = format!("select 1 as \"{column}\", sum(cents) as cents from sales");
        let view =
            app.create(&Definition { strategy: Strategy::Regular, ..Definition::new(name, query) }).await;
        app.assert_equal(&view).await;
        app.db.execute("insert into sales (user_id, cents) values (1, 1)").await;
        let verification = app.remat.verify(&view).await.unwrap();
        assert!(!verification.equal, "column {column} hides the difference in the other");
        assert!(!app.remat.bench(&view, 1).await.unwrap().equal);
    }
}

#[tokio::test]
async fn a_refresh_during_a_comparison_is_no_difference() {
    let rebuilt = format!(
        "alter materialized view per_user rename to old; create materialized view per_user as {PER_USER}; drop materialized view old"
    );
    for change in ["refresh materialized view per_user", &rebuilt] {
        let app = App::start().await;
        let view = app.view(Strategy::Regular, PER_USER).await;
        app.sql.batch_execute("begin; insert into sales (user_id, cents) values (1000, 7)").await.unwrap();
        app.sql.batch_execute(change).await.unwrap();
        let (remat, copy) = (app.remat.clone(), view.clone());
        let comparison = tokio::spawn(async move { remat.verify(&copy).await.unwrap() });
        app.waits_for_a_relation().await;
        app.sql.batch_execute("commit").await.unwrap();
        let verification = comparison.await.unwrap();
        assert!(verification.equal, "{change}: {verification:?}");
    }
}

#[tokio::test]
async fn a_relation_that_vanishes_while_it_is_looked_at_is_a_failure_and_no_panic() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    app.sql.batch_execute("begin; drop materialized view per_user").await.unwrap();
    let refresh = spawn_refresh(&app.remat, &view);
    app.waits_for_a_relation().await;
    app.sql.batch_execute("commit").await.unwrap();
    let run = refresh.await.unwrap();
    assert_eq!(run.status, Status::Failed, "{run:#?}");
}

#[tokio::test]
async fn a_relation_without_columns_is_refused_and_no_panic() {
    let app = App::start().await;
    let definition =
        Definition { key: Vec::new(), ..App::definition(Strategy::Regular, "select from sales") };
    let view = app.remat.define(&definition).await.unwrap();
    let run = app.remat.create(&view, CreateOptions::default()).await.unwrap();
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    assert!(run.error.unwrap().primary.contains("columns"));
    let view = app.view(Strategy::Regular, PER_USER).await;
    app.db.execute("drop materialized view per_user; create table per_user ()").await;
    assert_eq!(app.refresh(&view).await.status, Status::Failed);
}

#[tokio::test]
async fn if_not_exists_is_no_excuse_for_a_relation_that_remat_did_not_make() {
    let app = App::start().await;
    app.db.execute("create table per_user (precious int); insert into per_user values (1)").await;
    let view = app.remat.define(&App::definition(Strategy::Regular, PER_USER)).await.unwrap();
    let options = CreateOptions { if_not_exists: true, ..CreateOptions::default() };
    let run = app.remat.create(&view, options).await.unwrap();
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    let forced = CreateOptions { force: true, ..CreateOptions::default() };
    let run = app.remat.create(&view, forced).await.unwrap();
    assert_eq!(run.status, Status::Failed, "a table with somebody's data is not replaced: {run:#?}");
    assert_eq!(app.count("select count(precious) from per_user").await, 1);
    app.db.execute("drop table per_user").await;
    assert_eq!(app.remat.create(&view, options).await.unwrap().status, Status::Success);
    let run = app.remat.create(&view, options).await.unwrap();
    assert_eq!(run.reason.as_deref(), Some("already_exists"));
}

#[tokio::test]
async fn a_failed_run_claims_no_wait_that_was_not_measured() {
    let app = App::start().await;
    let mut definition = App::definition(Strategy::Regular, PER_USER);
    definition.settings.lock_budget_ms = 200;
    let view = app.create(&definition).await;
    app.sql.batch_execute("begin; select * from per_user limit 1").await.unwrap();
    let run = app.refresh(&view).await;
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    assert_ne!(run.lock_wait_ms, Some(0), "it waited for 200 ms");
}

#[tokio::test]
async fn exact_rows_are_counted_before_and_after() {
    for strategy in [Strategy::Regular, Strategy::Concurrent, Strategy::Swap] {
        let app = App::start().await;
        let view = app.view(strategy, PER_USER).await;
        // Somebody refreshes by hand, so what remat remembers is old.
        app.db
            .execute("insert into sales (user_id, cents) select g, 1 from generate_series(500, 549) g")
            .await;
        app.db.execute("refresh materialized view per_user").await;
        app.db.execute("delete from sales where user_id = 500").await;
        let options = RefreshOptions { row_count: Some(RowCount::Exact), ..RefreshOptions::default() };
        let run = app.remat.refresh(&view, options).await.unwrap();
        assert_eq!((run.rows_before, run.rows_after), (Some(150), Some(149)), "{strategy}");
    }
}

#[tokio::test]
async fn a_message_that_quotes_a_value_of_the_data_is_redacted() {
    let app = App::start().await;
    app.db.execute("create table raw (user_id int, cents text); insert into raw values (1, '1')").await;
    let view = app.view(Strategy::Regular, "select user_id, cents::int as cents from raw").await;
    for secret in ["ada@example.org", "4111111111111111", "a \"quoted\" secret"] {
        app.sql.execute("update raw set cents = $1", &[&secret]).await.unwrap();
        let run = app.refresh(&view).await;
        assert_eq!(run.status, Status::Failed);
        let told = format!("{run:?}");
        assert!(!told.contains("ada@") && !told.contains("4111") && !told.contains("secret"), "{told}");
        assert!(told.contains("integer"), "what is wrong is still told: {told}");
    }
}

#[tokio::test]
async fn a_rename_does_not_run_into_a_refresh() {
    let app = App::start().await;
    let view = app.view(Strategy::Swap, GATED).await;
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let refresh = spawn_refresh(&app.remat, &view);
    app.waits_for_gate().await;
    let to = RelationName::new("public", "renamed").unwrap();
    let definition =
        Definition { name: to, renamed_from: Some(view.definition.name.clone()), ..view.definition.clone() };
    let project = support::project_of(&[definition]);
    let plan = app.remat.plan(&project).await.unwrap();
    let refused = app.remat.apply(&project, &plan, true).await;
    app.sql.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(refresh.await.unwrap().status, Status::Success);
}

#[tokio::test]
async fn what_a_cascade_takes_along_is_in_the_run_by_name() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    app.db.execute("create view one as select * from per_user; create view two as select * from one").await;
    let options = DeleteOptions { cascade: true, ..DeleteOptions::default() };
    let run = app.remat.delete(&view, options).await.unwrap();
    assert_eq!(run.status, Status::Success, "{run:#?}");
    assert_eq!(run.meta["dropped"], serde_json::json!(["view public.one", "view public.two"]));
}

#[tokio::test]
async fn a_view_that_a_cascade_of_remat_dropped_is_not_said_to_be_dropped_by_others() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let name = RelationName::new("public", "above").unwrap();
    let above = Definition { strategy: Strategy::Regular, ..Definition::new(name, "select * from per_user") };
    let above = app.create(&above).await;
    let options = DeleteOptions { cascade: true, ..DeleteOptions::default() };
    app.remat.delete(&view, options).await.unwrap().check().unwrap();
    let told = app.refresh(&above).await.error.unwrap().to_string();
    assert!(!told.contains("outside remat"), "{told}");
    assert!(told.contains("remat create public.above"), "{told}");
}

#[tokio::test]
async fn a_swap_of_a_view_whose_columns_were_altered_knows_how_fresh_it_is() {
    let app = App::start().await;
    let view =
        app.view(Strategy::Swap, "select user_id, repeat('x', 10) as pad from sales group by user_id").await;
    app.db.execute("alter materialized view per_user alter column pad set storage external").await;
    let before: String = app.text("select clock_timestamp()::text").await;
    let run = app.refresh(&view).await;
    assert_eq!(run.status, Status::Success, "{run:#?}");
    assert_eq!(run.rows_after, Some(100));
    let sql = format!(
        "select count(*) from remat.runs where id = {} and data_as_of between '{before}' and finished_at",
        run.id
    );
    assert_eq!(app.count(&sql).await, 1);
}

#[tokio::test]
async fn a_view_that_was_restored_from_a_dump_can_be_deleted() {
    let app = App::start().await;
    let definition = Definition { key: Vec::new(), ..App::definition(Strategy::Regular, PER_USER) };
    let view = app.create(&definition).await;
    app.db
        .execute(&format!("drop materialized view per_user; create materialized view per_user as {PER_USER}"))
        .await;
    app.remat.delete(&view, DeleteOptions::default()).await.unwrap().check().unwrap();
    assert_eq!(app.count("select count(*) from pg_class where relname = 'per_user'").await, 0);
    let sql = "select count(*) from remat.views where relation_oid is not null";
    assert_eq!(app.count(sql).await, 0, "and is known to be gone");
}
