//! What must survive: under every fault, no run is lost, none is doubled, and each tells what the server did.
//!
//! Each scenario loads a database with work, does harm, lets it end, and then asks [`invariants::check`] whether anything
//! is wrong. Here runs the short form. The long one is the same code with `REMAT_SOAK` set; see `cargo xtask soak`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and whoever runs a soak wants to see what happens"
)]

mod brokers;
mod chance;
mod clock;
mod connections;
mod fires;
mod invariants;
mod kills;
mod messages;
mod pooler;
mod process;
mod server;
mod signals;
#[path = "../support/timed.rs"]
mod timed;
#[path = "../support/victim.rs"]
mod victim;
mod world;
