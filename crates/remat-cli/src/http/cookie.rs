//! The cookie of a browser that is logged in.
//!
//! Law: no script reads it, no other site makes the browser send it, and where TLS is known to stand before the listener it is
//! sent over TLS alone.

use axum::http::{HeaderMap, HeaderValue, header};

use super::Web;

const NAME: &str = "remat_session";

/// Its secret, if a request has one.
pub(crate) fn read(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, secret)| secret)
}

/// Sets it for as long as a session lasts.
pub(crate) fn set(web: &Web, headers: &HeaderMap, secret: &str) -> HeaderValue {
    let seconds = remat::access::SESSION_LASTS.as_secs();
    line(web, headers, secret, seconds)
}

/// Takes it away.
pub(crate) fn clear(web: &Web, headers: &HeaderMap) -> HeaderValue {
    line(web, headers, "", 0)
}

fn line(web: &Web, headers: &HeaderMap, secret: &str, seconds: u64) -> HeaderValue {
    let secure = if is_over_tls(web, headers) { "; Secure" } else { "" };
    let path = web.link("/");
    let line = format!("{NAME}={secret}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(line).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether a proxy that is trusted says so. The listener itself has no TLS.
fn is_over_tls(web: &Web, headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
    web.door.behind_proxy && scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}
