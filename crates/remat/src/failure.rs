//! What a failed run failed of, and what follows from it.
//!
//! Law: the server's SQLSTATE decides the [`FailureKind`], and one exhaustive match per question (may it be retried?
//! what should a person do?) decides the rest. What quotes values of the user's rows, a
//! detail or a message, is redacted here, before it is stored.

use std::time::Duration;

use serde::Serialize;

use crate::error::{Complaint, Error, ErrorKind};

/// Why a run failed, as far as the reaction differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A lock was not granted within the lock timeout.
    LockTimeout,
    /// The server broke a deadlock.
    Deadlock,
    /// A serialization failure or a standby conflict.
    Serialization,
    /// The connection ended; what had not been committed is rolled back.
    ConnectionLost,
    /// The server is starting, stopping or recovering.
    ServerUnavailable,
    /// No room on disk.
    DiskFull,
    /// Memory, connections or temporary files are used up.
    OutOfResources,
    /// The statement timeout ended it.
    StatementTimeout,
    /// Somebody cancelled it.
    Cancelled,
    /// A precondition of the strategy is not met.
    Prerequisite,
    /// The key is not unique in the query's result.
    NotUnique,
    /// The key has NULLs in the query's result.
    NullKey,
    /// The query fails on its data: division by zero, a bad cast.
    Data,
    /// A relation, column or function that the query needs is missing or changed.
    UndefinedObject,
    /// Other objects depend on the view.
    Dependents,
    /// A privilege is missing.
    PermissionDenied,
    /// Something in the refresh reached for rights that the view's owner does not have.
    Restricted,
    /// The server is a standby, or the role may only read.
    ReadOnly,
    /// The view in the database is not what remat made.
    Drifted,
    /// Another worker took the run over.
    LeaseLost,
    /// Anything else.
    Other,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Try again soon; the lock budget pays.
    RetryLock,
    /// Try again later; the work budget pays.
    RetryWork,
    /// A person must change the database or the server.
    Operator(&'static str),
    /// A person must change the definition or the data.
    Definition(&'static str),
    /// Nothing: it was meant.
    Nothing,
}

impl FailureKind {
    /// Reads a SQLSTATE; `message` only tells apart what shares one: a timeout and a cancel, and two lacks of rights.
    ///
    /// ```
    /// use remat::failure::FailureKind;
    /// assert_eq!(FailureKind::from_sqlstate("55P03", ""), FailureKind::LockTimeout);
    /// assert_eq!(FailureKind::from_sqlstate("57014", "canceling statement due to user request"), FailureKind::Cancelled);
    /// ```
    pub fn from_sqlstate(code: &str, message: &str) -> Self {
        match code {
            "55P03" => Self::LockTimeout,
            "40P01" => Self::Deadlock,
            "40001" => Self::Serialization,
            "57P01" | "57P02" | "57P03" => Self::ServerUnavailable,
            "25P03" | "25P04" => Self::ConnectionLost,
            "53100" => Self::DiskFull,
            "57014" if message.contains("statement timeout") => Self::StatementTimeout,
            "57014" => Self::Cancelled,
            "55000" | "0A000" => Self::Prerequisite,
            "21000" | "23505" => Self::NotUnique,
            "23502" => Self::NullKey,
            "42P01" | "42703" | "42883" | "42704" | "3F000" => Self::UndefinedObject,
            "2BP01" => Self::Dependents,
            "42501" if message.contains("security-restricted operation") => Self::Restricted,
            "42501" => Self::PermissionDenied,
            "25006" => Self::ReadOnly,
            _ => Self::from_class(code),
        }
    }

    fn from_class(code: &str) -> Self {
        match code.get(..2) {
            Some("08") => Self::ConnectionLost,
            Some("53" | "54") => Self::OutOfResources,
            Some("22" | "23") => Self::Data,
            _ => Self::Other,
        }
    }

    /// What follows from it.
    pub fn remedy(self) -> Remedy {
        match self {
            Self::LockTimeout => Remedy::RetryLock,
            Self::Deadlock | Self::Serialization | Self::ConnectionLost | Self::ServerUnavailable => {
                Remedy::RetryWork
            }
            Self::DiskFull => Remedy::Operator(
                "Free disk space: a refresh needs room for a second copy of the view and its indexes.",
            ),
            Self::OutOfResources => {
                Remedy::Operator("Raise the limit that the message names, or refresh fewer views at once.")
            }
            Self::StatementTimeout => {
                Remedy::Operator("Raise statement_timeout of the view, or make its query cheaper.")
            }
            Self::PermissionDenied => Remedy::Operator(
                "Grant what the message names: on the sources to the role that owns the view, all else to the role of remat.",
            ),
            Self::Restricted => Remedy::Definition(
                "Remove this from the functions, triggers and constraints that the refresh runs: it would give \
                 the role that owns the view the rights of the role that refreshes it.",
            ),
            Self::ReadOnly => Remedy::Operator(
                "Connect to the primary, as a role that may write: a standby cannot refresh.",
            ),
            Self::Drifted => Remedy::Operator("Run `remat plan` to review the difference."),
            Self::Prerequisite => {
                Remedy::Definition("Run `remat check` or choose another strategy for the view.")
            }
            Self::NotUnique => Remedy::Definition("The key must be unique in the query's result."),
            Self::NullKey => Remedy::Definition("The key must not be NULL in the query's result."),
            Self::Data => {
                Remedy::Definition("The query fails on its data: correct the data or guard the expression.")
            }
            Self::UndefinedObject => {
                Remedy::Definition("Correct the query, or restore what it names, then run `remat apply`.")
            }
            Self::Dependents => {
                Remedy::Definition("Drop or change what depends on the view, or pass --cascade.")
            }
            Self::Cancelled | Self::LeaseLost | Self::Other => Remedy::Nothing,
        }
    }

    fn quotes_rows(self) -> bool {
        matches!(self, Self::NotUnique | Self::NullKey | Self::Data)
    }
}

/// A failed attempt: its kind and what to tell a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it failed of.
    pub kind: FailureKind,
    /// The message in its parts; rows of the user are already redacted.
    pub complaint: Box<Complaint>,
    /// What had been found out when it failed.
    pub attempted: Box<Attempted>,
}

