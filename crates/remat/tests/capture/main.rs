//! Change capture: what a log says is what happened, writers never notice, and a gap is never silent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ddl;
mod deltas;
mod fingerprint;
mod fixture;
mod install;
mod load;
mod prune;
mod rights;
mod transactions;
