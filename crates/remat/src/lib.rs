//! remat keeps PostgreSQL materialized views fresh, and proves it.

pub mod embedded;
pub mod error;
pub mod failure;
pub mod migrate;
pub mod name;
pub mod pg;
pub mod replace;
pub mod run;
pub mod schedule;
pub mod store;
pub mod view;
