//! Ctrl-C and SIGTERM in the middle of work.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

mod support;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
};

use remat_testkit::wait_until;
use serde_json::Value;
use support::World;

/// The view's query sleeps while the lock is held elsewhere, so that a test decides when it is at work.
async fn slow(world: &World) {
    world.db.execute("create table naps as select 0.0 as seconds").await;
    world.made("slow", "select pg_sleep(seconds)::text as nap from naps").await;
    world.db.execute("update naps set seconds = 600").await;
}

async fn at_work(world: &World, args: &[&str]) -> Child {
    let mut command = world.command(args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the query sleeps at the server", async || sleepers(world).await == 1).await;
    child
}

async fn sleepers(world: &World) -> i64 {
    let sql =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    world.db.query_one_i64(sql).await
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test]
async fn an_interrupt_cancels_at_the_server_and_the_run_says_so() {
    let world = World::new().await;
    slow(&world).await;
    world.made("after", "select 1 as id").await;
    for name in ["-INT", "-TERM"] {
        let child = at_work(&world, &["refresh", "slow", "after", "--json"]).await;
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert_eq!(sleepers(&world).await, 0);
        let document = document(&output);
        let runs = document["runs"].as_array().unwrap();
        let cancelled = runs.iter().find(|run| run["view"] == "public.slow").unwrap();
        assert_eq!(cancelled["status"], "cancelled", "{document}");
    }
}

#[tokio::test]
async fn an_interrupt_begins_no_further_view() {
    let world = World::new().await;
    slow(&world).await;
    world.made("zz_after", "select * from slow").await;
    let child = at_work(&world, &["refresh", "--all", "--json"]).await;
    signal(&child, "-INT");
    let document = document(&child.wait_with_output().unwrap());
    let views: Vec<_> = document["runs"].as_array().unwrap().iter().map(|run| &run["view"]).collect();
    assert_eq!(views, ["public.slow"]);
}

#[tokio::test]
async fn an_interrupt_cancels_a_comparison_too() {
    let world = World::new().await;
    slow(&world).await;
    let child = at_work(&world, &["verify", "slow"]).await;
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    wait_until("nothing sleeps at the server", async || sleepers(&world).await == 0).await;
}

#[tokio::test]
async fn a_second_interrupt_leaves_at_once() {
    let world = World::new().await;
    slow(&world).await;
    let mut child = at_work(&world, &["refresh", "slow"]).await;
    let pid = world
        .db
        .query_one_i64(
            "select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
        )
        .await;
    // A backend that is stopped cannot act on the cancel.
    Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap();
    signal(&child, "-INT");
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("interrupt again"), "{said}");
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    Command::new("kill").args(["-CONT", &pid.to_string()]).status().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}
