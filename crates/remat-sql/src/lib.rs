//! The pure half of remat: reads the SQL of a view.
//!
//! Law: text in, value or [`Rejection`] out. No sockets, no files, no clock; what this crate does not understand it
//! refuses with a code and a position, it never guesses. Offsets are bytes of the text that was given.
//!
//! The stages of the maintenance compiler:
//!
//! | stage | does |
//! |---|---|
//! | [`parse`] | text to syntax: one query, its comments, the relations it names |
//! | [`resolve`] | what `pg_get_viewdef` prints to a [`Query`](ir::Query) whose names are settled |
//! | [`ir`] | the query as a value, its parts and facts, its printers |
//! | [`window`] | the conjuncts that hold only for a time |
//! | [`maintain`] | the stages by which a view follows the changes of what it reads, as SQL |

pub mod catalog;
mod comment;
pub mod image;
pub mod ir;
pub mod maintain;
pub mod parse;
mod rejection;
mod relation;
pub mod resolve;
pub mod window;

pub use comment::leading_comment;
pub use parse::{Select, single_select};
pub use rejection::{Code, Rejection};
pub use relation::{Reference, relation_references, relations, repoint};
pub use resolve::read;
