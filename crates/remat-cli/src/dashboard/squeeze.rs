//! Answers, compressed where the other side understands that.

use std::io::Write as _;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, header},
};
use flate2::{Compression, write::GzEncoder};

/// Below so many bytes it is not worth the work.
const LEAST: usize = 1_000;

/// An answer with these headers and this body.
pub(super) fn answer<const N: usize>(
    asked: &HeaderMap,
    head: [(HeaderName, &'static str); N],
    body: &[u8],
) -> Response<Body> {
    let packed = (body.len() >= LEAST && takes_gzip(asked)).then(|| pack(body)).flatten();
    let is_packed = packed.is_some();
    let mut response = Response::new(Body::from(packed.unwrap_or_else(|| body.to_vec())));
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding, cookie"));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for (name, value) in head {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| {
        accepted.split(',').any(|word| {
            let mut parts = word.trim().split(';');
            let is_gzip = parts.next().is_some_and(|name| name.trim() == "gzip");
            is_gzip && !parts.any(|weight| weight.trim() == "q=0")
        })
    })
}

fn pack(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}
