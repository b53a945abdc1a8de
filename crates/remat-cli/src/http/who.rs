//! Who asks: put into each request by the guard, before a route sees it.

use remat::access::Role;

#[allow(dead_code, reason = "the pages and the API come next")]
/// Somebody that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// For people and for the audit: the name of the token, or `local` where nobody has to log in.
    pub(crate) name: String,
    pub(crate) role: Role,
}
