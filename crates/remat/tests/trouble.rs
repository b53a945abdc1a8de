//! What goes wrong, and what remat says and leaves behind.

mod support;

use remat::{
    name::RelationName,
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::{Run, Status},
    view::Strategy,
};
use remat_testkit::wait_until;
use support::{App, GATED, PER_USER};

fn complaint(run: &Run) -> String {
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    run.error.as_ref().expect("a failed run says why").to_string()
}

/// The schemas hold what they held: no temporary or half-made relation.
async fn leftovers(app: &App) -> i64 {
    app.count("select count(*) from pg_class where relname like '%remat_new%' or relname like '%remat_old%' or relname like '%remat_run%' or relname like '%remat_diff%'").await
}

#[tokio::test]
async fn a_definition_that_is_not_exactly_one_select_is_refused() {
    let app = App::start().await;
    for query in [
        "select 1; drop table sales",
        "insert into sales (user_id, cents) values (1, 1)",
        "",
        "select 1 from",
        "with x as (delete from sales returning 1) select * from x",
    ] {
        let refused = app.remat.define(&App::definition(Strategy::Regular, query)).await;
        assert!(refused.is_err(), "{query}");
    }
    assert_eq!(app.count("select count(*) from sales").await, 1000);
}

#[tokio::test]
async fn a_trailing_comment_does_not_swallow_what_remat_appends() {
    let app = App::start().await;
    for strategy in [Strategy::Regular, Strategy::Merge] {
        let mut definition =
            App::definition(strategy, "select user_id, cents from sales where id <= 10 -- the first ten");
        definition.name = RelationName::new("public", strategy.as_str()).unwrap();
        let view = app.create(&definition).await;
        assert_eq!(app.refresh(&view).await.status, Status::Success);
        app.assert_equal(&view).await;
    }
}

#[tokio::test]
async fn an_unknown_column_fails_the_create_and_leaves_nothing() {
    let app = App::start().await;
    for strategy in [Strategy::Regular, Strategy::Merge] {
        let view =
            app.remat.define(&App::definition(strategy, "select user_id, price from sales")).await.unwrap();
        let run = app.remat.create(&view, CreateOptions::default()).await.unwrap();
        assert!(complaint(&run).contains("column \"price\" does not exist"));
        assert_eq!(run.error.unwrap().sqlstate.as_deref(), Some("42703"));
        assert_eq!(app.count("select count(*) from pg_class where relname = 'per_user'").await, 0);
    }
}

#[tokio::test]
async fn a_key_that_is_not_unique_is_named_and_the_rows_are_withheld() {
    let app = App::start().await;
    let view = app
        .remat
        .define(&App::definition(Strategy::Merge, "select user_id, cents from sales"))
        .await
        .unwrap();
    let created = app.remat.create(&view, CreateOptions::default()).await.unwrap();
    let said = complaint(&created);
    assert!(said.contains("not unique") && said.contains("having count(*) > 1"), "{said}");

    app.db
        .execute("create table plain (user_id int, cents int); insert into plain values (1, 4711), (2, 4712)")
        .await;
    let view = app.view(Strategy::Merge, "select user_id, cents from plain").await;
    // The race that hides: both duplicates match a row that is there already, so no insert collides.
    for change in [
        "insert into plain values (1, 4711)",
        "update plain set cents = 99 where user_id = 1",
        "insert into plain values (3, 1), (3, 2)",
    ] {
        app.db.execute(change).await;
        let run = app.refresh(&view).await;
        let said = complaint(&run);
        assert!(said.contains("not unique") && said.contains("having count(*) > 1"), "{said}");
        assert!(!said.contains("4711") && !said.contains("=(3)"), "{said}");
        assert_eq!(app.count("select count(*) from per_user").await, 2);
    }
}

#[tokio::test]
async fn a_null_in_the_key_is_named() {
    let app = App::start().await;
    app.db.execute("create table plain (user_id int, cents int); insert into plain values (1, 1)").await;
    let view = app.view(Strategy::Merge, "select user_id, cents from plain").await;
    app.db.execute("insert into plain values (null, 4711)").await;
    let said = complaint(&app.refresh(&view).await);
    assert!(
        said.contains("is NULL") && said.contains("\"user_id\" is null") && !said.contains("4711"),
        "{said}"
    );
}

