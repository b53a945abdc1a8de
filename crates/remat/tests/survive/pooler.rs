//! A daemon behind PgBouncer in transaction mode: it hears nothing, and everything works.

use remat_testkit::wait_until;

use crate::{
    chance::{Chance, size},
    process::{Orders, Process},
    world::World,
};

#[tokio::test]
async fn daemons_behind_a_pooler_poll_and_lose_and_double_nothing() {
    let world = World::new().await;
    world.ticking(3).await;
    let pooled = world.db.as_ref().unwrap().pgbouncer_url();
    let mut fleet = Vec::new();
    for n in 0..2 {
        fleet.push(Process::ready(&world, &Orders::new(&pooled, &format!("w{n}"))).await);
    }
    let polling = "select count(*) from remat.workers where state = 'polling'";
    wait_until("they say that they poll", async || world.count(polling).await == 2).await;
    let mut chance = Chance::of("pooler");
    let times = size(8, 80);
    let mut asking = Chance::of("pooler, asking");
    let (promised, ()) = tokio::join!(world.ask(&mut asking, times * 25), async {
        for _ in 0..times {
            tokio::time::sleep(chance.millis(1000)).await;
            let which = chance.below(fleet.len());
            fleet[which].replace();
        }
    });
    wait_until("they say so again", async || world.count(polling).await >= 2).await;
    cancel(&world).await;
    world.settle().await;
    for daemon in fleet {
        daemon.drain().await;
    }
    // The pooler keeps the sessions of the server.
    world.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'remat' and datname = current_database() and state = 'idle'").await;
    crate::invariants::check(&world, &promised).await;
}

/// A cancel reaches the work at the server through the pooler, too.
async fn cancel(world: &World) {
    let run = world.sql_job("select pg_sleep(600)").await;
    wait_until("it sleeps", async || {
        world.count("select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%600%' and datname = current_database()").await > 0
    })
    .await;
    world.execute(&format!("select remat.cancel_run({run})")).await;
    wait_until("it is cancelled", async || {
        world.lines(&format!("select status from remat.runs where id = {run}")).await == ["(cancelled)"]
    })
    .await;
}
