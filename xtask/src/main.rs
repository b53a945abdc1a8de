//! The project's own chores: `cargo xtask test`, `soak`, `api`, `servers`, `tidy`.
//!
//! Each chore is a module; this file only chooses. A chore that cannot do its work says what to run and exits with a
//! failure; none skips silently.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person who runs it")]

mod api;
mod servers;
mod shell;
mod soak;
mod test;
mod tidy;

use std::error::Error;
use std::process::ExitCode;

/// What a chore gives: chores have no caller that would tell errors apart.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const USAGE: &str = "\
cargo xtask test [--fast] [ARGS OF NEXTEST]   everything the tests need, then all tests on every server
                                              (--fast: the first server only, no doctests)
cargo xtask soak [--minutes N] [--seed S]     what must survive, in its long form, until the time is over
cargo xtask api [EXAMPLES]                    schemathesis against the HTTP interface, with so many examples of each
                                              operation (25)
cargo xtask servers start|stop|status         the private test servers, for use with cargo test or nextest
cargo xtask tidy [--bless]                    the house rules that a program can check (--bless: freeze new
                                              migrations)";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[&str]) -> Outcome {
    match args {
        ["test", rest @ ..] => test::run(rest).await,
        ["soak", rest @ ..] => soak::run(rest).await,
        ["api"] => api::run("25").await,
        ["api", examples] => api::run(examples).await,
        ["servers", "start"] => servers::start().await.map(|servers| servers::report(&servers)),
        ["servers", "stop"] => servers::stop().await,
        ["tidy"] => tidy::run(false).await,
        ["tidy", "--bless"] => tidy::run(true).await,
        ["servers", "status"] => servers::status().await,
        _ => Err(USAGE.into()),
    }
}
