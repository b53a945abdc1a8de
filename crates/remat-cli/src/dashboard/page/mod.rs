//! The pages, one file each: `show` answers, `draw` makes the page.

pub(super) mod alerts;
pub(super) mod audit;
pub(super) mod edit;
pub(super) mod graph;
pub(super) mod login;
pub(super) mod overview;
pub(super) mod run;
pub(super) mod runs;
pub(super) mod schedule;
pub(super) mod system;
pub(super) mod view;
pub(super) mod views;

/// How to say that the page of a thing keeps itself up to date.
pub(super) const LIVE: &str = "live";
