//! What every request passes before a route sees it.
//!
//! Law: [`admit`] stands before all: under which name was asked, and is it too much. [`needs`] stands before each route
//! that was mounted with a role: who asks, may they, and where does a request that changes something come from. Nothing
//! is changed by GET. What whoever was not let in gets to know does not depend on what is there.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use remat::access::{Grant, Role, Scope};

use super::{
    Principal, Problem, Web, cookie, host,
    origin::{self, Origin},
};

/// How large a body may be.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// How long an answer may take; a stream has begun by then.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// Where the other end of the connection is; put there by the listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// How somebody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// A token with the request.
    Bearer,
    /// A cookie, which a browser sends wherever the request comes from.
    Cookie,
    /// Nothing, where nobody has to log in.
    Nothing,
}

/// Before everything: the name that was asked for, and the length of what was sent.
pub(crate) async fn admit(State(web): State<Web>, request: Request, next: Next) -> Response {
    let named = host::named(request.uri(), request.headers());
    if !named.is_some_and(|host| web.door.hosts.allow(host)) {
        let problem = Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            "this is not a name under which remat is asked for",
        )
        .with_hint("Allow it with --allow-host NAME, or allow_hosts under [serve] of remat.toml.");
        return problem.into_response();
    }
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return too_large().into_response();
    }
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "the answer took too long")
            .with_detail("What was begun may go on; nothing half done is kept.")
            .into_response(),
    }
}

/// More was sent than is read.
pub(crate) fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large")
        .with_detail(format!("At most {BODY_BYTES_MAX} bytes are read."))
}

