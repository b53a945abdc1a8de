//! What a route reads of a request, with problems where it cannot be read.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Problem, Web, guard};

/// The parameters behind the question mark. One that is not known is refused: it may be a misspelt one.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Web> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, web).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::bad_request("a parameter cannot be read")
                .with_detail(format!("{}.", rejection.body_text().trim_end_matches('.')))),
        }
    }
}

/// What the path names.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Web> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, web).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::bad_request("the path cannot be read")
                .with_detail(format!("{}.", rejection.body_text().trim_end_matches('.')))),
        }
    }
}

/// A body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Web> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Problem> {
        read(&bytes(request, web).await?).map(Self)
    }
}

/// A body of JSON, or none, which means the default of everything.
pub(crate) struct Maybe<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Web> for Maybe<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Problem> {
        let bytes = bytes(request, web).await?;
        let is_nothing = bytes.is_empty() || bytes.as_ref() == b"null";
        if is_nothing { Ok(Self(T::default())) } else { read(&bytes).map(Self) }
    }
}

async fn bytes(request: Request, web: &Web) -> Result<Bytes, Problem> {
    Bytes::from_request(request, web).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(broken) if broken.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            guard::too_large()
        }
        _ => Problem::bad_request("the body cannot be read"),
    })
}

/// What is sent is an object: a list in the order of the fields would be taken for one.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let problem = |status, word, error: &serde_json::Error| {
        Problem::new(status, word, "the body cannot be read").with_detail(format!("{error}."))
    };
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, "bad_request", &error))?;
    if !value.is_object() {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", "the body is no object"));
    }
    T::deserialize(value).map_err(|error| problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", &error))
}
