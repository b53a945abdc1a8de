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
