//! Computes the public table again from inputs that are small.

use serde::{Deserialize, Serialize};

use super::apply::Target;

/// The public table as a query over hidden tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// For a person.
    pub(super) title: String,
    pub(super) target: Target,
    /// The query, with gaps.
    pub(super) query: String,
}

impl Whole {
    pub(super) fn statement(&self) -> String {
        self.target.apply(&[], &self.query, None)
    }
}
