//! An error as the HTTP interface tells it: RFC 9457, `application/problem+json`.
//!
//! Law: what an error's kind means over HTTP is said in one place, and for every kind. A problem shows what the complaint
//! shows, where rows of the user are withheld already; whoever was not let in hears nothing of the database.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use remat::error::{Complaint, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the content type of a problem is.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// What every problem's type begins with.
const TYPES: &str = "urn:remat:problem:";

/// What went wrong (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:remat:problem:` and a word that programs may tell problems apart by.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "urn:remat:problem:not_found")]
    pub(crate) kind: String,
    /// One lowercase line.
    #[schema(example = "view \"sales.daily\" is not defined")]
    pub(crate) title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What happened, as sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) detail: Option<Box<str>>,
    /// What to do, as sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) hint: Option<Box<str>>,
    /// The five-character code of the database server, where it said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) sqlstate: Option<Box<str>>,
}

impl Problem {
    /// A problem of this word.
    pub(crate) fn new(status: StatusCode, word: &str, title: impl Into<String>) -> Self {
        Self {
            kind: format!("{TYPES}{word}"),
            title: title.into(),
            status: status.as_u16(),
            detail: None,
            hint: None,
            sqlstate: None,
        }
    }

    /// Adds the detail.
    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into());
        self
    }

    /// Adds the hint.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into());
        self
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Nobody was let in.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "nobody is logged in")
            .with_hint("Send a token as `Authorization: Bearer remat_…`; `remat token create` makes one.")
    }

    /// It is not there, or whoever asks does not see it.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    /// What was sent cannot be read.
    pub(crate) fn bad_request(title: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", title)
    }

    /// For whoever was not let in yet, when the database cannot tell.
    pub(crate) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "connection", "the database does not answer")
    }
}

/// The word and the status of an error.
fn of_kind(kind: ErrorKind, sqlstate: Option<&str>) -> (&'static str, StatusCode) {
    match kind {
        ErrorKind::InvalidDefinition => ("invalid_definition", StatusCode::UNPROCESSABLE_ENTITY),
        ErrorKind::InvalidSettings => ("invalid_settings", StatusCode::UNPROCESSABLE_ENTITY),
        ErrorKind::Connection => ("connection", StatusCode::SERVICE_UNAVAILABLE),
        ErrorKind::NotFound => ("not_found", StatusCode::NOT_FOUND),
        ErrorKind::NeedsConfirmation => ("needs_confirmation", StatusCode::CONFLICT),
        ErrorKind::Schema => ("schema", StatusCode::SERVICE_UNAVAILABLE),
        ErrorKind::Database => ("database", refused_by_server(sqlstate)),
        ErrorKind::Conflict => ("conflict", StatusCode::CONFLICT),
    }
}

/// Out of disk or memory, shut down, broken: the server. Locks and serialization: the moment. Else: what was asked for.
fn refused_by_server(sqlstate: Option<&str>) -> StatusCode {
    match sqlstate.and_then(|code| code.get(..2)) {
        Some("08" | "53" | "57" | "58" | "XX") => StatusCode::SERVICE_UNAVAILABLE,
        Some("40" | "55") => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let Complaint { primary, sqlstate, detail, hint } = error.complaint().clone();
        if primary.starts_with("could not open relation with OID") {
            // It was dropped or replaced between two looks.
            return Self::new(StatusCode::CONFLICT, "conflict", "the view was changed meanwhile")
                .with_hint("Ask again.");
        }
        let (word, status) = of_kind(error.kind(), sqlstate.as_deref());
        let boxed = |text: Option<String>| text.map(String::into_boxed_str);
        let (detail, hint, sqlstate) = (boxed(detail), boxed(hint), boxed(sqlstate));
        Self { detail, hint, sqlstate, ..Self::new(status, word, primary) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = wait(status) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

/// How many seconds to wait before the same request may succeed.
fn wait(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some("60"),
        StatusCode::SERVICE_UNAVAILABLE => Some("2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_s_own_trouble_is_told_from_what_was_asked_for() {
        let of = |sqlstate: &str| {
            let complaint = Complaint { sqlstate: Some(sqlstate.into()), ..Complaint::default() };
            Problem::from(Error::from_complaint(ErrorKind::Database, complaint)).status
        };
        assert_eq!([of("53100"), of("57P01"), of("40001"), of("42601")], [503, 503, 409, 422]);
    }

    #[test]
    fn a_problem_says_what_the_complaint_says() {
        let error = Error::new(ErrorKind::NotFound, "view \"a.b\" is not defined").with_hint("Define it.");
        let problem = Problem::from(error);
        assert_eq!((problem.kind.as_str(), problem.status), ("urn:remat:problem:not_found", 404));
        assert_eq!(problem.hint.as_deref(), Some("Define it."));
    }
}
