//! Real servers and databases for remat's own tests.
//!
//! A test owns its database ([`TestDb`]), waits for facts ([`wait_until`]) and loses connections on purpose
//! ([`TcpProxy`]), or kills a broker of its own ([`RedisServer`], [`OwnRabbitNode`]), or looks at pages with a [`Browser`]. The servers of PostgreSQL are private
//! ones that `cargo xtask servers start` runs; this crate only reads where they are. It does not depend on the library
//! under test, so that a fault there cannot hide itself here.

#![allow(clippy::missing_panics_doc, reason = "a testkit panics wherever the test that uses it must fail")]

mod browser;
mod db;
mod proxy;
mod rabbitmq;
mod redis;
mod servers;
mod sweep;
mod wait;

pub use browser::{Browser, Element};
pub use db::TestDb;
pub use proxy::TcpProxy;
pub use rabbitmq::{OwnRabbitNode, RabbitNode};
pub use redis::RedisServer;
pub use servers::{Server, Servers};
pub use sweep::sweep;
pub use wait::wait_until;
