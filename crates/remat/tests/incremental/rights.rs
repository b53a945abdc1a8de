//! Whoever owns a view reads of a log what his view reads of the table, and his code gets no other rights.

use remat::{
    name::Identifier,
    view::{Definition, Strategy},
};

use crate::{
    fixture::{refreshed, refreshes_by},
    support::{App, PER_USER},
};

async fn owned(query: &str) -> (App, remat::view::View, String) {
    let app = App::start().await;
    let owner = app.db.create_role("owner").await;
    app.db
        .execute(&format!(
            "grant select (user_id, cents) on sales to {owner}; grant create on schema public to {owner}"
        ))
        .await;
    let owner_name = Some(Identifier::new(&*owner).unwrap());
    let definition = Definition { owner: owner_name, ..App::definition(Strategy::Incremental, query) };
    let view = app.create(&definition).await;
    refreshes_by(&app, &view, "merge").await;
    (app, view, owner)
}

#[tokio::test]
async fn a_view_of_another_role_follows_changes() {
    let (app, view, owner) = owned(PER_USER).await;
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
    refreshes_by(&app, &view, "skip").await;
    let client = app.db.connect_as(&owner).await;
    client.batch_execute("select xid, sign, a2, a3 from remat_log.t1").await.unwrap();
    assert!(client.batch_execute("insert into remat_log.t1 (sign) values (0)").await.is_err());
}

#[tokio::test]
async fn a_right_that_went_is_given_again() {
    let (app, view, owner) = owned(PER_USER).await;
    app.db
        .execute(&format!(
            "revoke all on schema remat_log from {owner}; revoke all (xid, sign) on remat_log.t1 from {owner}"
        ))
        .await;
    app.change_sales().await;
    refreshed(&app, &view).await;
    app.db.execute("delete from sales where user_id = 9").await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn who_does_not_own_the_table_merges_and_is_told_why() {
    let app = App::start().await;
    let owner = app.db.create_role("stranger").await;
    app.db
        .execute(&format!(
            "grant select on sales to {owner}; grant create on schema public to {owner};
             grant usage, create on schema remat, remat_query, remat_log to {owner};
             grant all on all tables in schema remat to {owner}; grant all on all sequences in schema remat to {owner}"
        ))
        .await;
    let remat = crate::support::connect(&app.db.role_url(&owner)).await;
    let view = remat.define(&App::definition(Strategy::Incremental, PER_USER)).await.unwrap();
    remat.create(&view, remat::operation::CreateOptions::default()).await.unwrap().check().unwrap();
    let run = remat.refresh(&view, remat::operation::RefreshOptions::default()).await.unwrap();
    assert_eq!(run.strategy.as_deref(), Some("merge"), "{run:#?}");
    let reason = run.reason.unwrap();
    assert_eq!(reason, "merge: must be owner of table \"public.sales\" to capture its changes");
    assert_eq!(app.count("select count(*) from remat.capture_consumers").await, 0);
}
