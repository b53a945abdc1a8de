//! Views that follow the changes of their tables by what the compiler gives, on a real server.

#![allow(clippy::unwrap_used, reason = "a test panics wherever it must fail")]

#[path = "../compiler/catalog.rs"]
mod catalog;
mod chance;
mod documented;
mod scope;
mod shapes;
mod tpch;
mod world;
