//! Worker processes that are killed and stopped under load.

use crate::{
    chance::{Chance, size},
    invariants,
    process::{Orders, Process},
    world::World,
};

#[tokio::test]
async fn workers_that_are_killed_or_stopped_at_any_moment_lose_and_double_nothing() {
    let world = World::new().await;
    let mut chance = Chance::of("kills");
    let kills = size(30, 200);
    let mut fleet = fleet(&world, 3).await;
    world.ticking(5).await;
    let mut asking = Chance::of("kills, asking");
    let (promised, ()) = tokio::join!(world.ask(&mut asking, kills * 25), async {
        for _ in 0..kills {
            tokio::time::sleep(chance.millis(1200)).await;
            let which = chance.below(fleet.len());
            if chance.percent(10) {
                // Longer, sometimes, than it takes to be thought dead.
                fleet[which].signal("STOP");
                tokio::time::sleep(chance.millis(9000)).await;
                fleet[which].signal("CONT");
            } else {
                fleet[which].replace();
            }
            // What is at fault is known here, so no view shall be suspected.
            world.execute("update remat.views set pause = null where pause is not null").await;
        }
    });
    world.end(fleet, &promised).await;
    invariants::tell(&world, "kills").await;
    assert!(
        world
            .count("select count(*) from remat.runs where error_message like '%worker of this run was lost%'")
            .await
            > 0
    );
}

async fn fleet(world: &World, size: usize) -> Vec<Process> {
    let mut fleet = Vec::new();
    for n in 0..size {
        fleet.push(Process::ready(world, &Orders::new(&world.url, &format!("w{n}"))).await);
    }
    fleet
}
