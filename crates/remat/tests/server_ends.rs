//! The server itself stops, crashes or loses a process while a refresh is at work.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/victim.rs"]
mod victim;

use std::process::Command;

use remat::{
    Remat,
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    pg::Target,
    run::{Run, Status},
    view::{Definition, Strategy, View},
};
use remat_testkit::wait_until;
use victim::Victim;

/// A view with 100 rows whose query sleeps while a row stands in `slow`, and a source that has changed since.
async fn prepare(victim: &Victim, strategy: Strategy) -> (Remat, View) {
    victim
        .client()
        .await
        .batch_execute(
            "create table source as select g as id from generate_series(1, 100) g; create table slow (x int);
             create function slow() returns boolean language plpgsql volatile as $$
             begin if exists (select from public.slow) then perform pg_sleep(600); end if; return true; end $$",
        )
        .await
        .unwrap();
    let remat = Remat::connect(Target::resolve(Some(&victim.url()), &|_| None).unwrap()).await.unwrap();
    remat.migrate().await.unwrap();
    let name = RelationName::new("public", "v").unwrap();
    let key = vec![Identifier::new("id").unwrap()];
    let definition =
        Definition { strategy, key, ..Definition::new(name, "select id from source where slow()") };
    let view = remat.define(&definition).await.unwrap();
    assert_eq!(remat.create(&view, CreateOptions::default()).await.unwrap().status, Status::Success);
    victim
        .client()
        .await
        .batch_execute("insert into slow values (1); insert into source values (101)")
        .await
        .unwrap();
    let view = remat.view(&definition.name).await.unwrap();
    (remat, view)
}

async fn refresh_at_work(victim: &Victim, remat: &Remat, view: &View) -> tokio::task::JoinHandle<Run> {
    let (remat, view) = (remat.clone(), view.clone());
    let refresh = tokio::spawn(async move { remat.refresh(&view, RefreshOptions::default()).await.unwrap() });
    let client = victim.client().await;
    let sleeps = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    wait_until("the query is at work", async || {
        client.query_one(sleeps, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    refresh
}

/// After the server is back: the run failed, the old contents stand, and a refresh brings the new ones.
async fn check_aftermath(victim: &Victim, remat: &Remat, view: &View, run: Run) {
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    let client = victim.client().await;
    let count = async || client.query_one("select count(*) from v", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count().await, 100);
    let sql = "select count(*) from remat.runs where status in ('running', 'unknown')";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
    client.batch_execute("truncate slow").await.unwrap();
    let again = remat.refresh(view, RefreshOptions::default()).await.unwrap();
    assert_eq!(again.status, Status::Success, "{again:#?}");
    assert_eq!(count().await, 101);
}

#[tokio::test]
async fn a_server_that_is_stopped_in_the_middle_rolls_the_refresh_back() {
    for strategy in [Strategy::Regular, Strategy::Merge] {
        let mut victim = Victim::start(&format!("stopped-{strategy}")).await;
        let (remat, view) = prepare(&victim, strategy).await;
        let refresh = refresh_at_work(&victim, &remat, &view).await;
        victim.stop().await;
        victim.open_again().await;
        let run = refresh.await.unwrap();
        check_aftermath(&victim, &remat, &view, run).await;
    }
}

#[tokio::test]
async fn a_server_process_that_is_killed_takes_the_refresh_with_it_and_the_run_says_so() {
    for strategy in [Strategy::Swap, Strategy::Merge] {
        let victim = Victim::start(&format!("killed-{strategy}")).await;
        let (remat, view) = prepare(&victim, strategy).await;
        let refresh = refresh_at_work(&victim, &remat, &view).await;
        let client = victim.client().await;
        let sql = "select pid::text from pg_stat_activity where wait_event = 'PgSleep'";
        let pid: String = client.query_one(sql, &[]).await.unwrap().get(0);
        // The postmaster takes the loss of a process for damage: it ends all others and recovers.
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        let run = refresh.await.unwrap();
        check_aftermath(&victim, &remat, &view, run).await;
    }
}
