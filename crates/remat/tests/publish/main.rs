//! Leaderboards on a real Redis: what a publication promises, what a reader gets, what a pass repairs.

#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod reading;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod writing;
