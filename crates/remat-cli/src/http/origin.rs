//! Whether a request that changes something comes from our own pages.
//!
//! Law: a browser sends cookies along wherever the request comes from, and asks loopback for any site. So what changes
//! something and was let in by a cookie, or by nothing, must prove that its origin is ours: `Sec-Fetch-Site`, which no
//! script can set, else `Origin`. A bearer token is sent by no browser of its own accord and needs no proof.

use axum::http::{HeaderMap, Uri};

use super::host;

/// What the headers say of where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Our own pages.
    Same,
    /// Somebody else's.
    Foreign,
    /// They say nothing, as a program does that is no browser.
    Unsaid,
}

/// Reads it.
pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Origin {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").map(|site| site == "same-origin");
    let origin = text("origin").map(|origin| is_ours(origin, uri, headers));
    match (site, origin) {
        (None, None) => Origin::Unsaid,
        (Some(false), _) | (_, Some(false)) => Origin::Foreign,
        (Some(true), _) | (None, Some(true)) => Origin::Same,
    }
}

/// The origin names the host that was asked. A proxy may have ended TLS, so the scheme is not compared.
fn is_ours(origin: &str, uri: &Uri, headers: &HeaderMap) -> bool {
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    match (authority, host::named(uri, headers)) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(headers: &[(&'static str, &str)]) -> Origin {
        let mut map = HeaderMap::new();
        map.insert("host", "remat.example.org:8080".parse().unwrap());
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        of(&Uri::from_static("/views"), &map)
    }

    #[test]
    fn our_own_pages_are_told_from_others_and_from_programs() {
        let ours = ("origin", "https://remat.example.org:8080");
        assert_eq!(origin(&[]), Origin::Unsaid);
        assert_eq!(origin(&[ours]), Origin::Same);
        assert_eq!(origin(&[("sec-fetch-site", "same-origin")]), Origin::Same);
        assert_eq!(origin(&[("sec-fetch-site", "same-origin"), ours]), Origin::Same);
        for foreign in
            ["null", "https://evil.example", "https://remat.example.org", "remat.example.org:8080", ""]
        {
            assert_eq!(origin(&[("origin", foreign)]), Origin::Foreign, "{foreign}");
        }
        for site in ["cross-site", "same-site", "none", ""] {
            assert_eq!(origin(&[("sec-fetch-site", site), ours]), Origin::Foreign, "{site}");
        }
    }
}
