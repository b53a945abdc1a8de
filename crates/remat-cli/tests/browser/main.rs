//! The pages in a real browser, over the real program and a real database.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

mod acts;
mod everybody;
mod live;
#[path = "../support/service.rs"]
mod service_of_a_world;
mod site;
#[path = "../support/mod.rs"]
mod support;
