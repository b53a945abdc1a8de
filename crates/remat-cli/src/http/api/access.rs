//! Who may, and who asked for what.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use remat::access::{AuditFilter, AuditLine, NewToken, Role, Token};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::page;
use crate::http::{
    Mount, Principal, Problem, Web,
    extract::{Body, Named, Params},
};

/// A token ends within a hundred years, if it ends by itself.
const LASTS_MAX_S: i64 = 100 * 366 * 24 * 60 * 60;

pub(super) fn mount(mount: Mount) -> Mount {
    mount
        .api(Role::Admin, routes!(tokens))
        .api(Role::Admin, routes!(create))
        .api(Role::Admin, routes!(revoke))
        .api(Role::Viewer, routes!(audit))
}

/// Tokens.
#[derive(Serialize, ToSchema)]
struct Tokens {
    tokens: Vec<Token>,
}

/// Every token that was ever made, the newest first.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "access", responses((status = 200, body = Tokens)))]
async fn tokens(State(web): State<Web>) -> Result<Json<Tokens>, Problem> {
    Ok(Json(Tokens { tokens: web.remat.tokens().await? }))
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
struct Wanted {
    /// Letters, digits and `. _ @ -`; never one that was given before.
    #[schema(min_length = 1, max_length = 63)]
    name: String,
    role: Role,
    /// The schemas whose views it sees; all of them when there are none.
    #[serde(default)]
    schemas: Vec<String>,
    /// When it ends by itself, in seconds from now.
    #[serde(default)]
    #[schema(minimum = 1)]
    expires_in_s: Option<i64>,
}

/// A token and its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedToken)]
struct Made {
    token: Token,
    /// Shown this once.
    secret: String,
}

/// Make a token. Its secret is in the answer and nowhere else.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "access", request_body = Wanted,
    responses(
        (status = 201, body = Made),
        (status = 409, description = "The name was given before", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There cannot be such a token", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(web): State<Web>,
    principal: Principal,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let seconds = wanted.expires_in_s;
    if seconds.is_some_and(|seconds| !(1..=LASTS_MAX_S).contains(&seconds)) {
        return Err(Problem::bad_request("expires_in_s is no time that a token could last"));
    }
    let lasts = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let token = NewToken { name: wanted.name, role: wanted.role, schemas: wanted.schemas, lasts };
    let (token, secret) = web.remat.create_token(&token, &principal.act("token.create", None)).await?;
    let made = Made { token, secret: secret.reveal().to_owned() };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = RevokedToken)]
struct Revoked {
    token: Token,
}

/// Take a token back, at once; whoever is logged in with it is out.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{name}", tag = "access",
    params(("name" = String, Path, description = "The name of the token")),
    responses((status = 200, body = Revoked), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn revoke(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Revoked>, Problem> {
    if name.contains('\0') {
        return Err(Problem::not_found("no token has such a name"));
    }
    let token = web.remat.revoke_token(&name, &principal.act("token.revoke", None)).await?;
    Ok(Json(Revoked { token }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only since then.
    since: Option<Timestamp>,
    /// Only of this name.
    who: Option<String>,
    /// Only of this verb, such as `view.pause`.
    action: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Those after this `next`.
    after: Option<i64>,
}

/// Lines of the audit.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLines)]
struct Audit {
    /// The newest first.
    audit: Vec<AuditLine>,
    /// Where to go on: the next `after`; null at the end.
    next: Option<i64>,
}

/// Who asked for what, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "access", params(Asked), responses((status = 200, body = Audit)))]
async fn audit(
    State(web): State<Web>,
    principal: Principal,
    Params(asked): Params<Asked>,
) -> Result<Json<Audit>, Problem> {
    let limit = page::limit(asked.limit)?;
    if [&asked.who, &asked.action].into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Problem::bad_request("a parameter cannot be read"));
    }
    let filter = AuditFilter {
        since: asked.since,
        who: asked.who,
        action: asked.action,
        before: asked.after,
        scope: principal.scope,
        limit: Some(page::one_more(limit)),
    };
    let mut lines = web.remat.audit(&filter).await?;
    let next = page::cut(&mut lines, limit).map(|last| last.id);
    Ok(Json(Audit { audit: lines, next }))
}
