//! Views that follow the changes of what they read: the shell around [`remat_sql::maintain`].
//!
//! Law: what the compiler is told is read from the catalog of the server, in one snapshot, and a view that it refuses
//! is refreshed by other means.

mod calls;
mod explain;
mod planned;
mod read;
mod relations;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use explain::explain;
pub use explain::{Advice, Explanation, HiddenTold, Place, Refusal, SourceTold, StageTold};
#[allow(unused_imports, reason = "the refresh that runs a plan is not here yet")]
pub(crate) use planned::{Planned, PlannedSource, fingerprint, planned};
