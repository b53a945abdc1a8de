//! The program is killed while it refreshes: what its runs say is what the server did.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use remat::{
    operation::CreateOptions,
    run::{Operation, Status},
    store::runs::Filter,
    view::{Definition, Strategy, View},
};
use remat_testkit::wait_until;
use support::World;

async fn slow_view(world: &World, strategy: Strategy) -> View {
    world
        .db
        .execute(
            "create table source as select g as id, 0 as generation from generate_series(1, 20000) g;
             create table pace (seconds float8); insert into pace values (0);
             create function pace() returns boolean language plpgsql volatile as $$
             begin perform pg_sleep((select seconds from public.pace)); return true; end $$",
        )
        .await;
    let query = "select id, generation from source where (select pace())";
    let mut definition = Definition { strategy, ..support::definition("v", query) };
    definition.key = vec![remat::name::Identifier::new("id").unwrap()];
    let view = world.define(definition).await;
    assert_eq!(world.remat.create(&view, CreateOptions::default()).await.unwrap().status, Status::Success);
    world.remat.view(&view.definition.name).await.unwrap()
}

fn refresh(world: &World) -> Child {
    Command::new(env!("CARGO_BIN_EXE_remat"))
        .args(["refresh", "v"])
        .env_clear()
        .env("DATABASE_URL", world.db.url())
        .current_dir(&world.dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn runs_at_work(world: &World) -> i64 {
    world.db.query_one_i64("select count(*) from remat.runs where status in ('running', 'unknown')").await
}

#[tokio::test]
async fn a_killed_program_leaves_no_run_at_work_and_the_server_stops_soon() {
    let world = World::new().await;
    slow_view(&world, Strategy::Merge).await;
    world.db.execute("update pace set seconds = 600; update source set generation = 1").await;
    let mut child = refresh(&world);
    let sleeps =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    wait_until("the refresh is at work", async || world.db.query_one_i64(sleeps).await == 1).await;
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the server noticed that its client is gone", async || {
        world.db.query_one_i64(sleeps).await == 0
    })
    .await;
    world.remat.check_schema().await.unwrap();
    assert_eq!(runs_at_work(&world).await, 0);
    let filter = Filter { operation: Some(Operation::Refresh), ..Filter::default() };
    let run = &world.remat.runs(&filter).await.unwrap()[0];
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    assert_eq!(world.db.query_one_i64("select max(generation)::int8 from v").await, 0);
}

/// The moments are spread by a fixed sequence over the whole run, from the connect to the end.
#[tokio::test]
async fn whenever_the_program_is_killed_success_is_said_exactly_when_the_contents_are_new() {
    for strategy in [Strategy::Regular, Strategy::Merge, Strategy::Swap] {
        let world = World::new().await;
        let view = slow_view(&world, strategy).await;
        let successful = format!(
            "select count(*) from remat.runs where view_id = {} and operation = 'refresh' and status = 'success'",
            view.id
        );
        let mut successes = 0;
        for generation in 1..=12_u64 {
            world.db.execute(&format!("update source set generation = {generation}")).await;
            let mut child = refresh(&world);
            tokio::time::sleep(Duration::from_millis(generation * 37 % 400)).await;
            let _ = child.kill();
            child.wait().unwrap();
            let gone = "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())";
            wait_until("its transaction has ended", async || world.db.query_one_i64(gone).await == 0).await;
            wait_until("its run is resolved", async || {
                world.remat.check_schema().await.unwrap();
                runs_at_work(&world).await == 0
            })
            .await;
            let said = world.db.query_one_i64(&successful).await;
            let newest = world.db.query_one_i64("select max(generation)::int8 from v").await;
            let is_new = newest == i64::try_from(generation).unwrap();
            assert_eq!(said - successes, i64::from(is_new), "{strategy}, killed in generation {generation}");
            successes = said;
        }
        let left =
            "select count(*) from pg_class where relname like '%remat_new%' or relname like '%remat_old%'";
        assert_eq!(world.db.query_one_i64(left).await, 0);
    }
}
