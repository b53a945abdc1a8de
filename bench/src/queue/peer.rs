//! Another queue, driven by a program of its own: it brings dependencies that remat does not want.
//!
//! The program is called as `PROGRAM prepare URL` once and `PROGRAM PHASE URL RUNS SLOTS CLIENTS BATCH` for each phase, and
//! prints the seconds that the phase took.

use std::time::Duration;

use tokio::process::Command;

use super::{BATCH, Phase};
use crate::{Outcome, args::Args, place::Place};

/// Where the peer keeps its jobs.
pub(super) const SCHEMA: &str = "apalis";
/// What is emptied before a phase.
pub(super) const TABLES: &str = "apalis.jobs";

pub(super) async fn prepare(place: &Place, program: &str) -> Outcome {
    tell(program, &["prepare", &place.url]).await.map(drop)
}

pub(super) async fn go_through(
    place: &Place,
    args: &Args,
    program: &str,
    phase: Phase,
    runs: u32,
) -> Outcome<Duration> {
    let numbers = [u64::from(runs), args.slots as u64, u64::from(args.clients), u64::from(BATCH)];
    let numbers = numbers.map(|number| number.to_string());
    let mut words = vec![phase.word(), &place.url];
    words.extend(numbers.iter().map(String::as_str));
    let said = tell(program, &words).await?;
    Ok(Duration::try_from_secs_f64(said.trim().parse()?)?)
}

async fn tell(program: &str, words: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(words).output().await?;
    if !output.status.success() {
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
