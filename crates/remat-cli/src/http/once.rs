//! A request that names a key is done once.
//!
//! Law: `Idempotency-Key` names what somebody wants, for a day and among their own requests. The same request again gets
//! the same answer; another request under the same key is refused; one that arrives while the first is at work is told so.
//! What failed is not kept, and may be tried again. The work goes on when whoever asked hangs up.

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use remat::{
    access::request_hash,
    store::idempotency::{Answer, Known},
};
use serde::Serialize;

use super::{Principal, Problem, Web};

const HEADER: &str = "idempotency-key";

/// The key of a request, if it names one, and what the key is for.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    key: Option<String>,
    method: Method,
    path: String,
}

impl FromRequestParts<Web> for Once {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _web: &Web) -> Result<Self, Problem> {
        let key = parts.headers.get(HEADER).map(|key| key.to_str().unwrap_or_default().to_owned());
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 255) {
            return Err(Problem::bad_request("the key of the request cannot be used")
                .with_detail("It has 1 to 255 visible characters of ASCII."));
        }
        Ok(Self { key, method: parts.method.clone(), path: parts.uri.to_string() })
    }
}

impl Once {
    /// What the queue calls a run that is asked for so: the same name is the same run, whatever became of the answer.
    pub(crate) fn run_name(&self, principal: &Principal) -> Option<String> {
        self.key.as_ref().map(|key| format!("api {} {key}", principal.name))
    }

    /// Does the work, unless it was done. `body` is what the request says beside its path.
    pub(crate) async fn accept<T, W>(
        self,
        web: &Web,
        principal: &Principal,
        body: &impl Serialize,
        work: W,
    ) -> Result<Response, Problem>
    where
        T: Serialize + Send + 'static,
        W: Future<Output = Result<Accepted<T>, Problem>> + Send + 'static,
    {
        let Some(key) = self.key else { return detached(work).await?.into_answer().map(respond) };
        let (remat, who) = (web.remat.clone(), principal.name.clone());
        let words = serde_json::to_string(body).unwrap_or_default();
        let hash = request_hash(&[self.method.as_str(), &self.path, &words]);
        match remat.take_request_key(&who, &key, &hash).await? {
            Known::Answered(answer) => return Ok(respond(answer)),
            Known::Mine => {}
            Known::AtWork => {
                return Err(Problem::new(StatusCode::CONFLICT, "in_progress", "the same request is at work")
                    .with_hint("Ask again in a moment."));
            }
            Known::Other => {
                let title = "the key was used for another request";
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", title)
                    .with_hint("Give each request a key of its own."));
            }
        }
        let done = detached(async move {
            match work.await.and_then(Accepted::into_answer) {
                Ok(answer) => {
                    remat.answer_request_key(&who, &key, &answer).await?;
                    Ok(answer)
                }
                Err(problem) => {
                    remat.release_request_key(&who, &key).await?;
                    Err(problem)
                }
            }
        });
        done.await.map(respond)
    }
}

/// What was begun, and where it can be looked at.
pub(crate) struct Accepted<T> {
    pub(crate) location: Option<String>,
    pub(crate) body: T,
}

impl<T: Serialize> Accepted<T> {
    fn into_answer(self) -> Result<Answer, Problem> {
        let body = serde_json::to_value(self.body).map_err(|_| broken())?;
        Ok(Answer { status: StatusCode::ACCEPTED.as_u16(), location: self.location, body })
    }
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::ACCEPTED);
    let mut response = (status, Json(answer.body)).into_response();
    if let Some(location) = answer.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Goes on when whoever asked hangs up: what has begun comes to its end, and says so.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work).await.unwrap_or_else(|_| Err(broken()))
}

fn broken() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request broke the server")
        .with_hint("The log of the server has more.")
}
