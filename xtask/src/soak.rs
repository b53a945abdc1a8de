//! `cargo xtask soak`: the tests of what must survive, in their long form, again and again with other seeds.
//!
//! The scenarios are those of `crates/remat/tests/survive`, which CI runs short; `REMAT_SOAK` makes them long. The first
//! failure ends it and names the seed. A seed repeats the choices of a scenario, not the moments at the server.

use std::time::{Duration, Instant};

use crate::{Outcome, servers, shell, test};

/// How long, and where to begin.
struct Plan {
    minutes: u64,
    seed: u64,
}

pub(crate) async fn run(args: &[&str]) -> Outcome {
    let plan = read(args)?;
    let were_running = servers::are_running().await;
    test::outlive_interrupts();
    let result = rounds(&plan).await;
    if !were_running {
        servers::stop().await?;
    }
    result
}

fn read(args: &[&str]) -> Outcome<Plan> {
    match args {
        [] => Ok(Plan { minutes: 30, seed: 1 }),
        ["--minutes", minutes, rest @ ..] => Ok(Plan { minutes: minutes.parse()?, ..read(rest)? }),
        ["--seed", seed, rest @ ..] => Ok(Plan { seed: seed.parse()?, ..read(rest)? }),
        [other, ..] => Err(format!("{other:?} is not known; soak takes --minutes N and --seed S").into()),
    }
}

/// Begins rounds until the time is over, each on the next server and with the next seed; the last one is finished.
async fn rounds(plan: &Plan) -> Outcome {
    let servers = servers::start().await?;
    servers::report(&servers);
    let until = Instant::now() + Duration::from_secs(plan.minutes * 60);
    for (seed, server) in (plan.seed..).zip(servers.servers.iter().cycle()) {
        println!("\nSeed {seed} on PostgreSQL {}:", server.major);
        let mut round = test::cargo();
        round.args([
            "test",
            "--package",
            "remat",
            "--test",
            "survive",
            "--",
            "--nocapture",
            "--test-threads",
            "1",
        ]);
        round.env("REMAT_SOAK", "1").env("REMAT_SOAK_SEED", seed.to_string());
        shell::run(round.env("REMAT_TEST_SERVER", server.major.to_string())).await.map_err(|error| {
            format!("{error}\nrun `cargo xtask soak --seed {seed}` to have these choices again")
        })?;
        if Instant::now() >= until {
            break;
        }
    }
    Ok(())
}
