//! The queue, the worker and the services around them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
#[path = "../support/daemon.rs"]
mod daemon;
mod fires;
mod policies;
mod requests;
mod retries;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod verifier;
