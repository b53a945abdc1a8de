//! Where a view is published: a sorted set of Redis that serves it as a leaderboard.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Identifier;

/// A sorted set that holds one column of a view, ordered by another.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The Redis key of the sorted set. It is remat's alone; others only read it.
    pub key: String,
    /// The column of the members; never NULL, never twice the same.
    pub member: Identifier,
    /// The column of the scores: a number, never NULL.
    pub score: Identifier,
    /// How many members are published, those with the highest scores; all of them when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, member, score, limit } = self;
        match limit {
            None => write!(f, "{key} ({member} by {score})"),
            Some(limit) => write!(f, "{key} (top {limit} {member} by {score})"),
        }
    }
}
