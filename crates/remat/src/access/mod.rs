//! Who may do what, over HTTP.
//!
//! Law: rights are four roles, each of which may all that the ones before it may, within a [`Scope`]. What a route or a
//! button needs is one of them; nothing else grants anything. A secret is shown once, when it is made: afterwards there
//! is only what it hashes to. The database's own roles are another matter: whoever may write `remat.tokens` gives access.

mod face;
mod role;
mod scope;
mod secret;

use jiff::Timestamp;
use serde::Serialize;

pub use face::{NewToken, SESSION_LASTS};
pub use role::Role;
pub use scope::Scope;
pub use secret::{Secret, request_hash};

/// Who was let in, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The row of the token.
    pub token_id: i64,
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What it may do it to.
    pub scope: Scope,
}

/// A token as it is listed: everything but its secret.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its name, never given twice.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The schemas whose views it sees; all of them when there are none.
    pub schemas: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom: a token, or a role of the database.
    pub created_by: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When somebody took it back.
    pub revoked_at: Option<Timestamp>,
    /// `active`, `expired` or `revoked`, by the server's clock.
    pub state: String,
}

/// Something that somebody asked for, for the audit.
#[derive(Clone, Debug, Default)]
pub struct Act<'a> {
    /// The name of a token, or `local`; without it the role of the database session.
    pub who: Option<&'a str>,
    /// As what.
    pub role: Option<Role>,
    /// From which address.
    pub address: Option<&'a str>,
    /// A verb, such as `token.create` or `view.pause`.
    pub action: &'a str,
    /// What it was done to.
    pub object: Option<&'a str>,
    /// The schema of the view that it was done to.
    pub schema: Option<&'a str>,
    /// What was there before.
    pub before: Option<serde_json::Value>,
    /// What is there now.
    pub after: Option<serde_json::Value>,
    /// The run that does it.
    pub run_id: Option<i64>,
}

/// A line of the audit.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditLine {
    /// Counts the lines.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// See [`Act::who`].
    pub who: String,
    /// As what.
    pub role: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// A verb.
    pub action: String,
    /// What it was done to.
    pub object: Option<String>,
    /// What was there before.
    pub before: Option<serde_json::Value>,
    /// What is there now.
    pub after: Option<serde_json::Value>,
    /// The run that does it.
    pub run_id: Option<i64>,
}

/// Which lines of the audit to list, the newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only since then.
    pub since: Option<Timestamp>,
    /// Only of this name.
    pub who: Option<String>,
    /// Only of this verb.
    pub action: Option<String>,
    /// Only lines before this one.
    pub before: Option<i64>,
    /// Only about these.
    pub scope: Scope,
    /// At most so many; 100 when none is given.
    pub limit: Option<i64>,
}
