//! Who asks: put into each request before a route sees it.

use axum::{extract::FromRequestParts, http::request::Parts};
use remat::access::{Act, Role, Scope};

use super::{Problem, Web};

/// Somebody that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// For people and for the audit: the name of the token, or `local` where nobody has to log in.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The views that they see. Whatever is outside is answered as if it did not exist.
    pub(crate) scope: Scope,
    /// For the audit: where the request comes from.
    pub(crate) address: String,
}

impl Principal {
    /// What they asked for, for the audit.
    pub(crate) fn act<'a>(&'a self, action: &'a str, object: Option<&'a str>) -> Act<'a> {
        Act {
            who: Some(&self.name),
            role: Some(self.role),
            address: Some(&self.address),
            action,
            object,
            ..Act::default()
        }
    }
}

/// A route that was mounted with a role has one; no other may ask for it.
impl FromRequestParts<Web> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _web: &Web) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}
