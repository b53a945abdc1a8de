//! Several views: their order, and the procedure that commits after each.

use remat::name::RelationName;
use remat_testkit::wait_until;

use crate::fixture::{Fixture, PAUSES};

#[tokio::test]
async fn views_that_read_others_come_after_them() {
    let f = Fixture::new().await;
    // Names run against the order; one edge leads through a plain view, one through a managed table's query.
    f.view("z_base", "select k from source", |_| ()).await;
    f.run("create view between as select k from z_base").await;
    f.run("create table y_managed (k int)").await;
    let managed =
        f.adopt(RelationName::new("public", "y_managed").unwrap(), "select k from between", |_| ()).await;
    f.run(&format!("create view remat_query.v{managed} as select k from between")).await;
    f.view("x_over", "select k from y_managed", |_| ()).await;
    f.view("a_top", "select a.k from x_over a join z_base b using (k)", |_| ()).await;
    f.view("alone", "select 1 as k", |_| ()).await;
    let order = "select string_agg(view_name, ',') from remat.refresh_tag('audience')";
    assert_eq!(f.ask(order).await, "alone,z_base,y_managed,x_over,a_top");
    let some = "select string_agg(v.view_name, ',' order by n) from unnest(remat.refresh_order(array(
                select id from remat.views where view_name in ('a_top', 'y_managed')))) with ordinality o(id, n) join remat.views v using (id)";
    assert_eq!(f.ask(some).await, "y_managed,a_top");
}

#[tokio::test]
async fn one_refresh_of_a_tag_carries_a_change_through_to_the_top() {
    let f = Fixture::new().await;
    f.view("z_base", "select k from source", |_| ()).await;
    f.view("a_top", "select count(*) as n from z_base", |_| ()).await;
    f.run("delete from source where k > 5").await;
    f.run("select * from remat.refresh_audience_views()").await;
    assert_eq!(f.ask("select n from a_top").await, "5");
}

#[tokio::test]
async fn a_group_commits_each_view_before_it_begins_the_next() {
    let f = Fixture::new().await;
    f.indexed("a_first", |_| ()).await;
    f.run("create table gate (k int)").await;
    f.view("b_waits", "select k from gate", |d| d.settings.lock_budget_ms = 60_000).await;
    f.run("delete from source where k > 10").await;
    let mut keeper = f.db.connect().await;
    let shut = keeper.transaction().await.unwrap();
    shut.batch_execute("lock table gate in access exclusive mode").await.unwrap();
    let group = f.run("call remat.refresh_group('audience')");
    let watch = async {
        let during = "select count(*) from remat.runs r join remat.views v on v.id = r.view_id
                      where (view_name, status) in (('a_first', 'success'), ('b_waits', 'running'))";
        wait_until("the first view is done and the second runs", async || {
            f.db.query_one_i64(during).await == 2
        })
        .await;
        assert_eq!(f.db.query_one_i64("select count(*) from a_first").await, 10);
        let held = "select count(*) from pg_locks where relation = 'a_first'::regclass";
        assert_eq!(f.db.query_one_i64(held).await, 0);
        wait_until("an attempt gave up and pauses", async || f.db.query_one_i64(PAUSES).await == 1).await;
        let state = "select state || ' ' || last_status from remat.status() where view = 'public.b_waits'";
        wait_until("the state says that it runs", async || {
            f.db.query_one_text(state).await == "running running"
        })
        .await;
        shut.rollback().await.unwrap();
    };
    tokio::join!(group, watch);
    assert_eq!(f.ask("select string_agg(status, ',') from remat.runs").await, "success,success");
    assert_eq!(f.ask("select lock_wait_ms > 0 from remat.runs order by id desc limit 1").await, "true");
}

#[tokio::test]
async fn a_failure_within_a_group_is_a_row_and_the_others_go_on() {
    let f = Fixture::new().await;
    f.view("a_broken", "select 1 / (select count(*) from source where k = 1) as k", |_| ()).await;
    f.indexed("b_good", |_| ()).await;
    f.run("delete from source where k = 1").await;
    f.session.take_notices();
    f.session.batch("call remat.refresh_group('audience')").await.unwrap();
    assert_eq!(f.session.take_notices(), ["warning: run 1 failed: division by zero"]);
    assert_eq!(f.ask("select string_agg(status, ',' order by id) from remat.runs").await, "failed,success");
}

#[tokio::test]
async fn a_group_is_read_committed_whatever_the_default_is() {
    let f = Fixture::new().await;
    f.indexed("v", |_| ()).await;
    f.indexed("w", |_| ()).await;
    f.run("set default_transaction_isolation = 'serializable'").await;
    f.run("call remat.refresh_group('audience')").await;
    assert_eq!(f.ask("select string_agg(status, ',') from remat.runs").await, "success,success");
}

#[tokio::test]
async fn a_cancel_ends_a_group_and_its_run_says_cancelled() {
    let f = Fixture::new().await;
    f.view("a_waits", "select k from source", |d| d.settings.lock_budget_ms = 60_000).await;
    f.indexed("b_never", |_| ()).await;
    let mut keeper = f.db.connect().await;
    let shut = keeper.transaction().await.unwrap();
    shut.query("select from a_waits limit 1", &[]).await.unwrap();
    let pid = f.ask("pg_backend_pid()").await;
    let group = f.refused("call remat.refresh_group('audience')");
    let cancel = async {
        wait_until("the refresh pauses for the reader", async || f.db.query_one_i64(PAUSES).await == 1).await;
        f.db.execute(&format!("select pg_cancel_backend({pid})")).await;
    };
    let ((_, code), ()) = tokio::join!(group, cancel);
    assert_eq!(code, "57014");
    assert_eq!(f.ask("select string_agg(status, ',') from remat.runs").await, "cancelled");
    assert_eq!(f.ask("current_setting('transaction_isolation')").await, "read committed");
}

#[tokio::test]
async fn a_group_cannot_run_inside_a_transaction_block() {
    let f = Fixture::new().await;
    f.indexed("v", |_| ()).await;
    f.run("begin").await;
    assert_eq!(f.refused("call remat.refresh_group('audience')").await.1, "2D000");
}

#[tokio::test]
async fn a_mistyped_tag_is_warned_of() {
    let f = Fixture::new().await;
    f.session.take_notices();
    f.session.batch("select * from remat.refresh_tag('audiense')").await.unwrap();
    assert_eq!(f.session.take_notices(), ["warning: no view has the tag \"audiense\""]);
}
