//! A view that follows changes, and the proof that it does.

use remat::{
    name::RelationName,
    operation::CreateOptions,
    run::{Run, Status},
    view::{Definition, Strategy, View},
};

use crate::support::App;

/// The view is its query in one snapshot.
pub(crate) async fn assert_fresh(app: &App, view: &View) {
    let differences = differences(&app.sql, view).await;
    assert_eq!(differences, 0, "rows by which {} differs from its query", view.definition.name);
}

/// Rows by which the view and its query differ, both ways, in one snapshot.
pub(crate) async fn differences(client: &tokio_postgres::Client, view: &View) -> i64 {
    let (name, query) = (view.definition.name.to_sql(), &view.definition.query);
    let sql = format!(
        "select (select count(*) from ((table {name}) except all ({query})) a)
              + (select count(*) from (({query}) except all (table {name})) b)"
    );
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

/// Refreshes and proves it, by a comparison of our own and by what remat itself says, which compares texts; the run must be
/// a success.
pub(crate) async fn refreshed(app: &App, view: &View) -> Run {
    let run = app.refresh(view).await;
    assert_eq!(run.status, Status::Success, "{run:#?}");
    assert_fresh(app, view).await;
    app.assert_equal(view).await;
    run
}

/// As [`refreshed`], by this strategy.
pub(crate) async fn refreshes_by(app: &App, view: &View, strategy: &str) -> Run {
    let run = refreshed(app, view).await;
    assert_eq!(run.strategy.as_deref(), Some(strategy), "{:?} {}", run.reason, run.meta);
    run
}

/// An application whose view `per_user` follows changes and has been filled.
pub(crate) async fn following(query: &str) -> (App, View) {
    let app = App::start().await;
    let view = app.view(Strategy::Incremental, query).await;
    refreshes_by(&app, &view, "merge").await;
    (app, view)
}

pub(crate) fn incremental(name: &str, query: &str) -> Definition {
    let name = RelationName::new("public", name).unwrap();
    Definition { name, ..App::definition(Strategy::Incremental, query) }
}

/// Everything in the database that exists for views that follow changes.
pub(crate) async fn traces(app: &App) -> i64 {
    app.count(
        "select (select count(*) from pg_trigger where tgname like 'remat\\_%' and tgname <> 'remat_guard')
              + (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where  n.nspname = 'remat_log' or (n.nspname = 'remat_query' and c.relkind = 'r'))
              + (select count(*) from remat.captures) + (select count(*) from remat.capture_consumers)
              + (select count(*) from remat.view_plans) + (select count(*) from remat.view_states)",
    )
    .await
}

pub(crate) async fn force(app: &App, view: &View) -> View {
    let options = CreateOptions { force: true, ..CreateOptions::default() };
    app.remat.create(view, options).await.unwrap().check().unwrap();
    app.again(view).await
}
