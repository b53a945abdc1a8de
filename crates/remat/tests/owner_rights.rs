//! The owner of a view writes functions, triggers and constraints that a refresh runs. None of them gets the rights of
//! the role that refreshes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use remat::{
    name::Identifier,
    operation::CreateOptions,
    run::{Run, Status},
    view::{Definition, Strategy, View},
};
use support::App;

/// Each would act with the rights of the session's role, at once or when the transaction commits.
const ESCAPES: [&str; 8] = [
    "reset role",
    "select set_config('role', 'none', true)",
    "select set_config('role', session_user, false)",
    "set session authorization default",
    "set session authorization postgres",
    "declare later cursor with hold for select public.note('held')",
    "prepare s0 as select public.note('prepared')",
    "insert into public.trap values (1)",
];

/// A managed table of `owner` whose query calls `public.reach()`, which does what `public.escape` says, and what such
/// a function can do when it waits for the commit.
async fn trapped(app: &App, owner: &str) -> Definition {
    app.db
        .execute(&format!(
            "grant create on schema public to {owner}; grant select on sales to {owner};
             create table heard (who text, what text); grant insert on heard to {owner};
             set role {owner};
             create function public.note(what text) returns int language plpgsql as $$
               begin insert into public.heard values (current_user, what); return 1; end $$;
             create table public.escape (statement text, again boolean);
             create function public.reach() returns int language plpgsql as $$
               declare statement text := (select e.statement from public.escape e);
               begin
                 if statement is not null then execute statement; end if;
                 return public.note('reached');
               end $$;
             create table public.trap (i int);
             create function public.noted() returns trigger language plpgsql as $$
               begin perform public.note(tg_name || ' of ' || tg_table_name); return null; end $$;
             create constraint trigger trapped after insert on public.trap deferrable initially deferred
               for each row execute function public.noted()"
        ))
        .await;
    let query = "select user_id, sum(cents) as cents, reach() as reached from sales group by user_id";
    Definition { owner: Some(Identifier::new(owner).unwrap()), ..App::definition(Strategy::Merge, query) }
}

async fn tempt(app: &App, statement: &str) {
    app.db.execute("truncate escape, heard").await;
    let sql = "insert into escape values ($1)";
    app.sql.execute(sql, &[&statement]).await.unwrap();
}

fn assert_refused(run: &Run, statement: &str) {
    assert_eq!(run.status, Status::Failed, "{statement}: {run:#?}");
    let said = run.error.as_ref().unwrap().to_string();
    assert!(said.contains("security-restricted operation"), "{statement}: {said}");
    assert!(said.contains("would give the role that owns the view the rights"), "{statement}: {said}");
    assert_eq!(run.meta["failure"], "restricted");
}

/// Nobody but the owner ran anything of the owner's.
async fn assert_only_heard(app: &App, role: &str) {
    let others = format!("select count(*) from heard where who <> '{role}'");
    assert_eq!(app.count(&others).await, 0);
}

#[tokio::test]
async fn a_query_that_reaches_for_more_rights_fails_the_creation() {
    let app = App::start().await;
    let owner = app.db.create_role("owner").await;
    let definition = trapped(&app, &owner).await;
    let view = app.remat.define(&definition).await.unwrap();
    for statement in ESCAPES {
        tempt(&app, statement).await;
        let run = app.remat.create(&view, CreateOptions::default()).await.unwrap();
        assert_refused(&run, statement);
        assert_only_heard(&app, &owner).await;
    }
    tempt(&app, "select 1").await;
    app.create(&definition).await;
    assert_eq!(app.count("select count(*) from heard").await, 100);
    assert_only_heard(&app, &owner).await;
}

#[tokio::test]
async fn a_query_that_reaches_for_more_rights_fails_the_refresh() {
    let app = App::start().await;
    let owner = app.db.create_role("owner").await;
    let definition = trapped(&app, &owner).await;
    let view = app.create(&definition).await;
    app.change_sales().await;
    for statement in ESCAPES {
        tempt(&app, statement).await;
        assert_refused(&app.refresh(&view).await, statement);
        let sql = app.count("select remat.refresh_now('per_user')").await;
        assert_refused(&app.remat.run(sql).await.unwrap(), statement);
        assert_only_heard(&app, &owner).await;
        assert_eq!(app.count("select count(*) from per_user where user_id = 1000").await, 0);
    }
    tempt(&app, "select 1").await;
    assert_eq!(app.refresh(&view).await.status, Status::Success);
    assert_eq!(app.text("select distinct who from heard").await, owner);
}

#[tokio::test]
async fn what_a_query_sets_ends_with_its_refresh() {
    let app = App::start().await;
    let owner = app.db.create_role("owner").await;
    let definition = trapped(&app, &owner).await;
    app.create(&definition).await;
    tempt(
        &app,
        "select set_config('search_path', 'elsewhere', false), set_config('remat.writing', 'on', false)",
    )
    .await;
    assert_eq!(refreshed_by_sql(&app).await.status, Status::Success);
    let settings =
        "select current_setting('search_path') || coalesce(current_setting('remat.writing', true), '')";
    assert_eq!(app.text(settings).await, "\"$user\", public");
    assert!(app.sql.execute("delete from per_user", &[]).await.is_err());
}

