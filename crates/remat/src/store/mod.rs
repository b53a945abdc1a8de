//! remat's own tables: the only place with SQL over schema `remat`.
//!
//! Law: statements are static text; values travel as parameters. A change of a run's state carries its fence in the
//! WHERE clause, so that a worker which lost the run changes nothing.

pub mod alerts;
pub(crate) mod audit;
pub mod backlog;
pub mod captures;
pub mod changes;
pub mod deliveries;
pub mod events;
pub(crate) mod facts;
pub mod fills;
pub mod fires;
pub mod glance;
pub mod history;
pub mod idempotency;
pub mod jobs;
pub mod lineage;
pub mod live;
#[cfg(feature = "alerts")]
pub(crate) mod outbox;
pub(crate) mod plans;
pub mod queue;
pub mod queues;
pub(crate) mod readings;
pub mod retention;
pub mod runs;
pub mod search;
pub(crate) mod sessions;
pub mod stats;
pub(crate) mod tokens;
pub(crate) mod totals;
pub mod verifications;
pub mod views;
pub mod workers;
