//! The SQL interface as its callers meet it: on a real server, through SQL alone.

#![allow(clippy::unwrap_used, reason = "a test panics wherever it must fail")]

mod failing;
mod fixture;
mod group;
mod refresh;
mod status;
