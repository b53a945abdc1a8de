//! Talking to PostgreSQL: connecting, one session, its catalog, its locks.
//!
//! Law: text that a person wrote reaches the server only through [`Session::execute`] and its kin, which use the
//! extended protocol and so refuse a second statement; [`Session::batch`] takes text that remat composed itself.
//! No prepared statement is kept, nothing is set for longer than a transaction: so a pooler in transaction mode may
//! stand between.

pub mod catalog;
mod connect;
pub mod footprint;
pub(crate) mod lock;
mod notify;
mod passfile;
mod restricted;
mod session;
pub mod standing;
mod tls;

pub use connect::{Environment, Target};
pub(crate) use notify::{Listener, send as send_notification};
pub(crate) use restricted::{Ran, Restricted};
pub(crate) use session::in_transaction;
pub use session::{Canceller, Param, Session};
