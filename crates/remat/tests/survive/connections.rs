//! Connections that break at COMMIT, and connections that are deaf and do not say so.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use remat::{Remat, backend::PostgresBackend, daemon::Daemon, error::Error, pg::Target, service::Stop};
use remat_testkit::{TcpProxy, wait_until};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    process::{Orders, Process, settings},
    world::World,
};

async fn proxied(world: &World) -> (TcpProxy, String) {
    let db = world.db.as_ref().unwrap();
    let proxy = TcpProxy::start(db.server().port).await;
    let url = db.url_through(proxy.port());
    (proxy, url)
}

async fn quiet() -> World {
    let world = World::new().await;
    world.execute("update pace set ms = 50, broken = 0").await;
    world
}

async fn attempts(world: &World, run: i64) -> Vec<String> {
    world
        .lines(&format!(
            "select status, attempt from remat.runs where id = {run} or retry_of = {run} order by id"
        ))
        .await
}

#[tokio::test]
async fn a_run_whose_commit_was_answered_to_nobody_is_a_success_and_is_not_tried_again() {
    let world = quiet().await;
    let (proxy, url) = proxied(&world).await;
    let daemon = Process::ready(&world, &Orders { schedules: false, ..Orders::new(&url, "cut") }).await;
    for view in ["merge", "regular", "swap"] {
        proxy.cut_before_reply_to_commit();
        let run = world.count(&format!("select remat.enqueue_refresh('{view}')")).await;
        wait_until("the connection is cut at COMMIT", async || proxy.is_cut()).await;
        proxy.heal();
        world.settle().await;
        assert_eq!(attempts(&world, run).await, ["(success,1)"], "{view}");
    }
    proxy.cut_before_reply_to_commit();
    let run = world.sql_job("select public.mark()").await;
    wait_until("the connection is cut at COMMIT", async || proxy.is_cut()).await;
    proxy.heal();
    world.settle().await;
    assert_eq!(attempts(&world, run).await, ["(success,1)"]);
    world.end(vec![daemon], &[run]).await;
}

#[tokio::test]
async fn a_run_whose_commit_did_not_arrive_is_rolled_back_and_tried_again() {
    let world = quiet().await;
    let (proxy, url) = proxied(&world).await;
    let daemon = Process::ready(&world, &Orders { schedules: false, ..Orders::new(&url, "cut") }).await;
    for view in ["merge", "regular", "swap"] {
        proxy.cut_before_commit();
        let run = world.count(&format!("select remat.enqueue_refresh('{view}')")).await;
        wait_until("the connection is cut at COMMIT", async || proxy.is_cut()).await;
        proxy.heal();
        world.settle().await;
        assert_eq!(attempts(&world, run).await, ["(failed,1)", "(success,2)"], "{view}");
    }
    world.end(vec![daemon], &[]).await;
}

/// A daemon in this process whose sessions and whose ear go where the test says.
async fn daemon(work: &str, ear: &str) -> (watch::Sender<Stop>, JoinHandle<Result<(), Error>>) {
    let remat = connect(work).await;
    let backend = Arc::new(PostgresBackend::new(&connect(ear).await));
    let daemon = Daemon::prepare(&remat, backend, &settings("deaf", 2, false)).await.unwrap();
    let (stop, told) = watch::channel(Stop::No);
    (stop, tokio::spawn(daemon.run(told)))
}

async fn connect(url: &str) -> Remat {
    Remat::connect(Target::resolve(Some(url), &|_| None).unwrap()).await.unwrap()
}

/// An attempt to listen may take ten seconds in vain, and the next may come fifteen later.
async fn becomes(world: &World, state: &str) {
    let sql = format!("select count(*) from remat.workers where name = 'deaf' and state = '{state}'");
    let deadline = Instant::now() + Duration::from_secs(45);
    while world.count(&sql).await == 0 {
        assert!(Instant::now() < deadline, "the worker is not {state}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_worker_whose_ear_went_deaf_polls_and_says_so_until_it_hears_again() {
    let world = quiet().await;
    let (proxy, url) = proxied(&world).await;
    let (stop, ended) = daemon(&world.url, &url).await;
    becomes(&world, "running").await;
    proxy.blackhole();
    let run = world.count("select remat.enqueue_refresh('merge')").await;
    world.settle().await;
    becomes(&world, "polling").await;
    // Deaf still: what it tries again and again does not look like listening.
    for _ in 0..32 {
        let listens = "select count(*) from remat.workers where state = 'running'";
        assert_eq!(world.count(listens).await, 0, "it says that it listens");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    proxy.heal();
    becomes(&world, "running").await;
    stop.send_replace(Stop::Drain);
    ended.await.unwrap().unwrap();
    assert_eq!(attempts(&world, run).await, ["(success,1)"]);
    drop(proxy);
    world.end(Vec::new(), &[run]).await;
}

#[tokio::test]
async fn a_worker_that_nothing_reached_for_a_while_loses_no_slot() {
    let world = quiet().await;
    world.execute("update pace set ms = 500").await;
    let (proxy, url) = proxied(&world).await;
    let (stop, ended) = daemon(&url, &url).await;
    becomes(&world, "running").await;
    let views = ["merge", "regular", "swap", "concurrent"];
    let mut runs = Vec::new();
    for view in views {
        runs.push(world.count(&format!("select remat.enqueue_refresh('{view}')")).await);
    }
    wait_until("two are at work", async || {
        world.count("select count(*) from remat.runs where status = 'running'").await == 2
    })
    .await;
    proxy.blackhole();
    tokio::time::sleep(Duration::from_secs(8)).await;
    proxy.heal();
    world.settle().await;
    // Both slots: a worker with one left would not have them at work together.
    world.execute("update pace set ms = 0").await;
    for view in views {
        runs.push(world.count(&format!("select remat.enqueue_refresh('{view}')")).await);
    }
    world.settle().await;
    stop.send_replace(Stop::Drain);
    let drained = tokio::time::timeout(Duration::from_secs(20), ended).await;
    drained.expect("no run hangs at a connection that is deaf").unwrap().unwrap();
    drop(proxy);
    world.end(Vec::new(), &runs).await;
}
