//! The four roles.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// What somebody may do, from the least to the most.
///
/// ```
/// use remat::access::Role;
///
/// assert!(Role::Editor.may(Role::Operator));
/// assert!(!Role::Viewer.may(Role::Operator));
/// ```
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything but secrets.
    Viewer,
    /// Also refreshes, cancels, pauses, resumes, runs scheduled jobs and mutes alerts.
    Operator,
    /// Also writes definitions, which is to run SQL as the owner of a view.
    Editor,
    /// Also gives and takes access.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: &[Self] = &[Self::Viewer, Self::Operator, Self::Editor, Self::Admin];

    /// The word in tables, on the command line and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// Whether it is enough where `needed` is asked for.
    pub fn may(self, needed: Self) -> bool {
        self >= needed
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|role| role.as_str() == word).ok_or_else(|| {
            Error::new(ErrorKind::InvalidSettings, format!("\"{word}\" is no role"))
                .with_hint("Roles are viewer, operator, editor and admin.")
        })
    }
}
