//! The pure half of remat: reads the SQL of a view.
//!
//! Law: text in, value or [`Rejection`] out. No sockets, no files, no clock; what this crate does not understand it
//! refuses with a code and a position, it never guesses. Offsets are bytes of the text that was given.
//!
//! The stages of a maintenance compiler, of which the first exist:
//!
//! | stage | does | exists |
//! |---|---|---|
//! | [`parse`] | text to syntax: one query, its comments, the relations it names | yes |
//! | [`resolve`] | what `pg_get_viewdef` prints to a [`Query`](ir::Query) whose names are settled | yes |
//! | [`ir`] | the query as a value, its parts and facts, its printers | yes |
//! | [`window`] | the conjuncts that hold only for a time | yes |
//! | pass | rewrites | no |
//! | delta | what a change of the sources changes in the view | no |
//! | emit | program to SQL text | no |

pub mod catalog;
mod comment;
pub mod ir;
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
