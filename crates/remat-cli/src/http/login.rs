//! Logging a browser in and out.
//!
//! Law: the form posts a token, and the browser gets a cookie of its own for it. Both come from our own pages, or not at
//! all: another site must not log somebody in either. A failure tells nothing but that it was one.

use std::time::Instant;

use axum::{
    Form,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    response::{IntoResponse as _, Redirect, Response},
};
use remat::access::Act;
use serde::Deserialize;

use super::{
    Principal, Problem, Web, cookie, guard,
    origin::{self, Origin},
};

/// What the form of the login sends.
#[derive(Deserialize)]
pub(crate) struct Login {
    token: String,
    /// Where to go afterwards: a path below the base.
    #[serde(default)]
    next: String,
}

/// `POST /login`: the token's secret in `token`, where to go in `next`. Leads back to `/login?failed=1`, or
/// `/login?failed=often` to whoever failed too often.
pub(crate) async fn log_in(State(web): State<Web>, request: Request) -> Response {
    if origin::of(request.uri(), request.headers()) != Origin::Same {
        return guard::foreign().into_response();
    }
    let (parts, body) = request.into_parts();
    let (address, headers) = (guard::address(&web, &parts), parts.headers.clone());
    let request = Request::from_parts(parts, body);
    if !web.door.attempts.may(address, Instant::now()) {
        return Redirect::to(&web.link("/login?failed=often")).into_response();
    }
    let Ok(Form(login)) = <Form<Login> as axum::extract::FromRequest<Web>>::from_request(request, &web).await
    else {
        return Problem::bad_request("the form cannot be read").into_response();
    };
    let let_in = async {
        let _place = web.door.room.enter(&Method::POST).await?;
        let_in(&web, &login, &address.to_string()).await
    };
    match let_in.await {
        Ok(Some(secret)) => {
            with_cookie(&web.link(local_path(&login.next)), cookie::set(&web, &headers, &secret))
        }
        Ok(None) => {
            web.door.attempts.failed(address, Instant::now());
            tracing::warn!(%address, "a login failed");
            Redirect::to(&web.link("/login?failed=1")).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn let_in(web: &Web, login: &Login, address: &str) -> Result<Option<String>, Problem> {
    let unavailable = |_| Problem::unavailable();
    let grant = web.remat.authenticate(login.token.trim()).await.map_err(unavailable)?;
    let Some(grant) = grant else { return Ok(None) };
    let secret = web.remat.open_web_session(grant.token_id).await.map_err(unavailable)?;
    let act = Act {
        who: Some(&grant.name),
        role: Some(grant.role),
        address: Some(address),
        action: "login",
        ..Act::default()
    };
    web.remat.record_act(&act).await.map_err(unavailable)?;
    Ok(Some(secret.reveal().to_owned()))
}

/// `POST /logout`.
pub(crate) async fn log_out(State(web): State<Web>, principal: Principal, headers: HeaderMap) -> Response {
    let left = async {
        if let Some(secret) = cookie::read(&headers) {
            web.remat.close_web_session(secret).await?;
        }
        web.remat.record_act(&principal.act("logout", None)).await
    };
    match left.await {
        Ok(()) => with_cookie(&web.link("/login"), cookie::clear(&web, &headers)),
        Err(error) => Problem::from(error).into_response(),
    }
}

fn with_cookie(location: &str, cookie: HeaderValue) -> Response {
    let mut response = Redirect::to(location).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A path of this server and nothing that a browser would take for another one.
pub(crate) fn local_path(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn whoever_logs_in_is_led_to_no_other_server() {
        assert_eq!(local_path("/views?tag=a%20b"), "/views?tag=a%20b");
        for next in
            ["", "https://evil.example", "//evil.example", "/\\evil.example", "/\r\nX: y", "views", "/ä"]
        {
            assert_eq!(local_path(next), "/", "{next:?}");
        }
    }
}
