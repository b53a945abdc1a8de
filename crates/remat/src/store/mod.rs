//! remat's own tables: the only place with SQL over schema `remat`.
//!
//! Law: statements are static text; values travel as parameters. A change of a run's state carries its fence in the
//! WHERE clause, so that a worker which lost the run changes nothing.

pub(crate) mod audit;
pub mod backlog;
pub mod captures;
pub mod changes;
pub mod events;
pub mod fills;
pub mod fires;
pub mod glance;
pub mod history;
pub mod idempotency;
pub mod jobs;
pub mod lineage;
pub mod live;
pub(crate) mod plans;
pub mod queue;
pub mod queues;
pub mod retention;
pub mod runs;
pub mod search;
pub(crate) mod sessions;
pub mod stats;
pub(crate) mod tokens;
pub mod verifications;
pub mod views;
pub mod workers;