/// What a failed attempt had found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempted {
    /// The strategy that ran.
    pub strategy: Option<String>,
    /// Why that strategy.
    pub reason: Option<String>,
    /// The time spent waiting for locks in vain.
    pub lock_wait: Option<Duration>,
}

impl Failure {
    /// A failure that remat itself found.
    pub fn new(kind: FailureKind, primary: impl Into<String>) -> Self {
        let complaint = Box::new(Complaint { primary: primary.into(), ..Complaint::default() });
        Self { kind, complaint, attempted: Box::default() }
    }

    /// A failure that the server reported. Details that quote rows are withheld, and the remedy becomes the hint
    /// where the server gave none.
    pub fn from_server(complaint: Complaint) -> Self {
        let code = complaint.sqlstate.as_deref().unwrap_or_default();
        let kind = FailureKind::from_sqlstate(code, &complaint.primary);
        let quotes_values = code.starts_with("22") && code != "22023";
        let mut failure = Self { kind, complaint: Box::new(complaint), attempted: Box::default() };
        if quotes_values {
            failure.complaint.primary = without_quotation(&failure.complaint.primary);
        }
        if kind.quotes_rows() && failure.complaint.detail.is_some() {
            failure.complaint.detail = Some("The server's detail quotes rows and is withheld.".into());
        }
        if kind == FailureKind::Dependents {
            // The server's own hint is a DROP … CASCADE, which would bypass the run.
            failure.complaint.hint = None;
        }
        if let (None, Remedy::Operator(advice) | Remedy::Definition(advice)) =
            (&failure.complaint.hint, kind.remedy())
        {
            failure.complaint.hint = Some(advice.into());
        }
        failure
    }

    /// Adds the detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.complaint.detail = Some(detail.into());
        self
    }

    /// Adds the hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.complaint.hint = Some(hint.into());
        self
    }
}

/// A message about a value, such as `invalid input syntax for type integer: "…"`, without the value. Values may hold
/// quotation marks, and servers quote in the manner of their language: so all from the first mark to the last goes.
fn without_quotation(message: &str) -> String {
    const MARKS: [char; 6] = ['"', '«', '»', '„', '“', '”'];
    match (message.find(MARKS), message.rmatch_indices(MARKS).next()) {
        (Some(start), Some((end, mark))) if start < end => {
            format!("{}\"…\"{}", &message[..start], &message[end + mark.len()..])
        }
        _ => message.to_owned(),
    }
}

impl From<Error> for Failure {
    /// As if the server had said it: its SQLSTATE decides the kind.
    fn from(error: Error) -> Self {
        Self::from_server(error.complaint().clone())
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::ConnectionLost | FailureKind::ServerUnavailable => ErrorKind::Connection,
            FailureKind::Drifted | FailureKind::Dependents | FailureKind::LeaseLost => ErrorKind::Conflict,
            _ => ErrorKind::Database,
        };
        Self::from_complaint(kind, *failure.complaint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_that_quotes_a_row_is_withheld() {
        let failure = Failure::from_server(Complaint {
            primary: "could not create unique index".into(),
            sqlstate: Some("23505".into()),
            detail: Some("Key (email)=(ada@example.org) is duplicated.".into()),
            hint: None,
        });
        assert_eq!(failure.kind, FailureKind::NotUnique);
        assert!(!failure.complaint.to_string().contains("ada@"));
        assert!(failure.complaint.hint.is_some());
    }

    #[test]
    fn a_timeout_is_told_from_a_cancel() {
        let timeout = FailureKind::from_sqlstate("57014", "canceling statement due to statement timeout");
        assert_eq!(timeout, FailureKind::StatementTimeout);
    }
}
