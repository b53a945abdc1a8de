//! What remat says when something cannot be done.
//!
//! Law: an [`Error`] is a kind (for programs) and a [`Complaint`] (for people, in PostgreSQL's voice: a lowercase
//! primary line, then detail and hint as sentences). A password never enters either: connection errors are built
//! from host, port and database only.

use std::fmt;

use serde::Serialize;

/// A message in three parts, with the server's SQLSTATE where it has one.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// One lowercase line without a full stop.
    #[serde(rename = "message")]
    pub primary: String,
    /// The five-character code of the server, if the server said it.
    pub sqlstate: Option<String>,
    /// What happened, as sentences.
    pub detail: Option<String>,
    /// What to do, as sentences.
    pub hint: Option<String>,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.primary)?;
        if let Some(detail) = &self.detail {
            write!(f, "\n  detail: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// What sort of error it is; the command line maps each to a documented exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A definition, name, option or project file that cannot be used.
    InvalidDefinition,
    /// The settings (file, environment, URL) do not make sense together.
    InvalidSettings,
    /// No server could be reached, found or started.
    Connection,
    /// The view, run or job is not known.
    NotFound,
    /// The act would lose something and was not confirmed.
    NeedsConfirmation,
    /// The tables of remat are missing, too old or too new.
    Schema,
    /// The server refused the work; see the complaint's SQLSTATE.
    Database,
    /// The act does not fit the state of the database: drift, dependents, a running run.
    Conflict,
}

/// An error of remat.
///
/// ```
/// use remat::error::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::NotFound, "view \"public.sales\" is not defined").with_hint("Run `remat apply`.");
/// assert_eq!(error.to_string(), "view \"public.sales\" is not defined\n  hint: Run `remat apply`.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    complaint: Box<Complaint>,
}

impl Error {
    /// An error with a primary line only.
    pub fn new(kind: ErrorKind, primary: impl Into<String>) -> Self {
        Self { kind, complaint: Box::new(Complaint { primary: primary.into(), ..Complaint::default() }) }
    }

    /// An error from a complaint that exists already.
    pub fn from_complaint(kind: ErrorKind, complaint: Complaint) -> Self {
        Self { kind, complaint: Box::new(complaint) }
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

    /// What sort of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message in its parts.
    pub fn complaint(&self) -> &Complaint {
        &self.complaint
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.complaint.fmt(f)
    }
}

impl std::error::Error for Error {}
