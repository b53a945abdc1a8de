//! What a view needs comes with it and goes with it, and what others hung on it stays.

use remat::{
    operation::DeleteOptions,
    view::{Definition, Strategy, View},
};

use crate::{
    fixture::{following, force, refreshed, refreshes_by, traces},
    support::{App, PER_USER, project_of},
};

async fn becomes(app: &App, view: &View, strategy: Strategy) -> View {
    let definition = Definition { strategy, ..view.definition.clone() };
    let project = project_of(&[definition]);
    let plan = app.remat.plan(&project).await.unwrap();
    let applied = app.remat.apply(&project, &plan, true).await.unwrap();
    assert!(
        applied.iter().all(|step| step.run.as_ref().is_none_or(|run| run.check().is_ok())),
        "{applied:?}"
    );
    app.again(view).await
}

#[tokio::test]
async fn a_deleted_view_leaves_nothing() {
    let (app, view) = following(PER_USER).await;
    assert!(traces(&app).await > 0);
    app.remat.delete(&view, DeleteOptions::default()).await.unwrap().check().unwrap();
    assert_eq!(traces(&app).await, 0);
    app.db.execute("delete from sales where user_id = 1").await;
}

#[tokio::test]
async fn a_table_that_somebody_dropped_leaves_nothing_after_a_delete() {
    let (app, view) = following(PER_USER).await;
    app.db.execute("drop table per_user").await;
    let options = DeleteOptions { if_exists: true, ..DeleteOptions::default() };
    app.remat.delete(&view, options).await.unwrap().check().unwrap();
    assert_eq!(traces(&app).await, 0);
}

#[tokio::test]
async fn a_view_that_is_built_anew_follows_changes_again() {
    let (app, view) = following(PER_USER).await;
    let view = force(&app, &view).await;
    app.change_sales().await;
    refreshes_by(&app, &view, "merge").await;
    app.db.execute("delete from sales where user_id = 1").await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn a_conversion_keeps_what_others_hung_on_the_view() {
    let app = App::start().await;
    let role = app.db.create_role("reader").await;
    let view = app.view(Strategy::Swap, PER_USER).await;
    app.db
        .execute(&format!(
            "create view upon as select sum(cents) as cents from per_user; grant select on per_user to {role};
             comment on materialized view per_user is 'by user'; create index by_sales on per_user (sales)"
        ))
        .await;
    for strategy in [Strategy::Incremental, Strategy::Swap, Strategy::Incremental, Strategy::Merge] {
        let view = becomes(&app, &view, strategy).await;
        app.change_sales().await;
        refreshed(&app, &view).await;
        app.change_sales().await;
        refreshed(&app, &view).await;
        assert_eq!(app.count("select cents::int8 - (select sum(cents) from sales)::int8 from upon").await, 0);
        assert_eq!(app.text("select obj_description('per_user'::regclass)").await, "by user");
        let grant = format!("select has_table_privilege('{role}', 'per_user', 'select')::int::int8");
        assert_eq!(app.count(&grant).await, 1);
        assert_eq!(app.count("select count(*) from pg_indexes where indexname = 'by_sales'").await, 1);
    }
}

#[tokio::test]
async fn from_merge_to_incremental_and_back_the_table_stays() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    let table = app.count("select 'per_user'::regclass::oid::int8").await;
    let view = becomes(&app, &view, Strategy::Incremental).await;
    refreshes_by(&app, &view, "merge").await;
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
    let view = becomes(&app, &view, Strategy::Merge).await;
    assert_eq!(traces(&app).await, 0);
    app.change_sales().await;
    refreshes_by(&app, &view, "merge").await;
    assert_eq!(app.count("select 'per_user'::regclass::oid::int8").await, table);
}

#[tokio::test]
async fn logs_go_when_every_view_has_read_them_and_with_their_last_reader() {
    use remat::service::{Service, logs::Logs};
    let (app, view) = following(PER_USER).await;
    let mut logs = Logs::new(&app.remat);
    app.change_sales().await;
    logs.run_once().await.unwrap();
    assert_eq!(app.count("select count(*) from remat_log.t1").await, 31);
    refreshes_by(&app, &view, "incremental").await;
    logs.run_once().await.unwrap();
    assert_eq!(app.count("select count(*) from remat_log.t1").await, 0);
    // As a program may do it, past `apply`.
    app.remat.define(&Definition { strategy: Strategy::Merge, ..view.definition.clone() }).await.unwrap();
    logs.run_once().await.unwrap();
    assert_eq!(traces(&app).await, 0);
}

#[tokio::test]
async fn a_merge_within_the_server_is_noticed() {
    let (app, view) = following(PER_USER).await;
    app.change_sales().await;
    app.db.execute("select remat.refresh_now('public.per_user')").await;
    app.db.execute("delete from sales where user_id = 1").await;
    refreshes_by(&app, &view, "merge").await;
    app.db.execute("delete from sales where user_id = 2").await;
    refreshes_by(&app, &view, "incremental").await;
}
