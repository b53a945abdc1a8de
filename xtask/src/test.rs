//! `cargo xtask test`: the one command that tests everything, on a machine that has nothing but Rust.
//!
//! Servers that it started it stops again, also after a failure or Ctrl-C; servers that ran before it run on.

use tokio::process::Command;

use crate::{Outcome, servers, shell};

/// Runs the whole suite once per server, then the examples in the documentation once.
pub(crate) async fn run(args: &[&str]) -> Outcome {
    let (fast, rest): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| **arg == "--fast");
    let were_running = servers::are_running().await;
    outlive_interrupts();
    let result = test(!fast.is_empty(), &rest).await;
    if !were_running {
        servers::stop().await?;
    }
    result
}

async fn test(fast: bool, rest: &[&str]) -> Outcome {
    let servers = servers::start().await?;
    servers::report(&servers);
    let count = if fast { 1 } else { servers.servers.len() };
    for server in &servers.servers[..count] {
        println!("\nThe suite on PostgreSQL {}:", server.major);
        let mut suite = suite();
        shell::run(suite.args(rest).env("REMAT_TEST_SERVER", server.major.to_string())).await?;
    }
    if fast {
        return Ok(());
    }
    println!("\nThe examples in the documentation:");
    shell::run(cargo().args(["test", "--workspace", "--doc", "--quiet"])).await
}

fn suite() -> Command {
    let mut suite = cargo();
    if shell::on_path("cargo-nextest") {
        suite.args(["nextest", "run", "--workspace"]);
    } else {
        println!("cargo-nextest is not installed; plain `cargo test` runs the same tests, slower");
        suite.args(["test", "--workspace", "--lib", "--bins", "--tests"]);
    }
    suite
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Ctrl-C reaches the tests by itself; we live on to stop the servers.
pub(crate) fn outlive_interrupts() {
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
}
