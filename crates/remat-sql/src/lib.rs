//! The pure half of remat: reads the SQL of a view.
//!
//! Law: text in, value or [`Rejection`] out. No sockets, no files, no clock; what this crate does not understand it
//! refuses with a code and a position, it never guesses. Offsets are bytes of the text that was given.
//!
//! The stages of a maintenance compiler, of which one exists:
//!
//! | stage | does | exists |
//! |---|---|---|
//! | [`parse`] | text to syntax: one query, its comments, the relations it names | yes |
//! | resolve | names and stars to relational algebra | no |
//! | ir | the algebra and its printer | no |
//! | pass | rewrites | no |
//! | delta | what a change of the sources changes in the view | no |
//! | emit | program to SQL text | no |

mod comment;
pub mod parse;
mod rejection;
mod relation;

pub use comment::leading_comment;
pub use parse::{Select, single_select};
pub use rejection::{Code, Rejection};
pub use relation::{Reference, relation_references, relations, repoint};
