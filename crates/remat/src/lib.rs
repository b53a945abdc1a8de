//! remat keeps PostgreSQL materialized views fresh, and proves it.

pub mod embedded;
pub mod error;
pub mod failure;
pub mod name;
pub mod plan;
pub mod project;
pub mod run;
pub mod schedule;
pub mod view;
