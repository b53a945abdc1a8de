//! Real servers and databases for remat's own tests.
//!
//! A test owns its database ([`TestDb`]), waits for facts ([`wait_until`]) and loses connections on purpose
//! ([`TcpProxy`]), or kills a broker of its own ([`RedisServer`], [`OwnRabbitNode`]). The servers are private ones that `cargo xtask servers start` runs; this crate only reads where
//! they are. It does not depend on the library under test, so that a fault there cannot hide itself here.

#![allow(clippy::missing_panics_doc, reason = "a testkit panics wherever the test that uses it must fail")]

mod db;
mod proxy;
mod rabbitmq;
mod redis;
mod servers;
mod sweep;
mod wait;

pub use db::TestDb;
pub use proxy::TcpProxy;
pub use rabbitmq::{OwnRabbitNode, RabbitNode};
pub use redis::RedisServer;
pub use servers::{Server, Servers};
pub use sweep::sweep;
pub use wait::wait_until;
