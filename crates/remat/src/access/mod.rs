//! Who may do what.
//!
//! Law: rights are four roles, each of which may all that the ones before it may. What a route or a button needs is one
//! of them; nothing else grants anything.

mod role;

pub use role::Role;