#[tokio::test]
async fn a_concurrent_refresh_says_which_index_fails_which_test() {
    let app = App::start().await;
    let mut definition = App::definition(Strategy::Concurrent, PER_USER);
    definition.key.clear();
    let view = app.create(&definition).await;
    let said = complaint(&app.refresh(&view).await);
    assert!(said.contains("has no unique index") && said.contains("create unique index on"), "{said}");
    app.db
        .execute(
            "create unique index partial_one on per_user (user_id) where user_id > 0;
             create unique index expression_one on per_user ((user_id + 1));
             create index plain_one on per_user (user_id);
             create unique index invalid_one on per_user (user_id);
             update pg_index set indisvalid = false where indexrelid = 'invalid_one'::regclass",
        )
        .await;
    let said = complaint(&app.refresh(&view).await);
    for part in [
        "\"partial_one\" is partial",
        "\"expression_one\" indexes an expression",
        "\"plain_one\" is not unique",
        "\"invalid_one\" is not valid",
    ] {
        assert!(said.contains(part), "{said}");
    }
    app.db.execute("create unique index good_one on per_user (user_id)").await;
    assert_eq!(app.refresh(&view).await.status, Status::Success);
}

#[tokio::test]
async fn a_view_dropped_renamed_or_remade_outside_is_told_and_not_touched() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    app.db.execute("alter materialized view per_user rename to elsewhere").await;
    assert!(complaint(&app.refresh(&view).await).contains("renamed to \"public.elsewhere\""));
    app.db.execute("create materialized view per_user as select 1 as user_id").await;
    assert!(complaint(&app.refresh(&view).await).contains("no longer matches its definition"));
    let run = app.remat.delete(&view, DeleteOptions::default()).await.unwrap();
    assert!(complaint(&run).contains("is not the relation that remat made"));
    app.db.execute("drop materialized view per_user, elsewhere").await;
    assert!(complaint(&app.refresh(&view).await).contains("dropped outside remat"));
}

#[tokio::test]
async fn columns_renamed_outside_are_told_before_anything_is_overwritten() {
    let app = App::start().await;
    for strategy in [Strategy::Regular, Strategy::Merge] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = RelationName::new("public", strategy.as_str()).unwrap();
        let view = app.create(&definition).await;
        let kind = if strategy == Strategy::Merge { "table" } else { "materialized view" };
        app.db
            .execute(&format!("alter {kind} {} rename column sales to deals", definition.name.to_sql()))
            .await;
        assert!(
            complaint(&app.refresh(&view).await).contains("no longer matches its definition"),
            "{strategy}"
        );
    }
}

#[tokio::test]
async fn a_base_table_that_is_renamed_does_not_stop_a_refresh() {
    let app = App::start().await;
    for strategy in [Strategy::Regular, Strategy::Swap, Strategy::Merge] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = RelationName::new("public", strategy.as_str()).unwrap();
        let view = app.create(&definition).await;
        app.db.execute("alter table sales rename to deals").await;
        let run = app.refresh(&view).await;
        assert_eq!(run.status, Status::Success, "{strategy} {run:#?}");
        app.db.execute("alter table deals rename to sales").await;
    }
}

#[tokio::test]
async fn names_of_any_kind_live_through_the_whole_life() {
    let app = App::start().await;
    app.db.execute("create schema \"Sch\"\"ema.1\"").await;
    let long = "x".repeat(62);
    let names = [
        "MiXed",
        "with space",
        "quo\"te",
        "semi;colon -- x",
        "dot.ted",
        "emoji🙂",
        "new\nline",
        "%I",
        &format!("{long}a"),
        &format!("{long}b"),
    ];
    for name in names {
        for strategy in [Strategy::Swap, Strategy::Merge] {
            let mut definition = App::definition(strategy, PER_USER);
            definition.name = RelationName::new("Sch\"ema.1", name).unwrap();
            let view = app.create(&definition).await;
            app.change_sales().await;
            let run = app.refresh(&view).await;
            assert_eq!(run.status, Status::Success, "{name} {run:#?}");
            app.assert_equal(&app.again(&view).await).await;
            let view = app.again(&view).await;
            let run = app.remat.delete(&view, DeleteOptions::default()).await.unwrap();
            assert_eq!(run.status, Status::Success, "{name} {run:#?}");
        }
    }
    assert!(RelationName::new("public", "y".repeat(64)).is_err());
    assert_eq!(leftovers(&app).await, 0);
}

