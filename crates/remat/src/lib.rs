//! remat keeps PostgreSQL materialized views fresh, and proves it.
//!
//! A view is defined once, created, refreshed by a strategy that suits it, and every attempt is a row that tells the
//! truth. The face of the library is [`Remat`]; the command line is a thin shell over it.
//!
//! ```no_run
//! use remat::{Remat, name::RelationName, operation::{CreateOptions, RefreshOptions}, pg::Target, view::Definition};
//!
//! # async fn example() -> Result<(), remat::error::Error> {
//! let remat = Remat::connect(Target::resolve(Some("postgres://localhost/app"), &|_| None)?).await?;
//! remat.migrate().await?;
//! let name = RelationName::new("public", "sales_daily")?;
//! let view = remat.define(&Definition::new(name, "select day, sum(total) as total from sales group by day")).await?;
//! remat.create(&view, CreateOptions::default()).await?;
//! let run = remat.refresh(&view, RefreshOptions::default()).await?;
//! println!("{} in {:?} ms", run.status, run.duration_ms);
//! # Ok(())
//! # }
//! ```

pub mod apply;
pub mod compare;
pub mod embedded;
pub mod error;
mod face;
pub mod failure;
pub mod migrate;
pub mod name;
pub mod operation;
pub mod pg;
pub mod plan;
pub mod project;
pub mod replace;
pub mod run;
pub mod schedule;
pub mod status;
pub mod store;
mod strategy;
pub mod view;

pub use face::Remat;
