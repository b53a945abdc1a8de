//! Refreshing by each strategy: equal to the query, told truthfully.

mod support;

use remat::{
    operation::RefreshOptions,
    run::{RowCount, Status},
    view::Strategy,
};
use support::{App, PER_USER};

#[tokio::test]
async fn every_strategy_makes_the_view_equal_its_query() {
    for strategy in [Strategy::Regular, Strategy::Concurrent, Strategy::Swap, Strategy::Merge, Strategy::Auto]
    {
        let app = App::start().await;
        let view = app.view(strategy, PER_USER).await;
        app.change_sales().await;
        assert!(!app.remat.verify(&view).await.unwrap().equal, "the change shows before the refresh");
        let run = app.refresh(&view).await;
        assert_eq!(run.status, Status::Success, "{run:#?}");
        app.assert_equal(&app.again(&view).await).await;
    }
}

#[tokio::test]
async fn a_merge_writes_only_what_differs_and_counts_it() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    app.change_sales().await;
    let run = app.refresh(&view).await;
    assert_eq!((run.rows_inserted, run.rows_updated, run.rows_deleted), (Some(1), Some(10), Some(1)));
    assert_eq!((run.rows_before, run.rows_after), (Some(100), Some(100)));
    let nothing = app.refresh(&view).await;
    assert_eq!(
        (nothing.rows_inserted, nothing.rows_updated, nothing.rows_deleted),
        (Some(0), Some(0), Some(0))
    );
}

#[tokio::test]
async fn a_merge_tells_values_apart_that_only_compare_equal() {
    let app = App::start().await;
    app.db.execute("create table prices (user_id int, price numeric, doc json); insert into prices values (1, 1.0, '{\"a\":1}')").await;
    let view = app.view(Strategy::Merge, "select user_id, price, doc from prices").await;
    app.db.execute("update prices set price = 1.00").await;
    assert_eq!(app.refresh(&view).await.rows_updated, Some(1));
    assert_eq!(app.text("select price::text from per_user").await, "1.00");
    app.db.execute("update prices set doc = '{\"a\": 1}'").await;
    assert_eq!(app.refresh(&view).await.rows_updated, Some(1));
}

#[tokio::test]
async fn a_merge_tells_texts_apart_that_their_collation_calls_equal() {
    let app = App::start().await;
    app.db
        .execute(
            "create collation blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             create table names (user_id int, name text collate blind); insert into names values (1, 'ada')",
        )
        .await;
    let view = app.view(Strategy::Merge, "select user_id, name from names").await;
    app.db.execute("update names set name = 'Ada'").await;
    assert_eq!(app.refresh(&view).await.rows_updated, Some(1));
    assert_eq!(app.text("select name::text from per_user").await, "Ada");
}

#[tokio::test]
async fn a_merge_takes_columns_of_any_name_and_leaves_the_planner_as_it_was() {
    let app = App::start().await;
    let query = "select user_id, sum(cents) as target, count(*) as present, max(id) as c1, null::int as staged from sales group by 1";
    let view = app.view(Strategy::Merge, query).await;
    app.change_sales().await;
    let run = app.refresh(&view).await;
    assert_eq!((run.rows_inserted, run.rows_updated, run.rows_deleted), (Some(1), Some(10), Some(1)));
    app.assert_equal(&view).await;
    let after = "set enable_mergejoin = off; begin; select remat.refresh_now('per_user');";
    app.sql.batch_execute(after).await.unwrap();
    let planner = "select current_setting('enable_hashjoin') || current_setting('enable_mergejoin')";
    assert_eq!(app.text(planner).await, "onoff");
    app.sql.batch_execute("rollback; reset enable_mergejoin").await.unwrap();
}

#[tokio::test]
async fn estimated_rows_are_right_after_each_strategy() {
    for strategy in [Strategy::Regular, Strategy::Concurrent, Strategy::Swap, Strategy::Merge] {
        let app = App::start().await;
        let view = app.view(strategy, PER_USER).await;
        app.db
            .execute("insert into sales (user_id, cents) select g, 1 from generate_series(500, 549) g")
            .await;
        let run = app.refresh(&view).await;
        assert_eq!((run.rows_before, run.rows_after), (Some(100), Some(150)), "{strategy}");
    }
}

#[tokio::test]
async fn rows_are_not_counted_when_nobody_wants_them() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let options = RefreshOptions { row_count: Some(RowCount::None), ..RefreshOptions::default() };
    let run = app.remat.refresh(&view, options).await.unwrap();
    assert_eq!((run.rows_before, run.rows_after), (None, None));
    let options = RefreshOptions { row_count: Some(RowCount::Exact), ..RefreshOptions::default() };
    assert_eq!(app.remat.refresh(&view, options).await.unwrap().rows_after, Some(100));
}