#[tokio::test]
async fn a_role_without_privilege_is_told_which_one_it_lacks() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let role = app.db.create_role("poor").await;
    app.db.execute(&format!("grant usage on schema remat to {role}; grant select, insert, update on all tables in schema remat to {role}; grant usage on all sequences in schema remat to {role}")).await;
    let remat = support::connect(&app.db.role_url(&role)).await;
    let run = remat.refresh(&view, RefreshOptions::default()).await.unwrap();
    assert!(
        complaint(&run).contains("must be owner") || complaint(&run).contains("permission denied"),
        "{run:#?}"
    );
    assert_eq!(run.error.unwrap().sqlstate.as_deref(), Some("42501"));
}

#[tokio::test]
async fn a_reader_that_holds_its_transaction_delays_others_only_briefly_and_is_named() {
    let app = App::start().await;
    for strategy in [Strategy::Regular, Strategy::Swap] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = RelationName::new("public", strategy.as_str()).unwrap();
        definition.settings.lock_budget_ms = 300;
        let view = app.create(&definition).await;
        let reader = app.db.connect().await;
        reader
            .batch_execute(&format!(
                "set application_name = 'long report'; begin; select * from {}",
                view.definition.name.to_sql()
            ))
            .await
            .unwrap();
        let run = app.refresh(&view).await;
        let said = complaint(&run);
        assert_eq!(run.error.as_ref().unwrap().sqlstate.as_deref(), Some("55P03"));
        assert!(said.contains("long report") && said.contains("pid "), "{said}");
        assert_eq!(run.strategy.as_deref(), Some(strategy.as_str()));
        assert!(run.lock_wait_ms.unwrap() >= 300, "{run:#?}");
        reader.batch_execute("rollback").await.unwrap();
        assert_eq!(leftovers(&app).await, 0);
        assert_eq!(app.refresh(&view).await.status, Status::Success);
    }
}

#[tokio::test]
async fn a_statement_timeout_is_told_and_keeps_the_old_contents() {
    let app = App::start().await;
    app.db.execute("create table slow (); create function slow() returns boolean language plpgsql volatile as $$
                    begin if exists (select from public.slow) then perform pg_sleep(60); end if; return true; end $$").await;
    let query = "select user_id, count(*) as sales from sales where slow() group by user_id";
    for strategy in [Strategy::Regular, Strategy::Concurrent, Strategy::Swap, Strategy::Merge] {
        let mut definition = App::definition(strategy, query);
        definition.name = RelationName::new("public", strategy.as_str()).unwrap();
        definition.settings.statement_timeout_ms = 200;
        let view = app.create(&definition).await;
        app.db.execute("insert into slow default values").await;
        let run = app.refresh(&view).await;
        app.db.execute("truncate slow").await;
        assert!(complaint(&run).contains("statement timeout"), "{strategy}: {run:#?}");
        assert_eq!(app.count(&format!("select count(*) from {}", view.definition.name.to_sql())).await, 100);
        assert_eq!(leftovers(&app).await, 0);
    }
}

#[tokio::test]
async fn a_person_can_cancel_and_the_run_says_cancelled() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let refresh = app.spawn_refresh(&view);
    app.waits_for_gate().await;
    app.remat.cancel_all().await;
    assert_eq!(refresh.await.unwrap().status, Status::Cancelled);
    assert_eq!(app.count("select count(*) from per_user").await, 100);
}

