//! remat keeps PostgreSQL materialized views fresh, and proves it.
//!
//! A view is defined once, created, refreshed by a strategy that suits it, and every attempt is a row that tells the
//! truth. The face of the library is [`Remat`]; the command line is a thin shell over it.
//!
//! ```
//! use remat::{
//!     Remat,
//!     name::RelationName,
//!     operation::{CreateOptions, RefreshOptions},
//!     pg::Target,
//!     view::Definition,
//! };
//!
//! # async fn example(url: &str) -> Result<(), remat::error::Error> {
//! let remat = Remat::connect(Target::resolve(Some(url), &|_| None)?).await?;
//! remat.migrate().await?;
//! let name = RelationName::new("public", "sales_daily")?;
//! let query = "select day, sum(total) as total from sales group by day";
//! let view = remat.define(&Definition::new(name, query)).await?;
//! remat.create(&view, CreateOptions::default()).await?.check()?;
//! let run = remat.refresh(&view, RefreshOptions::default()).await?;
//! run.check()?; // a run that failed is a row, not an `Err`
//! println!("{} in {:?} ms, as of {:?}", run.status, run.duration_ms, run.data_as_of);
//! assert!(remat.verify(&view).await?.equal);
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! #     let db = remat_testkit::TestDb::create().await;
//! #     db.execute("create table sales (day date, total int); insert into sales values (current_date, 7)").await;
//! #     example(&db.url()).await.unwrap();
//! # });
//! ```

pub mod access;
pub mod alert;
mod alerting;
pub mod apply;
pub mod backend;
mod builder;
pub mod capture;
pub mod compare;
pub mod daemon;
#[cfg(feature = "alerts")]
mod deliver;
pub mod diagnosis;
pub mod eligibility;
pub mod embedded;
mod enqueue;
pub mod error;
mod face;
pub mod failure;
pub mod feed;
pub mod freshness;
mod inspect;
pub mod job;
pub mod maintain;
pub mod migrate;
pub mod name;
pub mod operation;
pub mod pg;
pub mod plan;
pub mod project;
#[cfg(feature = "redis")]
pub mod publish;
pub mod replace;
pub mod run;
pub mod schedule;
pub mod service;
mod snapshot;
pub mod status;
pub mod store;
mod strategy;
pub mod survey;
pub mod telemetry;
pub mod view;

pub use alerting::NewMute;
pub use builder::Builder;
pub use face::Remat;
