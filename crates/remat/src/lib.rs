//! remat keeps PostgreSQL materialized views fresh, and proves it.

pub mod embedded;