#[tokio::test]
async fn a_query_cannot_put_something_else_where_the_counts_are_read() {
    let app = App::start().await;
    let owner = app.db.create_role("owner").await;
    let definition = trapped(&app, &owner).await;
    let view = app.create(&definition).await;
    let run = format!("v{}_remat_run", view.id);
    app.db
        .execute(&format!(
            "create function public.decoy() returns int language plpgsql as $$ begin
               if to_regclass('remat_query.{run}2') is null then
                 alter materialized view remat_query.{run} rename to {run}2;
                 create view remat_query.{run} as
                   select 1 as step, public.note('decoy')::bigint as number, now() as ended;
               end if;
               return 1; end $$"
        ))
        .await;
    tempt(&app, "select public.decoy()").await;
    for run in [app.refresh(&view).await, refreshed_by_sql(&app).await] {
        assert_eq!(run.status, Status::Failed, "{run:#?}");
        assert!(run.error.as_ref().unwrap().to_string().contains("was replaced while it ran"), "{run:#?}");
    }
    assert_eq!(app.count("select count(*) from heard").await, 0);
}

#[tokio::test]
async fn a_deferred_trigger_on_a_managed_table_runs_as_its_owner() {
    let app = App::start().await;
    let owner = app.db.create_role("owner").await;
    let definition = trapped(&app, &owner).await;
    let view = app.create(&definition).await;
    app.db
        .execute(&format!(
            "set role {owner};
             create constraint trigger later after insert or update or delete on per_user
               deferrable initially deferred for each row execute function public.noted()"
        ))
        .await;
    tempt(&app, "select 1").await;
    app.change_sales().await;
    assert_eq!(app.refresh(&view).await.status, Status::Success);
    assert_eq!(app.count("select count(*) from heard where what = 'later of per_user'").await, 12);
    app.change_sales().await;
    app.sql.batch_execute("begin; select remat.refresh_now('per_user')").await.unwrap();
    let heard = app.count("select count(*) from heard where what = 'later of per_user'").await;
    assert!(heard > 12, "it does not wait for the commit");
    app.sql.batch_execute("commit").await.unwrap();
    assert_only_heard(&app, &owner).await;
    app.db
        .execute(
            "create or replace function public.noted() returns trigger language plpgsql as $$
               begin reset role; return null; end $$",
        )
        .await;
    app.change_sales().await;
    assert_refused(&app.refresh(&view).await, "a trigger");
    assert_refused(&refreshed_by_sql(&app).await, "a trigger");
}

#[tokio::test]
async fn a_login_that_serves_two_owners_lends_neither_the_others_rights() {
    let app = App::start().await;
    let (one, other) = (app.db.create_role("one").await, app.db.create_role("other").await);
    let login = app.db.create_role("login").await;
    let definition = trapped(&app, &one).await;
    app.db
        .execute(&format!(
            "grant {one}, {other} to {login};
             grant usage, create on schema remat_query to {login} with grant option;
             grant usage on schema remat to {login};
             grant select, insert, update, delete on all tables in schema remat to {login};
             create table secret (i int); alter table secret owner to {other}"
        ))
        .await;
    let remat = support::connect(&app.db.role_url(&login)).await;
    let view = remat.define(&definition).await.unwrap();
    let created = remat.create(&view, CreateOptions::default()).await.unwrap();
    assert_eq!(created.status, Status::Success, "{created:#?}");
    let view = remat.view(&view.definition.name).await.unwrap();
    let worker = app.db.connect_as(&login).await;
    for statement in [format!("set role {other}"), format!("set role {login}"), "reset role".into()] {
        tempt(&app, &statement).await;
        assert_refused(&refreshed_by(&remat, &view).await, &statement);
        let run = worker.query_one("select remat.refresh_now('per_user')", &[]).await.unwrap().get(0);
        assert_refused(&app.remat.run(run).await.unwrap(), &statement);
    }
    for statement in ["insert into secret values (1)", "select count(*) from remat.views"] {
        tempt(&app, statement).await;
        let run = refreshed_by(&remat, &view).await;
        assert_eq!(run.error.as_ref().unwrap().sqlstate.as_deref(), Some("42501"), "{run:#?}");
    }
    tempt(&app, "select 1").await;
    app.change_sales().await;
    assert_eq!(refreshed_by(&remat, &view).await.status, Status::Success);
    app.change_sales().await;
    let run = worker.query_one("select remat.refresh_now('per_user')", &[]).await.unwrap().get(0);
    assert_eq!(app.remat.run(run).await.unwrap().status, Status::Success);
    assert_only_heard(&app, &one).await;
}

async fn refreshed_by_sql(app: &App) -> Run {
    let run = app.count("select remat.refresh_now('per_user')").await;
    app.remat.run(run).await.unwrap()
}

async fn refreshed_by(remat: &remat::Remat, view: &View) -> Run {
    remat.refresh(view, remat::operation::RefreshOptions::default()).await.unwrap()
}
