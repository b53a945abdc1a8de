//! What the role, the database or an enemy has set must not change what remat does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use remat::{
    Remat,
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::Status,
    view::Strategy,
};
use remat_testkit::TestDb;
use support::{App, PER_USER};

/// Defines, creates, refreshes by each strategy, verifies and deletes; each step must succeed.
async fn whole_life(app: &App, remat: &Remat) {
    for strategy in [Strategy::Regular, Strategy::Concurrent, Strategy::Swap, Strategy::Merge] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = remat::name::RelationName::new("public", strategy.as_str()).unwrap();
        let view = remat.define(&definition).await.unwrap();
        let run = remat.create(&view, CreateOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
        app.change_sales().await;
        let run = remat.refresh(&view, RefreshOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
        assert!(remat.verify(&view).await.unwrap().equal);
        assert!(remat.bench(&view, 1).await.unwrap().equal);
    }
    remat.check_schema().await.unwrap();
    remat.status().await.unwrap();
    remat.stats().await.unwrap();
    for view in remat.views().await.unwrap() {
        remat.dependents(&view).await.unwrap();
        let run = remat.delete(&view, DeleteOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
    }
}

#[tokio::test]
async fn settings_of_the_role_do_not_break_a_run() {
    let app = App::start().await;
    let role = app.db.create_role("set").await;
    app.db.execute(&format!("alter role \"{role}\" superuser")).await;
    let newer = app.db.server_version_num().await >= 170_000;
    let settings = [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "row_security = off",
        "client_min_messages = error",
        "search_path = ''",
        "TimeZone = 'Asia/Tokyo'",
        "DateStyle = 'German'",
        "bytea_output = escape",
        "lc_messages = 'C'",
        "check_function_bodies = off",
        "standard_conforming_strings = off",
        "extra_float_digits = -3",
        "lock_timeout = '20ms'",
        if newer { "transaction_timeout = '1min'" } else { "work_mem = '64kB'" },
    ];
    for setting in settings {
        app.db.execute(&format!("alter role \"{role}\" set {setting}")).await;
    }
    whole_life(&app, &support::connect(&app.db.role_url(&role)).await).await;
}

#[tokio::test]
async fn a_short_limit_on_idle_transactions_does_not_end_a_run_that_waits_for_a_lock() {
    for major in [15, 18] {
        let app = App::start_on(TestDb::create_on(major).await).await;
        let view = app.view(Strategy::Regular, PER_USER).await;
        let role = app.db.create_role("idle").await;
        app.db
            .execute(&format!(
                "alter role \"{role}\" superuser;
                 alter role \"{role}\" set idle_in_transaction_session_timeout = '60ms'"
            ))
            .await;
        if major >= 17 {
            app.db.execute(&format!("alter role \"{role}\" set transaction_timeout = '500ms'")).await;
        }
        let remat = support::connect(&app.db.role_url(&role)).await;
        app.sql.batch_execute("begin; select * from per_user limit 1").await.unwrap();
        let refresh =
            tokio::spawn(async move { remat.refresh(&view, RefreshOptions::default()).await.unwrap() });
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        app.sql.batch_execute("commit").await.unwrap();
        let run = refresh.await.unwrap();
        assert_eq!(run.status, Status::Success, "{major}: {run:#?}");
    }
}

#[tokio::test]
async fn two_migrations_at_once_agree_whatever_the_isolation_of_the_role() {
    let db = TestDb::create().await;
    let role = db.create_role("mig").await;
    db.execute(&format!(
        "alter role \"{role}\" superuser; alter role \"{role}\" set default_transaction_isolation = 'serializable';
         alter role \"{role}\" set default_transaction_read_only = on"
    ))
    .await;
    let (one, two) =
        (support::connect(&db.role_url(&role)).await, support::connect(&db.role_url(&role)).await);
    let blocker = db.connect().await;
    blocker.batch_execute("begin; select pg_advisory_xact_lock(x'72656d6d'::int, 0)").await.unwrap();
    let (first, second) =
        (tokio::spawn(async move { one.migrate().await }), tokio::spawn(async move { two.migrate().await }));
    remat_testkit::wait_until("both wait", async || {
        db.query_one_i64("select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())").await == 2
    })
    .await;
    blocker.batch_execute("commit").await.unwrap();
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert!(first.is_empty() != second.is_empty(), "one of them did it: {first:?} {second:?}");
}

#[tokio::test]
async fn a_reader_of_a_standby_is_not_refused_for_what_only_a_writer_can_do() {
    let app = App::start().await;
    app.view(Strategy::Regular, PER_USER).await;
    let role = app.db.create_role("ro").await;
    app.db
        .execute(&format!(
            "alter role \"{role}\" superuser; alter role \"{role}\" set default_transaction_read_only = on;
             insert into remat.runs (view_id, operation, status, started_at, pid, backend_start)
             select id, 'refresh', 'running', clock_timestamp(), 1, '2000-01-01' from remat.views"
        ))
        .await;
    let remat = support::connect(&app.db.role_url(&role)).await;
    remat.check_schema().await.unwrap();
    assert_eq!(remat.status().await.unwrap().len(), 1);
}

/// Functions and operators that fit the arguments of remat's own statements better than the server's do. The search
/// path of a session is the role's: whoever may create in `public` could else run code as the role of remat.
const TRAPS: &str = r"
create function public.sprung() returns text language plpgsql as $$ begin raise exception 'the trap was sprung'; end $$;
create function public.mod_trap(bigint, integer) returns bigint language plpgsql as $$ begin perform public.sprung(); return 1; end $$;
create operator public.% (function = public.mod_trap, leftarg = bigint, rightarg = integer);
create function public.format(text, text, text) returns text language plpgsql as $$ begin return public.sprung(); end $$;
create function public.format(text, integer, text, text, text, text) returns text language plpgsql as $$ begin return public.sprung(); end $$;
create function public.format(text, integer, name, text, text, text) returns text language plpgsql as $$ begin return public.sprung(); end $$;
create function public.trap_state(text[], text) returns text[] language plpgsql as $$ begin perform public.sprung(); return $1; end $$;
create aggregate public.array_agg(text) (sfunc = public.trap_state, stype = text[], initcond = '{}');
create function public.trap_count(bigint, text) returns bigint language plpgsql as $$ begin perform public.sprung(); return 1; end $$;
create aggregate public.count(text) (sfunc = public.trap_count, stype = bigint, initcond = '0');
create function public.num_nonnulls(bigint, text, text) returns integer language plpgsql as $$ begin perform public.sprung(); return 1; end $$;
create function public.to_jsonb(text[]) returns jsonb language plpgsql as $$ begin perform public.sprung(); return '[]'; end $$;
";

#[tokio::test]
async fn functions_of_others_in_the_search_path_are_never_called_by_remats_own_statements() {
    let db = TestDb::create().await;
    db.execute(TRAPS).await;
    let app = App::start_on(db).await;
    whole_life(&app, &app.remat).await;
    app.db
        .execute("insert into remat.scheduled_jobs (name, schedule, sql) values ('j', '* * * * *', 'select 1'); select * from remat.mat_view_definitions")
        .await;
    // A lock that is in the way, so that blockers are named too.
    let mut definition = App::definition(Strategy::Regular, PER_USER);
    definition.settings.lock_budget_ms = 100;
    let view = app.create(&definition).await;
    app.db.execute("create view above as select * from per_user").await;
    app.sql.batch_execute("begin; select from above limit 1").await.unwrap();
    let told = format!("{:?}", app.refresh(&view).await.error);
    assert!(told.contains("Blocked by"), "{told}");
    assert!(!told.contains("sprung"), "{told}");
    assert_eq!(app.remat.dependents(&view).await.unwrap(), ["view public.above"]);
    assert_eq!(app.remat.refresh_order(vec![view.clone()]).await.unwrap().len(), 1);
}
