//! Plan and apply: the database follows a project folder and loses nothing on the way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use remat::{
    apply::{Applied, ProjectPlan},
    error::ErrorKind,
    name::RelationName,
    project::{self, Project, ProjectDefaults, ViewFile},
    run::Status,
    schedule::Misfire,
    store::runs::Filter,
};
use support::App;

const SETTINGS: &str = "[project]\nname = \"shop\"\n";

/// A project from file names and texts, without a folder.
fn shop(files: &[(&str, &str)]) -> Project {
    shop_with(SETTINGS, files)
}

fn shop_with(settings: &str, files: &[(&str, &str)]) -> Project {
    let views = files.iter().map(|(path, text)| ViewFile {
        path: (*path).into(),
        definition: project::parse_view(path, text, &ProjectDefaults::default()).expect("the file is sound"),
    });
    Project {
        settings: project::parse_settings(settings).expect("the settings are sound"),
        views: views.collect(),
    }
}

async fn apply(app: &App, project: &Project) -> Vec<Applied> {
    let plan = app.remat.plan(project).await.expect("it can be planned");
    let applied = app.remat.apply(project, &plan, true).await.expect("it can be applied");
    for step in &applied {
        assert!(step.run.as_ref().is_none_or(|run| run.status == Status::Success), "{step:#?}");
    }
    assert!(app.remat.plan(project).await.unwrap().is_empty(), "nothing is left to do");
    applied
}

fn actions(plan: &ProjectPlan) -> Vec<String> {
    plan.views.steps.iter().map(|step| format!("{} {}", step.action(), step.view())).collect()
}

const DAILY: (&str, &str) =
    ("views/daily.sql", "select user_id, count(*) as sales from sales group by user_id");

#[tokio::test]
async fn a_project_is_created_in_the_order_in_which_its_views_read_each_other() {
    let app = App::start().await;
    let project =
        shop(&[("views/a_top.sql", "select * from z_base where sales > 1"), ("views/z_base.sql", DAILY.1)]);
    let plan = app.remat.plan(&project).await.unwrap();
    assert_eq!(actions(&plan), ["create public.z_base", "create public.a_top"]);
    apply(&app, &project).await;
    assert_eq!(app.count("select count(*) from a_top").await, 100);
}

#[tokio::test]
async fn a_changed_query_keeps_dependents_grants_comments_and_indexes() {
    let app = App::start().await;
    apply(&app, &shop(&[DAILY])).await;
    let role = app.db.create_role("reader").await;
    app.db
        .execute(&format!(
            "create view report as select user_id, sales from daily; comment on view report is 'for the board';
             grant select on report, daily to {role}; comment on materialized view daily is 'by user';
             create index by_sales on daily (sales)"
        ))
        .await;
    let changed = "select user_id, count(*) as sales, sum(cents) as cents from sales group by user_id";
    let applied = apply(&app, &shop(&[("views/daily.sql", changed)])).await;
    assert_eq!(applied[0].action.as_str(), "redefine");
    assert!(app.count("select sum(cents)::int8 from daily").await > 0);
    assert_eq!(app.count("select count(*) from report").await, 100);
    assert_eq!(app.text("select obj_description('report'::regclass)").await, "for the board");
    assert_eq!(app.text("select obj_description('daily'::regclass)").await, "by user");
    assert_eq!(app.count("select count(*) from pg_indexes where indexname = 'by_sales'").await, 1);
    let reads = format!(
        "select (has_table_privilege('{role}', 'report', 'select') and has_table_privilege('{role}', 'daily', 'select'))::int::int8"
    );
    assert_eq!(app.count(&reads).await, 1);
}

