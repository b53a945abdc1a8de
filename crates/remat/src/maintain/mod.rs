//! Views that follow the changes of what they read: the shell around [`remat_sql::maintain`].
//!
//! Law: what the compiler is told is read from the catalog of the server, in one snapshot, and a view that it refuses
//! is refreshed by other means. What a plan needs is made ready before the transaction of a refresh: the logs of the tables, and
//! the hidden tables. A refresh uses only what stands, and asks within its snapshot whether it is still the right thing.

mod calls;
mod explain;
mod install;
mod planned;
mod read;
mod relations;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use explain::explain;
pub use explain::{Advice, Explanation, HiddenTold, Place, Refusal, SourceTold, StageTold};
pub(crate) use install::{Ready, Way, forget, ready, release, release_unwanted, sweep_in_passing, way};
pub(crate) use planned::{Planned, PlannedSource, fingerprint, planned};
