//! A view that follows changes: it is its query after every refresh, whatever happened to its tables, and what it needs
//! comes and goes with it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unused_must_use, reason = "what refreshes here has judged the run")]

mod changes;
mod clock;
mod crash;
mod ddl;
#[path = "../support/dump.rs"]
mod dump;
mod example;
mod fixture;
mod group;
mod load;
mod partitions;
mod place;
mod restore;
mod rights;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/timed.rs"]
mod timed;
mod transactions;
mod trouble;
mod values;
mod verify;
#[path = "../support/victim.rs"]
mod victim;