#[tokio::test]
async fn a_query_that_fails_changes_neither_the_definition_nor_the_relation() {
    let app = App::start().await;
    apply(&app, &shop(&[DAILY])).await;
    let broken = shop(&[("views/daily.sql", "select user_id, 1 / 0 as boom from sales")]);
    let plan = app.remat.plan(&broken).await.unwrap();
    let applied = app.remat.apply(&broken, &plan, true).await.unwrap();
    assert_eq!(applied[0].run.as_ref().unwrap().status, Status::Failed);
    let view = app.remat.view(&RelationName::new("public", "daily").unwrap()).await.unwrap();
    assert!(view.definition.query.contains("count(*)"));
    assert_eq!(app.count("select count(*) from daily").await, 100);
    assert!(app.remat.plan(&shop(&[DAILY])).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_view_becomes_a_managed_table_and_back_without_losing_its_dependents() {
    let app = App::start().await;
    apply(&app, &shop(&[DAILY])).await;
    app.db
        .execute(
            "create view report as select user_id, sales from daily; create index by_sales on daily (sales)",
        )
        .await;
    let merged = format!("/* remat\nstrategy = \"merge\"\nkey = [\"user_id\"]\n*/\n{}", DAILY.1);
    let applied = apply(&app, &shop(&[("views/daily.sql", &merged)])).await;
    assert_eq!(applied[0].action.as_str(), "convert");
    assert_eq!(app.text("select relkind::text from pg_class where oid = 'daily'::regclass").await, "r");
    app.change_sales().await;
    let view = app.remat.view(&RelationName::new("public", "daily").unwrap()).await.unwrap();
    assert_eq!(app.refresh(&view).await.status, Status::Success);
    app.assert_equal(&view).await;
    apply(&app, &shop(&[DAILY])).await;
    assert_eq!(app.text("select relkind::text from pg_class where oid = 'daily'::regclass").await, "m");
    assert_eq!(app.count("select count(*) from report").await, 100);
    assert_eq!(app.count("select count(*) from pg_indexes where indexname = 'by_sales'").await, 1);
    assert_eq!(app.count("select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'remat_query'").await, 0);
}

#[tokio::test]
async fn a_rename_keeps_the_relation_and_its_runs() {
    let app = App::start().await;
    for head in ["strategy = \"regular\"", "strategy = \"merge\"\nkey = [\"user_id\"]"] {
        let named = |file, more: &str| (file, format!("/* remat\n{head}\n{more}*/\n{}", DAILY.1));
        let (old, new) =
            (named("views/daily.sql", ""), named("views/by_user.sql", "renamed_from = \"daily\"\n"));
        apply(&app, &shop(&[(old.0, &old.1)])).await;
        let oid = app.text("select 'daily'::regclass::oid::text").await;
        apply(&app, &shop(&[(new.0, &new.1)])).await;
        assert_eq!(app.text("select 'by_user'::regclass::oid::text").await, oid);
        let view = app.remat.view(&RelationName::new("public", "by_user").unwrap()).await.unwrap();
        let runs = app.remat.runs(&Filter { view_id: Some(view.id), ..Filter::default() }).await.unwrap();
        assert_eq!(runs.len(), 1, "the run that created it is still its run");
        app.change_sales().await;
        assert_eq!(app.refresh(&view).await.status, Status::Success);
        app.assert_equal(&view).await;
        apply(&app, &shop(&[])).await;
    }
}

#[tokio::test]
async fn a_removal_needs_confirmation_and_keeps_the_runs() {
    let app = App::start().await;
    apply(&app, &shop(&[DAILY])).await;
    let empty = shop(&[]);
    let plan = app.remat.plan(&empty).await.unwrap();
    let refused = app.remat.apply(&empty, &plan, false).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NeedsConfirmation);
    assert_eq!(app.count("select count(*) from daily").await, 100);
    apply(&app, &empty).await;
    assert_eq!(app.count("select count(*) from pg_class where relname = 'daily'").await, 0);
    assert_eq!(app.count("select count(*) from remat.runs").await, 2);
    apply(&app, &shop(&[DAILY])).await;
    assert_eq!(
        app.count("select count(*) from remat.views").await,
        1,
        "the view that comes back is the same view"
    );
}

#[tokio::test]
async fn another_projects_views_are_left_alone() {
    let app = App::start().await;
    apply(&app, &shop(&[DAILY])).await;
    let other = shop_with("[project]\nname = \"other\"\n", &[("views/mine.sql", "select 1 as id")]);
    assert_eq!(actions(&app.remat.plan(&other).await.unwrap()), ["create public.mine"]);
    apply(&app, &other).await;
    assert_eq!(app.count("select count(*) from daily").await, 100);
}

#[tokio::test]
async fn indexes_come_and_go_with_the_definition() {
    let app = App::start().await;
    let file = |indexes: &str| format!("/* remat\nstrategy = \"regular\"\n{indexes}*/\n{}", DAILY.1);
    let count = "select count(*) from pg_indexes where tablename = 'daily'";
    apply(&app, &shop(&[("views/daily.sql", &file(""))])).await;
    assert_eq!(app.count(count).await, 0);
    let applied =
        apply(&app, &shop(&[("views/daily.sql", &file("indexes = [{ columns = [\"sales\"] }]\n"))])).await;
    assert_eq!((applied[0].action.as_str(), app.count(count).await), ("reindex", 1));
    apply(&app, &shop(&[("views/daily.sql", &file("key = [\"user_id\"]\n"))])).await;
    assert_eq!(
        app.count(
            "select count(*) from pg_indexes where tablename = 'daily' and indexdef like '%UNIQUE%user_id%'"
        )
        .await,
        1
    );
}

#[tokio::test]
async fn drift_is_planned_as_a_repair() {
    let app = App::start().await;
    apply(&app, &shop(&[DAILY])).await;
    app.db.execute("alter materialized view daily rename to elsewhere").await;
    assert_eq!(actions(&app.remat.plan(&shop(&[DAILY])).await.unwrap()), ["repair public.daily"]);
    apply(&app, &shop(&[DAILY])).await;
    app.db.execute("alter materialized view daily rename column sales to deals").await;
    apply(&app, &shop(&[DAILY])).await;
    assert!(app.count("select sum(sales)::int8 from daily").await > 0);
    app.db.execute("drop materialized view daily").await;
    assert_eq!(actions(&app.remat.plan(&shop(&[DAILY])).await.unwrap()), ["recreate public.daily"]);
    apply(&app, &shop(&[DAILY])).await;
}

#[tokio::test]
async fn the_sql_of_a_plan_is_shown_and_nothing_is_done() {
    let app = App::start().await;
    let project = shop(&[DAILY]);
    let plan = app.remat.plan(&project).await.unwrap();
    let sql = app.remat.plan_sql(&plan).await.unwrap();
    assert!(sql[0].1.iter().any(|line| line.contains("create materialized view")), "{sql:?}");
    assert_eq!(app.count("select count(*) from pg_class where relname like 'daily%'").await, 0);
    assert_eq!(app.count("select count(*) from remat.views").await, 0);
}

#[tokio::test]
async fn queues_follow_the_file() {
    let app = App::start().await;
    let queue =
        |concurrency: i32| format!("{SETTINGS}[[queue]]\nname = \"reports\"\nconcurrency = {concurrency}\n");
    apply(&app, &shop_with(&queue(2), &[])).await;
    assert_eq!(app.count("select concurrency::bigint from remat.queues where name = 'reports'").await, 2);
    apply(&app, &shop_with(&queue(3), &[])).await;
    assert_eq!(app.count("select concurrency::bigint from remat.queues where project = 'shop'").await, 3);
    apply(&app, &shop(&[])).await;
    assert_eq!(app.count("select count(*) from remat.queues").await, 0);
}

#[tokio::test]
async fn how_runs_reach_a_worker_follows_the_files_and_rebuilds_nothing() {
    let app = App::start().await;
    let settings =
        |keys: &str| format!("{SETTINGS}[[job]]\nname = \"j\"\nschedule = \"@daily\"\ntag = \"t\"\n{keys}");
    apply(&app, &shop_with(&settings(""), &[DAILY])).await;
    let oid = "select 'daily'::regclass::oid::bigint";
    let (before, keys) = (app.count(oid).await, "queue = \"reports\"\npriority = 3\nmisfire = \"skip\"\n");
    let text = format!("/* remat\n{keys}*/\n{}", DAILY.1);
    let project = shop_with(&settings(keys), &[(DAILY.0, &text)]);
    assert_eq!(actions(&app.remat.plan(&project).await.unwrap()), ["alter public.daily"]);
    apply(&app, &project).await;
    let saved = app.remat.jobs().await.unwrap().remove(0).dispatch;
    assert_eq!((saved.queue.as_str(), saved.priority, saved.misfire), ("reports", 3, Misfire::Skip));
    let view = app.remat.views().await.unwrap().remove(0);
    assert_eq!((view.definition.dispatch, view.version), (saved, 2));
    assert_eq!(app.count(oid).await, before);
}

#[tokio::test]
async fn scheduled_jobs_follow_the_file() {
    let app = App::start().await;
    let job = |line: &str| {
        format!("{SETTINGS}[[job]]\nname = \"hourly\"\nschedule = \"{line}\"\ntag = \"sales\"\n")
    };
    apply(&app, &shop_with(&job("@hourly"), &[])).await;
    apply(&app, &shop_with(&job("0 6 * * *"), &[])).await;
    assert_eq!(app.remat.jobs().await.unwrap()[0].schedule, "0 6 * * *");
    apply(&app, &shop(&[])).await;
    assert!(app.remat.jobs().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_owner_is_given_the_relation_and_then_nothing_is_left_to_do() {
    let app = App::start().await;
    let role = app.db.create_role("owner").await;
    app.db
        .execute(&format!("grant select on sales to {role}; grant create on schema public to {role}"))
        .await;
    for (head, file) in [
        ("strategy = \"regular\"", "views/daily.sql"),
        ("strategy = \"merge\"\nkey = [\"user_id\"]", "views/merged.sql"),
    ] {
        let text = |owner: &str| format!("/* remat\n{head}\n{owner}*/\n{}", DAILY.1);
        apply(&app, &shop(&[(file, &text(""))])).await;
        apply(&app, &shop(&[(file, &text(&format!("owner = \"{role}\"\n")))])).await;
        let name = file.trim_start_matches("views/").trim_end_matches(".sql");
        let owner = app
            .text(&format!("select relowner::regrole::text from pg_class where oid = '{name}'::regclass"))
            .await;
        assert_eq!(owner.trim_matches('"'), role);
        let view = app.remat.view(&RelationName::new("public", name).unwrap()).await.unwrap();
        assert_eq!(app.refresh(&view).await.status, Status::Success);
    }
}

#[tokio::test]
async fn a_relation_of_somebody_else_is_never_built_over_nor_dropped() {
    let app = App::start().await;
    app.db.execute("create materialized view daily as select 1 as mine").await;
    let refused = app.remat.plan(&shop(&[DAILY])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("was not made by remat"), "{refused}");
    app.db.execute("alter materialized view daily rename to kept").await;
    apply(&app, &shop(&[DAILY])).await;
    app.db.execute("drop materialized view daily; alter materialized view kept rename to daily").await;
    apply(&app, &shop(&[])).await;
    assert_eq!(app.count("select mine::int8 from daily").await, 1);
}

#[tokio::test]
async fn a_view_that_was_never_made_is_no_loss() {
    let app = App::start().await;
    let broken = shop(&[("views/broken.sql", "select 1 / 0 as a")]);
    let plan = app.remat.plan(&broken).await.unwrap();
    assert_eq!(
        app.remat.apply(&broken, &plan, true).await.unwrap()[0].run.as_ref().unwrap().status,
        Status::Failed
    );
    let empty = shop(&[]);
    let plan = app.remat.plan(&empty).await.unwrap();
    app.remat.apply(&empty, &plan, false).await.expect("nothing is lost, so nobody must confirm");
    assert_eq!(app.remat.views().await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_printed_migrations_make_the_same_tables_by_hand() {
    use remat_testkit::TestDb;
    let db = TestDb::create().await;
    let remat = support::connect(&db.url()).await;
    db.execute(&remat.migration_sql().await.unwrap()).await;
    remat.check_schema().await.expect("the tables are those of this program");
    assert!(remat.migrate().await.unwrap().is_empty());
    assert_eq!(remat.migration_sql().await.unwrap(), "");
}

#[tokio::test]
async fn what_changed_a_definition_or_a_relation_is_in_the_audit() {
    let app = App::start().await;
    apply(&app, &shop(&[DAILY])).await;
    apply(&app, &shop(&[("views/daily.sql", "select user_id, 1 as one from sales group by user_id")])).await;
    apply(&app, &shop(&[])).await;
    let actions = "select string_agg(action, ',' order by id) from remat.events where action <> 'retire'";
    assert_eq!(app.text(actions).await, "create,redefine,remove");
    let before = "select before->>'query' from remat.events where action = 'redefine'";
    assert_eq!(app.text(before).await, DAILY.1);
}

#[tokio::test]
async fn a_removal_leaves_no_query_of_a_table_that_somebody_dropped() {
    let app = App::start().await;
    let merged = format!("/* remat\nstrategy = \"merge\"\nkey = [\"user_id\"]\n*/\n{}", DAILY.1);
    apply(&app, &shop(&[("views/daily.sql", &merged)])).await;
    app.db.execute("drop table daily").await;
    apply(&app, &shop(&[])).await;
    let left = "select count(*) from pg_views where schemaname = 'remat_query'";
    assert_eq!(app.count(left).await, 0);
}

#[tokio::test]
async fn a_removal_drops_a_relation_that_came_back_from_a_dump_under_another_object_id() {
    let app = App::start().await;
    apply(&app, &shop(&[DAILY])).await;
    // What a restore does: the same relation, made anew.
    app.db
        .execute(&format!("drop materialized view daily; create materialized view daily as {}", DAILY.1))
        .await;
    apply(&app, &shop(&[])).await;
    assert_eq!(app.count("select count(*) from pg_class where relname = 'daily'").await, 0);
}