/// Before a route that needs a role.
pub(crate) async fn needs(State((web, role)): State<(Web, Role)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_empty = body.is_end_stream() || body.size_hint().exact() == Some(0);
    let place = match web.door.room.enter(&parts.method).await {
        Ok(place) => place,
        Err(problem) => return kept_by_nobody(refuse(&web, &parts, problem)),
    };
    let response = match check(&web, &parts, is_empty, role).await {
        Ok(principal) => {
            parts.extensions.insert(principal);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => refuse(&web, &parts, problem),
    };
    // A stream goes on and takes no room: it asks the database nothing.
    drop(place);
    kept_by_nobody(response)
}

async fn check(web: &Web, parts: &Parts, is_empty: bool, role: Role) -> Result<Principal, Problem> {
    let (principal, proof) = identify(web, parts).await?;
    if !principal.role.may(role) {
        return Err(forbidden(&principal, role));
    }
    if !parts.method.is_safe() {
        let origin = check_origin(parts, proof)?;
        if !is_empty {
            check_content_type(parts, origin)?;
        }
    }
    Ok(principal)
}

/// What depends on who asks is kept by no cache.
fn kept_by_nobody(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A person who looks at pages is led to the login; everybody else gets the problem. It is also left in the answer's
/// extensions, so that pages may show it in their own way.
fn refuse(web: &Web, request: &Parts, problem: Problem) -> Response {
    if problem.status() == StatusCode::UNAUTHORIZED && looks_at_pages(request) {
        let wanted = request.uri.path_and_query().map_or("/", |path| path.as_str());
        let next = if request.method == Method::GET { wanted } else { "/" };
        return Redirect::to(&web.link(&format!("/login?next={}", encoded(next)))).into_response();
    }
    let mut response = problem.clone().into_response();
    response.extensions_mut().insert(problem);
    response
}

fn looks_at_pages(request: &Parts) -> bool {
    let accepts = request.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    !request.uri.path().starts_with("/api/") && accepts.is_some_and(|accept| accept.contains("text/html"))
}

/// A text as the value of a query parameter.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Where a request comes from, as far as that can be known.
pub(crate) fn address(web: &Web, request: &Parts) -> IpAddr {
    let peer = request.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    let forwarded = web.door.behind_proxy.then(|| forwarded_for(&request.headers)).flatten();
    forwarded.unwrap_or(peer).to_canonical()
}

/// What the nearest proxy has seen: the last address of the list. Those before it may have been made up.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

async fn identify(web: &Web, request: &Parts) -> Result<(Principal, Proof), Problem> {
    let address = address(web, request);
    if web.door.no_auth {
        return local(request, address).map(|principal| (principal, Proof::Nothing));
    }
    if let Some(authorization) = request.headers.get(header::AUTHORIZATION) {
        let secret = authorization.to_str().ok().and_then(bearer).ok_or_else(Problem::unauthorized)?;
        let grant = web.remat.authenticate(secret).await.map_err(|_| Problem::unavailable())?;
        return match grant {
            Some(grant) => Ok((principal(grant, address), Proof::Bearer)),
            None => Err(wrong_secret(web, address)),
        };
    }
    let Some(secret) = cookie::read(&request.headers) else { return Err(Problem::unauthorized()) };
    let session = web.remat.authenticate_web_session(secret).await.map_err(|_| Problem::unavailable())?;
    let grant = session.ok_or_else(Problem::unauthorized)?;
    Ok((principal(grant, address), Proof::Cookie))
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, secret) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// Counts it, and says it to the log as often as it counts.
fn wrong_secret(web: &Web, address: IpAddr) -> Problem {
    if !web.door.attempts.may(address, Instant::now()) {
        return too_many();
    }
    web.door.attempts.failed(address, Instant::now());
    tracing::warn!(%address, "a request came with a token that does not count");
    Problem::unauthorized()
}

/// Somebody showed wrong secrets too often.
pub(crate) fn too_many() -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", "too many wrong tokens")
        .with_hint("Wait a minute.")
}

fn principal(grant: Grant, address: IpAddr) -> Principal {
    Principal { name: grant.name, role: grant.role, scope: grant.scope, address: address.to_string() }
}

/// Where nobody has to log in. A request that a proxy passed on comes from elsewhere: whoever put one before such a
/// listener has opened it to strangers.
fn local(request: &Parts, address: IpAddr) -> Result<Principal, Problem> {
    let proxied = ["forwarded", "x-forwarded-for", "x-forwarded-host", "via"];
    if !address.is_loopback() || proxied.iter().any(|name| request.headers.contains_key(*name)) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not_local",
            "this listener is for this machine alone",
        )
        .with_detail("It was started with --no-auth.")
        .with_hint("Start it without, and give tokens with `remat token create`."));
    }
    let name = "local".into();
    Ok(Principal { name, role: Role::Admin, scope: Scope::All, address: address.to_string() })
}

fn forbidden(principal: &Principal, role: Role) -> Problem {
    let title = format!("role {} is not enough", principal.role);
    Problem::new(StatusCode::FORBIDDEN, "forbidden", title)
        .with_detail(format!("This takes the role {role}."))
}

/// What changes something must come from our own pages, or from a program.
fn check_origin(request: &Parts, proof: Proof) -> Result<Origin, Problem> {
    let origin = origin::of(&request.uri, &request.headers);
    let is_proven = match proof {
        Proof::Bearer => true,
        Proof::Cookie => origin == Origin::Same,
        Proof::Nothing => origin != Origin::Foreign,
    };
    if is_proven { Ok(origin) } else { Err(foreign()) }
}

/// Another site's page asked for a change.
pub(crate) fn foreign() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "cross_site", "the request comes from another site")
        .with_hint("Use the pages of this server, or send a token as `Authorization: Bearer remat_…`.")
}

/// JSON, which no form of another site can send; a form from our own pages alone, and not to the API.
fn check_content_type(request: &Parts, origin: Origin) -> Result<(), Problem> {
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_api = request.uri.path().starts_with("/api/");
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if essence.eq_ignore_ascii_case("application/json") || (is_form && !is_api && origin == Origin::Same) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", "the body is not JSON")
        .with_hint("Send it with `Content-Type: application/json`."))
}
