//! What is done to the tables and to what remat put there.

use crate::{
    fixture::{following, refreshed, refreshes_by},
    support::PER_USER,
};

/// Two refreshes at most, and changes are followed again.
async fn recovers(app: &crate::support::App, view: &remat::view::View) {
    refreshed(app, view).await;
    app.db.execute("insert into sales (user_id, cents) values (77, 1)").await;
    refreshed(app, view).await;
    app.db.execute("insert into sales (user_id, cents) values (78, 1)").await;
    refreshes_by(app, view, "incremental").await;
}

#[tokio::test]
async fn a_column_that_the_view_does_not_read_comes_and_goes() {
    let (app, view) = following("select user_id, count(*) as n from sales group by user_id").await;
    app.db
        .execute("alter table sales add column note text; update sales set note = 'x' where user_id = 1")
        .await;
    recovers(&app, &view).await;
    app.db.execute("alter table sales alter column note type varchar(9)").await;
    recovers(&app, &view).await;
    app.db.execute("alter table sales drop column note").await;
    recovers(&app, &view).await;
}

#[tokio::test]
async fn a_table_and_a_column_are_renamed() {
    let (app, view) = following(PER_USER).await;
    app.db.execute("alter table sales rename column cents to pence").await;
    let query = "select user_id, count(*) as sales, sum(pence) as cents from sales group by user_id";
    let renamed = with_query(&view, query);
    recovers_as(&app, &renamed).await;
    app.db.execute("alter table sales rename to purchases").await;
    let query = "select user_id, count(*) as sales, sum(pence) as cents from purchases group by user_id";
    let renamed = with_query(&view, query);
    refreshed(&app, &renamed).await;
    app.db.execute("delete from purchases where user_id = 9").await;
    refreshed(&app, &renamed).await;
    app.db.execute("delete from purchases where user_id = 10").await;
    refreshes_by(&app, &renamed, "incremental").await;
}

async fn recovers_as(app: &crate::support::App, view: &remat::view::View) {
    refreshed(app, view).await;
    app.db.execute("insert into sales (user_id, pence) values (77, 1)").await;
    refreshed(app, view).await;
    app.db.execute("insert into sales (user_id, pence) values (78, 1)").await;
    refreshes_by(app, view, "incremental").await;
}

/// The query as a person would write it now, for the comparison only.
fn with_query(view: &remat::view::View, query: &str) -> remat::view::View {
    let mut view = view.clone();
    view.definition.query = query.into();
    view
}

#[tokio::test]
async fn a_disabled_trigger_is_noticed_and_made_anew() {
    let (app, view) = following(PER_USER).await;
    app.db.execute("alter table sales disable trigger all; delete from sales where user_id = 3").await;
    let run = refreshed(&app, &view).await;
    assert_eq!(run.reason.as_deref(), Some("merge: changes of \"public.sales\" can pass unlogged"));
    recovers(&app, &view).await;
}

#[tokio::test]
async fn a_trigger_that_was_disabled_for_a_while_is_noticed() {
    let (app, view) = following(PER_USER).await;
    app.db
        .execute(
            "alter table sales disable trigger remat_1_delete; delete from sales where user_id = 3;
             alter table sales enable always trigger remat_1_delete",
        )
        .await;
    let run = refreshed(&app, &view).await;
    assert_eq!(run.reason.as_deref(), Some("merge: changes of \"public.sales\" may have passed unlogged"));
    recovers(&app, &view).await;
}

#[tokio::test]
async fn triggers_that_a_restore_of_data_disabled_and_enabled_are_noticed() {
    let (app, view) = following(PER_USER).await;
    // As `pg_restore --data-only --disable-triggers` does; the triggers are then no more `always`.
    app.db
        .execute(
            "alter table sales disable trigger all; insert into sales (user_id, cents) values (3, 3);
             alter table sales enable trigger all",
        )
        .await;
    let run = refreshed(&app, &view).await;
    assert_eq!(run.reason.as_deref(), Some("merge: changes of \"public.sales\" can pass unlogged"));
    recovers(&app, &view).await;
}

