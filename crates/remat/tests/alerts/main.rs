//! Alerts over real rows, and their messages to real receivers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/daemon.rs"]
mod daemon;
mod fixture;
mod judging;
mod mail;
mod receiver;
mod settings;
mod traces;
mod webhooks;

#[path = "../support/mod.rs"]
mod support;
