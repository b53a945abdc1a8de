//! The server is restarted under load, in good order and by force.

use crate::{
    chance::{Chance, size},
    invariants,
    process::{Orders, Process},
    victim::Victim,
    world::World,
};

#[tokio::test]
async fn a_server_that_is_restarted_under_load_loses_and_doubles_nothing() {
    let mut victim = Victim::start("survive").await;
    let url = victim.url();
    let world = World::at(&url).await;
    world.ticking(5).await;
    let mut chance = Chance::of("server");
    let restarts = size(4, 40);
    let mut fleet = Vec::new();
    for n in 0..2 {
        fleet.push(Process::ready(&world, &Orders::new(&world.url, &format!("w{n}"))).await);
    }
    let mut asking = Chance::of("server, asking");
    let (promised, ()) = tokio::join!(world.ask(&mut asking, restarts * 100), async {
        for restart in 0..restarts {
            tokio::time::sleep(chance.millis(4000)).await;
            if restart % 2 == 0 {
                victim.stop().await;
            } else {
                victim.crash().await;
            }
            victim.open_again().await;
        }
    });
    // The daemons are the same that began: they went on by themselves.
    world.end(fleet, &promised).await;
    invariants::tell(&world, "server").await;
    drop(world);
}

#[tokio::test]
async fn a_claim_that_a_crash_took_back_is_no_proof_of_the_next_one() {
    let mut victim = Victim::start("fence").await;
    // Nothing that is committed without waiting for the disk gets there soon.
    victim.client().await.batch_execute("alter system set wal_writer_delay = '10s'").await.unwrap();
    victim.client().await.batch_execute("select pg_reload_conf()").await.unwrap();
    let world = World::at(&victim.url()).await;
    let mut taken_back = 0;
    for _ in 0..3 {
        let run = world.sql_job("select public.mark()").await;
        let claim = format!("select fence from remat.claim(null, null, 1, {run})");
        let first = world.count(&claim).await;
        victim.crash().await;
        victim.open_again().await;
        // The disk may have been quicker; then the claim stands.
        let waits = format!("select count(*) from remat.runs where id = {run} and status = 'pending'");
        if world.count(&waits).await == 1 {
            taken_back += 1;
            assert_ne!(world.count(&claim).await, first, "whoever has the first could end the second");
        }
        world
            .execute(&format!(
                "update remat.runs set status = 'cancelled', finished_at = clock_timestamp() where id = {run}"
            ))
            .await;
    }
    assert!(taken_back > 0, "no claim was taken back");
}
