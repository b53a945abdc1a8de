//! Writers whose transactions begin, wait and end at any time, and the refreshes between.

use tokio_postgres::Client;

use crate::{
    fixture::{following, refreshes_by},
    support::PER_USER,
};

async fn run(client: &Client, script: &str) {
    client.batch_execute(script).await.unwrap_or_else(|error| panic!("{error:?}\nin: {script}"));
}

#[tokio::test]
async fn what_a_savepoint_or_a_handler_took_back_is_not_followed() {
    let (app, view) = following(PER_USER).await;
    app.db
        .execute(
            "begin; insert into sales (user_id, cents) values (1, 5);
             savepoint a; delete from sales where user_id = 2;
             savepoint b; update sales set user_id = 3 where user_id = 4; release b;
             rollback to a; update sales set cents = 9 where user_id = 5;
             savepoint c; truncate sales; rollback to c; commit",
        )
        .await;
    let followed = refreshes_by(&app, &view, "incremental").await;
    assert_eq!(
        (followed.rows_inserted, followed.rows_updated, followed.rows_deleted),
        (Some(0), Some(2), Some(0))
    );
    app.db
        .execute(
            "do $$ begin
               insert into sales (user_id, cents) values (2000, 1);
               begin delete from sales; perform 1 / 0; exception when division_by_zero then null; end;
             end $$",
        )
        .await;
    let followed = refreshes_by(&app, &view, "incremental").await;
    assert_eq!(
        (followed.rows_inserted, followed.rows_updated, followed.rows_deleted),
        (Some(1), Some(0), Some(0))
    );
    app.db.execute("begin; savepoint a; delete from sales; rollback to a; commit").await;
    refreshes_by(&app, &view, "skip").await;
}

#[tokio::test]
async fn a_transaction_that_is_open_across_refreshes_counts_once_when_it_is_committed() {
    for isolation in ["read committed", "repeatable read"] {
        let (app, view) = following(PER_USER).await;
        let long = app.db.connect().await;
        run(
            &long,
            &format!(
                "begin isolation level {isolation}; insert into sales (user_id, cents) values (1, 1), (3000, 1);
                 delete from sales where user_id = 2"
            ),
        )
        .await;
        refreshes_by(&app, &view, "skip").await;
        // Others begin, take later numbers and end before it.
        for user in 10..13 {
            app.db.execute(&format!("update sales set cents = cents + 1 where user_id = {user}")).await;
            refreshes_by(&app, &view, "incremental").await;
        }
        run(&long, "update sales set cents = cents * 2 where user_id in (1, 3000)").await;
        refreshes_by(&app, &view, "skip").await;
        run(&long, "commit").await;
        let followed = refreshes_by(&app, &view, "incremental").await;
        let written = (followed.rows_inserted, followed.rows_updated, followed.rows_deleted);
        assert_eq!(written, (Some(1), Some(1), Some(1)), "{isolation}");
        refreshes_by(&app, &view, "skip").await;
    }
}

#[tokio::test]
async fn a_transaction_that_was_open_across_refreshes_and_is_rolled_back_counts_never() {
    let (app, view) = following(PER_USER).await;
    let long = app.db.connect().await;
    run(&long, "begin; delete from sales where user_id < 50").await;
    app.db.execute("delete from sales where user_id > 90").await;
    refreshes_by(&app, &view, "incremental").await;
    run(&long, "rollback").await;
    refreshes_by(&app, &view, "skip").await;
}

#[tokio::test]
async fn a_prepared_transaction_counts_when_it_is_committed() {
    let (app, view) = following(PER_USER).await;
    let (kept, undone) = (format!("{}_kept", app.db.name()), format!("{}_undone", app.db.name()));
    app.db
        .execute(&format!(
            "begin; delete from sales where user_id = 1; insert into sales (user_id, cents) values (4000, 2);
             prepare transaction '{kept}';
             begin; delete from sales where user_id = 2; prepare transaction '{undone}'"
        ))
        .await;
    refreshes_by(&app, &view, "skip").await;
    app.db.execute("insert into sales (user_id, cents) values (3, 3)").await;
    refreshes_by(&app, &view, "incremental").await;
    app.db.execute(&format!("commit prepared '{kept}'")).await;
    let followed = refreshes_by(&app, &view, "incremental").await;
    assert_eq!((followed.rows_inserted, followed.rows_deleted), (Some(1), Some(1)));
    app.db.execute(&format!("rollback prepared '{undone}'")).await;
    refreshes_by(&app, &view, "skip").await;
}

#[tokio::test]
async fn a_log_that_is_pruned_between_keeps_what_is_still_open() {
    use remat::service::{Service, logs::Logs};
    let (app, view) = following(PER_USER).await;
    let mut logs = Logs::new(&app.remat);
    let long = app.db.connect().await;
    let prepared = format!("{}_p", app.db.name());
    run(&long, "begin; delete from sales where user_id = 1").await;
    app.db
        .execute(&format!("begin; delete from sales where user_id = 2; prepare transaction '{prepared}'"))
        .await;
    for user in 10..13 {
        app.db.execute(&format!("delete from sales where user_id = {user}")).await;
        refreshes_by(&app, &view, "incremental").await;
        logs.run_once().await.unwrap();
        assert_eq!(app.count("select count(*) from remat_log.t1").await, 0);
    }
    run(&long, "commit").await;
    logs.run_once().await.unwrap();
    app.db.execute(&format!("commit prepared '{prepared}'")).await;
    logs.run_once().await.unwrap();
    let followed = refreshes_by(&app, &view, "incremental").await;
    assert_eq!(followed.rows_deleted, Some(2));
}
