//! The private PostgreSQL server that remat can run for itself.
//!
//! [`obtain`] finds server binaries or downloads them, [`Cluster::open`] makes a data directory of its own and
//! starts a server on it, and whoever holds the [`Cluster`] holds the server: it stops with the value. A remat that
//! was killed leaves a running server or a stale pid file behind; the next `open` of the same directory takes
//! either over. A directory that remat did not make is never started, changed or removed.
//!
//! This module never runs a server as root and never listens beyond the loopback. It does not know what the
//! server is for: no schema, no roles, no data.

mod cluster;
#[cfg(feature = "download")]
mod download;
mod error;
mod locate;
mod obtain;
mod pidfile;
#[cfg(unix)]
mod root;
#[cfg(not(unix))]
#[path = "root_unsupported.rs"]
mod root;
mod server;
mod settings;

pub use cluster::Cluster;
pub use error::EmbeddedError;
pub use locate::{Environment, ServerBinaries, locate};
pub use obtain::{Progress, obtain};
pub use root::{RunAs, default_home};
pub use settings::{ClusterOptions, Listen};