#[tokio::test]
async fn an_unpopulated_view_is_filled_plainly_first_and_the_run_says_so() {
    use remat::operation::CreateOptions;
    let app = App::start().await;
    let view = app.remat.define(&App::definition(Strategy::Concurrent, PER_USER)).await.unwrap();
    let run =
        app.remat.create(&view, CreateOptions { no_data: true, ..CreateOptions::default() }).await.unwrap();
    assert_eq!((run.status, run.data_as_of), (Status::Success, None), "{run:#?}");
    let view = app.again(&view).await;
    let run = app.refresh(&view).await;
    assert_eq!(run.status, Status::Success, "{run:#?}");
    assert_eq!(run.strategy.as_deref(), Some("regular"));
    assert!(run.reason.as_ref().unwrap().contains("not populated"), "{run:#?}");
    app.assert_equal(&view).await;
}

#[tokio::test]
async fn a_plain_refresh_is_followed_by_a_vacuum_that_the_run_records() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let run = app.refresh(&view).await;
    assert_eq!(run.meta["vacuum"]["status"], "success");
    let sql = "select relallvisible::int8 from pg_class where oid = 'per_user'::regclass";
    assert!(app.count(sql).await > 0, "index-only scans need not visit the heap");
    let stored = app.remat.run(run.id).await.unwrap();
    assert_eq!(stored.meta["vacuum"]["status"], "success");
}

#[tokio::test]
async fn a_refresh_does_not_depend_on_the_time_zone_of_the_session_or_role() {
    let app = App::start().await;
    app.db
        .execute(
            "create table visits (user_id int, at timestamptz); insert into visits values (1, '2026-01-01 23:30+00');
             do $$ begin execute format('alter database %I set timezone = ''Asia/Tokyo''', current_database()); end $$",
        )
        .await;
    let remat = support::connect(&app.db.url()).await;
    let query = "select user_id, date_trunc('day', at)::date as day from visits";
    for strategy in [Strategy::Regular, Strategy::Merge] {
        let mut definition = App::definition(strategy, query);
        definition.name = remat::name::RelationName::new("public", strategy.as_str()).unwrap();
        let view = remat.define(&definition).await.unwrap();
        remat.create(&view, remat::operation::CreateOptions::default()).await.unwrap().check().unwrap();
        let view = remat.view(&definition.name).await.unwrap();
        assert_eq!(remat.refresh(&view, RefreshOptions::default()).await.unwrap().status, Status::Success);
        let day = app.text(&format!("select day::text from {}", definition.name.to_sql())).await;
        assert_eq!(day, "2026-01-01", "the view pins UTC whatever the database's default is");
    }
}

#[tokio::test]
async fn a_role_that_defaults_to_repeatable_read_still_refreshes_under_read_committed() {
    let app = App::start().await;
    app.db
        .execute(
            "do $$ begin execute format('alter database %I set default_transaction_isolation = ''repeatable read''',
             current_database()); end $$;
             create function isolation() returns text language sql volatile as $$ select current_setting('transaction_isolation') $$",
        )
        .await;
    let remat = support::connect(&app.db.url()).await;
    let definition =
        App::definition(Strategy::Regular, "select 1 as user_id, public.isolation() as isolation");
    let view = remat.define(&definition).await.unwrap();
    remat.create(&view, remat::operation::CreateOptions::default()).await.unwrap().check().unwrap();
    let view = remat.view(&definition.name).await.unwrap();
    assert_eq!(remat.refresh(&view, RefreshOptions::default()).await.unwrap().status, Status::Success);
    assert_eq!(app.text("select isolation from per_user").await, "read committed");
}

#[tokio::test]
async fn data_as_of_is_never_later_than_what_the_refresh_could_see() {
    // The race: a row committed while the refresh waits for its lock. The snapshot of REFRESH is older than the lock.
    let app = App::start().await;
    for strategy in [Strategy::Regular, Strategy::Swap] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = remat::name::RelationName::new("public", strategy.as_str()).unwrap();
        let view = app.create(&definition).await;
        let reader = app.db.connect().await;
        reader
            .batch_execute(&format!("begin; select * from {}", view.definition.name.to_sql()))
            .await
            .unwrap();
        let refresh = tokio::spawn({
            let (remat, view) = (app.remat.clone(), view.clone());
            async move { remat.refresh(&view, RefreshOptions::default()).await.unwrap() }
        });
        let waiting = "select count(*) from remat.runs where status = 'running'";
        remat_testkit::wait_until("the run is open", async || app.count(waiting).await > 0).await;
        let inserted_at = app.text("with new as (insert into sales (user_id, cents) values (7777, 1) returning 1) select clock_timestamp()::text from new").await;
        reader.batch_execute("rollback").await.unwrap();
        let run = refresh.await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
        let seen = app
            .count(&format!("select count(*) from {} where user_id = 7777", view.definition.name.to_sql()))
            .await;
        let later =
            run.data_as_of.unwrap() > inserted_at.replace(' ', "T").parse::<jiff::Timestamp>().unwrap();
        assert!(
            seen == 1 || !later,
            "{strategy}: says {:?} but lacks a row of {inserted_at}",
            run.data_as_of
        );
        app.db.execute("delete from sales where user_id = 7777").await;
    }
}
