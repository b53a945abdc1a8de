//! What is maintained equals the query: random tables, random queries, random changes, a clock that moves.
//!
//! A [`case`] is a value; [`story`] tells it in SQL; a [`stage`] plays it. A case that fails is made smaller before it is
//! shown. Here runs the short form; `REMAT_PROPERTY_CASES` says how many, and `REMAT_PROPERTY_SEED` where to begin.

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
mod generate;
mod kind;
mod known;
mod log;
mod schema;
mod scope;
mod shape;
mod stage;
mod story;
mod tally;
mod tell;

use std::cell::RefCell;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::{stage::Stage, tally::Tally};

/// How many stages there are at once.
const STAGES: u64 = 2;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
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
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
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

#[test]
fn what_is_maintained_equals_the_query() {
    let (cases, first) = (setting("REMAT_PROPERTY_CASES", 300), setting("REMAT_PROPERTY_SEED", 1));
    let of_stage = |n: u64| {
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let stage = runtime.block_on(Stage::open());
            let tally = RefCell::default();
            for seed in (first + n..first + cases).step_by(usize::try_from(STAGES).unwrap()) {
                play(&runtime, &stage, seed, &tally);
            }
            drop(stage);
            tally.into_inner()
        }
    };
    let stages: Vec<_> = (0..STAGES).map(|n| std::thread::spawn(of_stage(n))).collect();
    let tally = stages.into_iter().map(|stage| stage.join().unwrap()).fold(Tally::default(), Tally::and);
    eprintln!("{tally}");
    assert_eq!(tally.failed(), 0, "of {cases} cases from seed {first}");
}
