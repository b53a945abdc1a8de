//! remat's own tables: the only place with SQL over schema `remat`.
//!
//! Law: statements are static text; values travel as parameters. A change of a run's state carries its fence in the
//! WHERE clause, so that a worker which lost the run changes nothing.

pub mod alerts;
pub mod backlog;
pub mod captures;
pub mod deliveries;
pub mod events;
pub(crate) mod facts;
pub mod fills;
pub mod fires;
pub mod jobs;
#[cfg(feature = "alerts")]
pub(crate) mod outbox;
pub(crate) mod plans;
pub mod queue;
pub mod queues;
pub(crate) mod readings;
pub mod retention;
pub mod runs;
pub mod stats;
pub(crate) mod totals;
pub mod verifications;
pub mod views;
pub mod workers;
