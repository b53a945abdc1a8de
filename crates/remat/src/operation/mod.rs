//! What can be done to a view, each as one run: create, refresh, delete.
//!
//! Law: `attempt` gives every operation the same frame. The run's row is committed first; the work happens in one
//! transaction that holds the view's lock and ends by writing the run's success; whatever goes wrong
//! rolls all of it back and is written as the run's failure. An end that was not seen is asked for at the server.

mod attempt;
pub(crate) mod claimed;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod group;
pub(crate) mod refresh;
mod resolve;
mod sql;

pub(crate) use attempt::{Asked, pin};
pub use create::CreateOptions;
pub use delete::DeleteOptions;
pub use group::Chain;
pub use refresh::RefreshOptions;
pub(crate) use refresh::deployed;