#[tokio::test]
async fn a_replica_session_is_followed() {
    let (app, view) = following(PER_USER).await;
    let replica = "set session_replication_role = replica;";
    for write in
        ["delete from sales where user_id = 3", "insert into sales (user_id, cents) values (3, 3), (2000, 3)"]
    {
        app.db.execute(&format!("{replica} {write}")).await;
        refreshes_by(&app, &view, "incremental").await;
    }
    app.db.execute(&format!("{replica} truncate sales")).await;
    let run = refreshes_by(&app, &view, "merge").await;
    assert_eq!(run.reason.as_deref(), Some("merge: all rows of \"public.sales\" went at once"));
}

#[tokio::test]
async fn a_log_or_a_hidden_table_that_somebody_dropped_is_made_anew() {
    let (app, view) = following(PER_USER).await;
    app.db.execute("drop table remat_log.n1 cascade; delete from sales where user_id = 3").await;
    recovers(&app, &view).await;
    let hidden = "select coalesce(string_agg(format('drop table %s;', c.oid::regclass), ''), '')
                  from pg_class c where relnamespace = 'remat_query'::regnamespace and relkind = 'r'";
    let drop = app.text(hidden).await;
    app.db.execute(&drop).await;
    app.db.execute("delete from sales where user_id = 4").await;
    recovers(&app, &view).await;
}

#[tokio::test]
async fn another_view_that_widens_the_log_costs_one_merge_at_most() {
    let (app, view) = following("select user_id, count(*) as n from sales group by user_id").await;
    let query = "select user_id, sum(cents) as cents from sales group by user_id";
    let other = app.create(&crate::fixture::incremental("other", query)).await;
    refreshed(&app, &other).await;
    recovers(&app, &view).await;
    app.db.execute("update sales set cents = 0 where user_id = 1").await;
    refreshes_by(&app, &other, "incremental").await;
}

#[tokio::test]
async fn a_state_of_another_system_is_not_believed() {
    let (app, view) = following(PER_USER).await;
    app.db
        .execute(
            "update remat.view_states set system = '1/1'; update remat.captures set system = '1/1';
             update remat.view_plans set system = '1/1'; delete from sales where user_id = 3",
        )
        .await;
    refreshes_by(&app, &view, "merge").await;
    recovers(&app, &view).await;
}

#[tokio::test]
async fn what_a_type_of_somebody_prints_otherwise_is_noticed() {
    for (kind, value, query, ddl) in [
        (
            "create type mood as enum ('good', 'bad')",
            "'good'",
            "select user_id, max(x::text) as x from items where x::text <> 'bad' group by user_id",
            "alter type mood rename value 'good' to 'fine'",
        ),
        (
            "create type feeling as enum ('good', 'bad'); create domain mood as feeling[]",
            "'{good,bad}'",
            "select user_id, x::text as x from items",
            "alter type feeling rename value 'good' to 'fine'",
        ),
        (
            "create type mood as (level int, word text)",
            "'(1,good)'",
            "select user_id, to_json(x)::text as x from items",
            "alter type mood rename attribute level to height",
        ),
    ] {
        let app = crate::support::App::start().await;
        app.db
            .execute(&format!(
                "{kind}; create table items (user_id int primary key, x mood not null);
                 insert into items select g, {value} from generate_series(1, 50) g"
            ))
            .await;
        let view = app.view(remat::view::Strategy::Incremental, query).await;
        refreshes_by(&app, &view, "merge").await;
        app.db.execute("delete from items where user_id = 50").await;
        refreshes_by(&app, &view, "incremental").await;
        app.db.execute(&format!("{ddl}; delete from items where user_id = 49")).await;
        let run = refreshes_by(&app, &view, "merge").await;
        assert_eq!(run.reason.as_deref(), Some("merge: the view, or what it reads, was changed"), "{ddl}");
        refreshed(&app, &view).await;
        app.db.execute("delete from items where user_id = 48").await;
        refreshes_by(&app, &view, "incremental").await;
    }
}
