//! Computes the rows of affected keys again.

use serde::{Deserialize, Serialize};

use super::{Turn, apply::Target};

/// The public table, restricted to the keys that a change can affect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// For a person.
    pub(super) title: String,
    pub(super) target: Target,
}

impl Scope {
    pub(super) fn statement(&self, _turn: &Turn) -> String {
        self.target.apply(&[], "", None)
    }
}
