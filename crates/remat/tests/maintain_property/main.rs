//! What is maintained equals the query: random tables, random queries, random changes, a clock that moves.
//!
//! A [`case`] is a value; [`story`] tells it in SQL; a [`stage`] plays it. A case that fails is made smaller before it is
//! shown. Here runs the short form. How much runs, settings say: `REMAT_PROPERTY_CASES` and `REMAT_PROPERTY_SYSTEM_CASES` from
//! `REMAT_PROPERTY_SEED` on, the former on so many `REMAT_PROPERTY_STAGES` at once, and `REMAT_PROPERTY_TRANSACTIONS`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and whoever runs many cases wants to see what they were"
)]

mod aggregate;
mod case;
#[path = "../compiler/catalog.rs"]
mod catalog;
mod compiled;
mod expr;
mod found;
mod generate;
mod kind;
mod known;
mod log;
mod schema;
mod scope;
mod shape;
mod stage;
mod story;
mod stress;
mod system;
mod tally;
mod tell;

use std::cell::RefCell;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use crate::{stage::Stage, tally::Tally};

/// How many cases one stage sees: what a server's process keeps of tables that are gone makes it slower and slower.
const CASES_OF_A_STAGE: usize = 200;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// One case by its seed.
fn play(runtime: &tokio::runtime::Runtime, stage: &Stage, seed: u64, tally: &RefCell<Tally>) {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 3000,
        max_shrink_time: 40_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng(seed));
    let first = RefCell::new(true);
    let ran = runner.run(&generate::case(), |case| {
        let story = story::tell(&case);
        if let Some(fault) = known::fault(&story) {
            tally.borrow_mut().leave_out(fault);
            return Ok(());
        }
        let ending = runtime.block_on(stage.play(&story));
        if first.replace(false) {
            tally.borrow_mut().count(&ending);
        }
        ending.map(|_| ()).map_err(TestCaseError::fail)
    });
    if let Err(TestError::Fail(reason, case)) = ran {
        tally.borrow_mut().fail(seed, &format!("{}\n{reason}", story::tell(&case)));
    }
}

/// A case by its seed, as it was made.
fn of_seed(seed: u64) -> case::Case {
    let mut runner = TestRunner::new_with_rng(Config::default(), rng(seed));
    generate::case().new_tree(&mut runner).unwrap().current()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_follow_writers_who_do_not_wait() {
    let (cases, first) = (setting("REMAT_PROPERTY_SYSTEM_CASES", 6), setting("REMAT_PROPERTY_SEED", 1));
    let (mut played, mut followed, mut wrong) = (0, 0, Vec::new());
    for seed in first.. {
        let story = story::tell(&of_seed(seed));
        if known::fault(&story).is_some() {
            continue;
        }
        match system::play(&story).await {
            Ok(system::Played::Refused) => continue,
            Ok(system::Played::Followed(refreshes)) => followed += refreshes,
            Err(fault) => wrong.push(format!("seed {seed}:\n{story}\n{fault}")),
        }
        played += 1;
        if played == cases {
            break;
        }
    }
    eprintln!("{played} cases, {followed} incremental refreshes");
    assert!(wrong.is_empty(), "{} of {cases}\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(followed > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_right_at_each_of_their_states_while_many_write() {
    let transactions = setting("REMAT_PROPERTY_TRANSACTIONS", 2000);
    stress::endure(usize::try_from(transactions).unwrap()).await;
}

#[test]
fn what_is_maintained_equals_the_query() {
    let (cases, first) = (setting("REMAT_PROPERTY_CASES", 300), setting("REMAT_PROPERTY_SEED", 1));
    let stages = setting("REMAT_PROPERTY_STAGES", 2);
    let of_stage = |n: u64| {
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let tally = RefCell::default();
            let seeds: Vec<_> =
                (first + n..first + cases).step_by(usize::try_from(stages).unwrap()).collect();
            for seeds in seeds.chunks(CASES_OF_A_STAGE) {
                let stage = runtime.block_on(Stage::open());
                for &seed in seeds {
                    play(&runtime, &stage, seed, &tally);
                }
            }
            tally.into_inner()
        }
    };
    let stages: Vec<_> = (0..stages).map(|n| std::thread::spawn(of_stage(n))).collect();
    let tally = stages.into_iter().map(|stage| stage.join().unwrap()).fold(Tally::default(), Tally::and);
    eprintln!("{tally}");
    assert_eq!(tally.failed(), 0, "of {cases} cases from seed {first}");
}
