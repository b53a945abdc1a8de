//! Whatever changes, a view that is followed by scope equals its query.

use remat_sql::maintain::scope;

use crate::{
    chance::Chance,
    shapes::{REFUSED, SHAPES},
    world::{Kept, World},
};

const SCHEMA: &str = include_str!("schema.sql");

async fn kept(world: &World, shapes: &[(&str, &str, &str)]) -> Vec<Kept> {
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for (name, key, text) in shapes {
        match world.keep(name, text, key, scope::plan).await {
            Ok(one) => kept.push(one),
            Err(rejection) => {
                refused.push(format!("{name}: {} {rejection} ({})", rejection.code, rejection.construct));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    kept
}

/// Follows random changes for some rounds.
async fn follow(seed: u64, rounds: usize) {
    let world = World::open(&[SCHEMA]).await;
    let kept = kept(&world, SHAPES).await;
    let mut chance = Chance::new(seed);
    let now = || world.text("select now()::text");
    let since = now().await;
    for one in &kept {
        world.fill(one, &since).await;
    }
    let mut narrow = vec![false; kept.len()];
    let mut wrong = Vec::new();
    for round in 0..rounds {
        // The clock of a transaction cannot be set, but the last refresh may be said to have been long ago.
        let since =
            world.text(&format!("select (now() - {} * interval '1 hour')::text", chance.below(40))).await;
        for one in kept.iter().filter(|one| one.asks_the_clock()) {
            world.fill(one, &since).await;
        }
        let statements: Vec<String> =
            (0..chance.below(4) + u64::from(round % 5 > 0)).map(|_| chance.statement()).collect();
        world.run(&statements.join(";\n")).await;
        for (n, one) in kept.iter().enumerate() {
            let done = world.refresh(one, &since).await;
            narrow[n] |= done.reach < done.rows || done.rows <= 3;
            if let Some(why) = done.wrong {
                wrong.push(format!(
                    "seed {seed}, round {round}, since {since}\n{}\n{why}",
                    statements.join(";\n")
                ));
                world.fill(one, &now().await).await;
            }
        }
        world.forget().await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
    let wide: Vec<&str> =
        kept.iter().zip(narrow).filter(|(_, narrow)| !narrow).map(|(one, _)| &*one.name).collect();
    assert_eq!(wide, Vec::<&str>::new(), "never restricted");
}

/// Some rounds in CI, many with `REMAT_SOAK`, from the seed that `REMAT_SOAK_SEED` names.
fn length(seed: u64) -> (u64, usize) {
    let named = std::env::var("REMAT_SOAK_SEED").map_or(0, |seed| seed.parse().unwrap());
    (seed + named, if std::env::var_os("REMAT_SOAK").is_some() { 200 } else { 12 })
}

#[tokio::test]
async fn every_shape_follows_random_changes() {
    let (seed, rounds) = length(1);
    follow(seed, rounds).await;
}

#[tokio::test]
async fn every_shape_follows_other_random_changes() {
    let (seed, rounds) = length(1001);
    follow(seed, rounds).await;
}

#[tokio::test]
async fn a_row_that_lost_its_partner_in_the_same_turn_is_found_through_the_old_one() {
    let world = World::open(&[SCHEMA]).await;
    let text = "select s.user_id, i.kind, count(distinct s.cents) as n from shop.sales s join shop.items i on i.id = s.item_id group by s.user_id, i.kind";
    let kept = kept(&world, &[("alone", "user_id, kind", text)]).await.remove(0);
    let since = world.text("select now()::text").await;
    world
        .run(
            "insert into shop.items values (100, 'alone', 1);
             insert into shop.sales values (900, 1, 100, 1, null, '{}', now(), current_date)",
        )
        .await;
    world.fill(&kept, &since).await;
    world.forget().await;
    world
        .run("delete from shop.sales where id = 900; update shop.items set kind = 'other' where id = 100")
        .await;
    let done = world.refresh(&kept, &since).await;
    assert_eq!(done.wrong, None);
}

#[tokio::test]
async fn what_cannot_be_traced_is_refused_with_its_code() {
    let world = World::open(&[SCHEMA]).await;
    for (name, key, text) in REFUSED {
        match world.keep(name, text, key, scope::plan).await {
            Ok(kept) => panic!("{name} is followed by {}", kept.key()),
            Err(rejection) => assert_eq!(rejection.code.as_str(), &name[..4], "{name}: {rejection}"),
        }
    }
}
