//! The whole life of views for roles that are no superusers: which privileges suffice is documented here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use remat::{
    Remat,
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::Status,
    store::retention::Retention,
    view::{Definition, Strategy},
};
use remat_testkit::TestDb;
use support::{App, PER_USER};

const STRATEGIES: [Strategy; 4] = [Strategy::Regular, Strategy::Concurrent, Strategy::Swap, Strategy::Merge];

fn definitions() -> Vec<Definition> {
    let name = |strategy: Strategy| remat::name::RelationName::new("app", strategy.as_str()).unwrap();
    let definition = |strategy| {
        let mut definition = App::definition(strategy, PER_USER);
        definition.settings.search_path = vec![remat::name::Identifier::new("app").unwrap()];
        Definition { name: name(strategy), ..definition }
    };
    STRATEGIES.into_iter().map(definition).collect()
}

/// Define, create, refresh, verify, bench, force, plan, apply, rename by a project, pause, prune, delete.
async fn live(remat: &Remat) {
    remat.check_schema().await.unwrap();
    for definition in definitions() {
        let view = remat.define(&definition).await.unwrap();
        let run = remat.create(&view, CreateOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
        let run = remat.refresh(&view, RefreshOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
        assert!(remat.verify(&view).await.unwrap().equal);
        let forced = CreateOptions { force: true, ..CreateOptions::default() };
        let run = remat.create(&view, forced).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
    }
    apply(remat, &definitions()).await;
    let changed: Vec<Definition> = definitions()
        .into_iter()
        .map(|definition| Definition { query: format!("{PER_USER} having count(*) > 1"), ..definition })
        .collect();
    apply(remat, &changed).await;
    remat.prune(&Retention::default(), |_| ()).await.unwrap();
    assert_eq!(remat.status().await.unwrap().len(), 4);
    for view in remat.views().await.unwrap() {
        let run = remat.delete(&view, DeleteOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
    }
}

async fn apply(remat: &Remat, definitions: &[Definition]) {
    let project = support::project_of(definitions);
    let plan = remat.plan(&project).await.unwrap();
    remat.plan_sql(&plan).await.unwrap();
    for step in remat.apply(&project, &plan, true).await.unwrap() {
        assert!(step.run.as_ref().is_none_or(|run| run.status == Status::Success), "{step:#?}");
    }
}

const TABLES: &str = "
create table app.sales (id bigint generated always as identity primary key, user_id int not null, cents int not null);
insert into app.sales (user_id, cents) select g % 100, g from generate_series(1, 1000) g;";

#[tokio::test]
async fn an_owner_of_the_database_needs_no_superuser() {
    for major in [15, 18] {
        let db = TestDb::create_on(major).await;
        let role = db.create_role("owner").await;
        db.execute(&format!("alter database {} owner to \"{role}\"", db.name())).await;
        let owner = db.connect_as(&role).await;
        owner.batch_execute(&format!("create schema app; {TABLES}")).await.unwrap();
        let remat = support::connect(&db.role_url(&role)).await;
        remat.migrate().await.unwrap();
        live(&remat).await;
    }
}

#[tokio::test]
async fn a_role_that_may_create_schemas_needs_no_more() {
    for major in [15, 18] {
        let db = TestDb::create_on(major).await;
        let role = db.create_role("maker").await;
        db.execute(&format!(
            "create schema app; {TABLES}
             grant create on database {} to \"{role}\";
             grant usage, create on schema app to \"{role}\";
             grant select on app.sales to \"{role}\"",
            db.name()
        ))
        .await;
        let remat = support::connect(&db.role_url(&role)).await;
        remat.migrate().await.unwrap();
        live(&remat).await;
    }
}

/// What a worker needs that did not migrate: remat's tables, a place for the defining views of managed tables, a place
/// for its relations, and what the queries read.
fn grants(worker: &str) -> String {
    format!(
        "grant usage on schema remat to \"{worker}\";
         grant select, insert, update, delete on all tables in schema remat to \"{worker}\";
         grant usage, create on schema remat_query to \"{worker}\";
         grant usage, create on schema app to \"{worker}\";
         grant select on app.sales to \"{worker}\""
    )
}

#[tokio::test]
async fn a_worker_that_did_not_migrate_lives_on_documented_grants() {
    for major in [15, 18] {
        let db = TestDb::create_on(major).await;
        let worker = db.create_role("worker").await;
        support::connect(&db.url()).await.migrate().await.unwrap();
        db.execute(&format!("create schema app; {TABLES} {}", grants(&worker))).await;
        live(&support::connect(&db.role_url(&worker)).await).await;
    }
}

#[tokio::test]
async fn a_reader_of_the_status_needs_usage_and_select_alone() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let reader = app.db.create_role("reader").await;
    app.db
        .execute(&format!(
            "grant usage on schema remat to \"{reader}\"; grant select on all tables in schema remat to \"{reader}\""
        ))
        .await;
    let remat = support::connect(&app.db.role_url(&reader)).await;
    remat.check_schema().await.unwrap();
    assert_eq!(remat.status().await.unwrap()[0].view, view.definition.name);
    assert_eq!(remat.runs(&remat::store::runs::Filter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_comparison_runs_the_query_with_no_more_rights_than_the_owner_has() {
    let app = App::start().await;
    let owner = app.db.create_role("own").await;
    app.db
        .execute(&format!(
            "create table who (name text);
             grant select on sales to \"{owner}\"; grant insert on who to \"{owner}\"; grant create, usage on schema public to \"{owner}\";
             create function who_am_i() returns text language sql stable as $$ select current_user::text $$"
        ))
        .await;
    for strategy in [Strategy::Regular, Strategy::Merge] {
        let mut definition =
            App::definition(strategy, "select user_id, who_am_i() as who from sales group by user_id");
        definition.name = remat::name::RelationName::new("public", strategy.as_str()).unwrap();
        definition.owner = Some(remat::name::Identifier::new(owner.clone()).unwrap());
        let view = app.create(&definition).await;
        app.assert_equal(&view).await;
    }
}