#[tokio::test]
async fn a_deadlock_ends_the_run_as_failed_with_its_code() {
    let app = App::start().await;
    let mut definition = App::definition(Strategy::Merge, GATED);
    definition.settings.lock_budget_ms = 60_000;
    definition.settings.lock_timeout_ms = 60_000;
    let view = app.create(&definition).await;
    // The race: the test holds the gate and wants the table that the merge has written; the merge wants the gate.
    app.db.execute("create function slow_trigger() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(2); return null; end $$;
                    create trigger slow after insert on per_user execute function slow_trigger()").await;
    app.db.execute("insert into sales (user_id, cents) values (4000, 1)").await;
    let other = app.db.connect().await;
    other
        .batch_execute("begin; set local deadlock_timeout = '60s'; select pg_advisory_xact_lock(2)")
        .await
        .unwrap();
    let refresh = app.spawn_refresh(&view);
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = 2 and database = (select oid from pg_database where datname = current_database())";
    wait_until("the merge waits in its trigger", async || app.count(waiting).await > 0).await;
    let blocked = tokio::spawn(async move {
        other.batch_execute("lock table per_user in access exclusive mode; rollback").await
    });
    let run = refresh.await.unwrap();
    assert!(complaint(&run).contains("deadlock"), "{run:#?}");
    assert_eq!(run.error.unwrap().sqlstate.as_deref(), Some("40P01"));
    blocked.await.unwrap().unwrap();
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_is_skipped_and_names_the_other() {
    for strategy in [Strategy::Regular, Strategy::Merge] {
        let app = App::start().await;
        let view = app.view(strategy, GATED).await;
        app.sql.batch_execute("select pg_advisory_lock(1)").await.unwrap();
        let first = app.spawn_refresh(&view);
        app.waits_for_gate().await;
        let second = app.refresh(&view).await;
        assert_eq!((second.status, second.reason.as_deref()), (Status::Skipped, Some("already_running")));
        app.sql.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
        let first = first.await.unwrap();
        assert_eq!(first.status, Status::Success);
        assert_eq!(second.meta["running"], first.id);
    }
}

#[tokio::test]
async fn a_paused_view_is_skipped_unless_forced() {
    use remat::view::Pause;
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    app.remat
        .pause(&view, &Pause { by: "ada".into(), reason: Some("migration".into()), until: None })
        .await
        .unwrap();
    let view = app.again(&view).await;
    assert_eq!(app.refresh(&view).await.reason.as_deref(), Some("paused"));
    let forced = RefreshOptions { force: true, ..RefreshOptions::default() };
    assert_eq!(app.remat.refresh(&view, forced).await.unwrap().status, Status::Success);
    app.remat.resume(&view).await.unwrap();
    assert_eq!(app.refresh(&app.again(&view).await).await.status, Status::Success);
}

#[tokio::test]
async fn a_managed_table_is_written_by_remat_alone() {
    let app = App::start().await;
    app.view(Strategy::Merge, PER_USER).await;
    let refused = app.sql.batch_execute("delete from per_user").await.unwrap_err();
    let said = refused.as_db_error().expect("the server refuses").message().to_owned();
    assert!(said.contains("maintained by remat"), "{said}");
    assert!(app.sql.batch_execute("truncate per_user").await.is_err());
    assert_eq!(app.count("select count(*) from per_user").await, 100);
}

#[tokio::test]
async fn a_view_under_a_managed_table_is_not_dropped_from_under_it() {
    let app = App::start().await;
    let below = app.view(Strategy::Regular, PER_USER).await;
    let mut definition = App::definition(Strategy::Merge, "select user_id, sales from per_user");
    definition.name = RelationName::new("public", "above").unwrap();
    let above = app.create(&definition).await;
    let cascade = DeleteOptions { cascade: true, ..DeleteOptions::default() };
    let said = complaint(&app.remat.delete(&below, cascade).await.unwrap());
    assert!(said.contains("\"public.above\"") && said.contains("Delete these views first"), "{said}");
    assert_eq!(app.refresh(&above).await.status, Status::Success);
}

#[tokio::test]
async fn a_managed_table_dropped_outside_leaves_no_query_behind_when_it_is_deleted() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    app.db.execute("drop table per_user").await;
    let options = DeleteOptions { if_exists: true, ..DeleteOptions::default() };
    assert_eq!(app.remat.delete(&view, options).await.unwrap().status, Status::Success);
    let left = "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'remat_query' and relkind = 'v'";
    assert_eq!(app.count(left).await, 0);
    assert_eq!(app.remat.delete(&view, options).await.unwrap().status, Status::Skipped);
}

#[tokio::test]
async fn columns_named_like_what_a_merge_names_are_no_trouble() {
    let app = App::start().await;
    let query = "select user_id, 1 as s, 2 as t, 3 as d, 4 as c1, 5 as target, 6 as staged, 7 as present from sales group by user_id";
    let view = app.view(Strategy::Merge, query).await;
    app.change_sales().await;
    let run = app.refresh(&view).await;
    assert_eq!(
        (run.status, run.rows_inserted, run.rows_deleted),
        (Status::Success, Some(1), Some(1)),
        "{run:#?}"
    );
    app.assert_equal(&view).await;
}

#[tokio::test]
async fn a_definition_may_not_set_what_a_refresh_depends_on() {
    let app = App::start().await;
    for name in ["role", "Search_Path", "remat.writing", "transaction_isolation"] {
        let mut definition = App::definition(Strategy::Merge, PER_USER);
        definition.settings.parameters.insert(name.into(), "x".into());
        assert!(app.remat.define(&definition).await.is_err(), "{name}");
    }
}
