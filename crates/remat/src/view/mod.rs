//! Views: what a person defined.
//!
//! Law: a [`Definition`] is what somebody wrote; a [`View`] is that definition as the database keeps it, with its id.
//! Nothing here touches a database or a clock.

mod definition;
pub(crate) mod parameter;
mod publish;
pub(crate) mod validate;

pub use definition::{Definition, IndexSpec, MadeRelation, Pause, RelationKind, Settings, Strategy, View};
pub use publish::Publish;
pub use validate::validate;
