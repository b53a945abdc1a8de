//! One POST, to an address that was looked at before.
//!
//! Law: the name is resolved once and the connection goes to what was found, so that it cannot mean another machine by
//! then. If any of the addresses is not public, none is used, unless that is allowed. No redirect is followed, no proxy is
//! asked, and the answer's body is not read.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, OnceLock},
};

use hyper::{Method, Request, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;

use super::address::is_public;
use crate::alert::Reach;

/// How large the head of an answer may be, in bytes.
const HEAD_MAX: usize = 64 * 1024;

/// Sends a body of JSON with these further headers; gives the number of the answer where it says that all is well.
pub(crate) async fn post(
    url: &str,
    reach: Reach,
    headers: &[(&str, String)],
    body: String,
) -> Result<String, String> {
    let target = Target::parse(url, reach)?;
    let stream = connect(&resolve(&target, reach).await?).await?;
    let request = request(&target, headers, body)?;
    let status = if target.is_tls {
        let name = ServerName::try_from(target.host.clone()).map_err(|_| "the host has no legal name")?;
        let stream = TlsConnector::from(tls()?).connect(name, stream).await;
        exchange(stream.map_err(|error| format!("TLS failed: {error}"))?, request).await?
    } else {
        exchange(stream, request).await?
    };
    match status {
        200..=299 => Ok(format!("HTTP {status}")),
        300..=399 => Err(format!("HTTP {status}; redirects are not followed")),
        _ => Err(format!("HTTP {status}")),
    }
}

/// What a URL says.
struct Target {
    is_tls: bool,
    host: String,
    /// As it stands in the URL, for the header.
    authority: String,
    port: u16,
    path: String,
}

impl Target {
    /// What is wrong with a URL is said without it.
    fn parse(url: &str, reach: Reach) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| "the URL cannot be read")?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if reach.allow_http => false,
            Some("http") => return Err("the URL is not https; allow_http = true allows that".into()),
            _ => return Err("the URL is not https".into()),
        };
        let authority = uri.authority().ok_or("the URL has no host")?;
        if authority.as_str().contains('@') {
            return Err("the URL holds a user; put what is secret into its path".into());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { is_tls, host, authority: authority.as_str().to_owned(), port, path })
    }
}

async fn resolve(target: &Target, reach: Reach) -> Result<Vec<SocketAddr>, String> {
    let found = match target.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, target.port)],
        Err(_) => lookup_host((target.host.as_str(), target.port))
            .await
            .map_err(|_| format!("the host {} could not be resolved", target.host))?
            .collect(),
    };
    if !reach.allow_private && found.iter().any(|address| !is_public(address.ip())) {
        return Err(format!(
            "the host {} is not on the public network; allow_private = true allows that",
            target.host
        ));
    }
    Ok(found)
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    TcpStream::connect(addresses).await.map_err(|error| format!("could not connect: {}", error.kind()))
}

fn request(target: &Target, headers: &[(&str, String)], body: String) -> Result<Request<String>, String> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::USER_AGENT, concat!("remat/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(body).map_err(|_| "the URL or a header cannot be sent".into())
}

/// Sends the request and gives the number of the answer. The connection ends with it.
async fn exchange<S>(stream: S, request: Request<String>) -> Result<u16, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broke = |error: hyper::Error| {
        format!("the connection broke{}", if error.is_timeout() { ": it took too long" } else { "" })
    };
    let shaken = http1::Builder::new().max_buf_size(HEAD_MAX).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(broke)?;
    let mut answered = pin!(sender.send_request(request));
    let answered = tokio::select! {
        biased;
        answered = &mut answered => answered,
        // Whoever closes the connection right behind the answer has answered.
        _ = connection => answered.await,
    };
    answered.map(|response| response.status().as_u16()).map_err(broke)
}

fn tls() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Reach = Reach { allow_private: true, allow_http: true };

    #[test]
    fn only_https_is_taken_unless_more_is_allowed() {
        let closed = |url| Target::parse(url, Reach::default()).map(|target| target.port);
        assert_eq!(closed("https://example.org/a"), Ok(443));
        assert_eq!(closed("https://example.org:8443/"), Ok(8443));
        for url in
            ["http://example.org/", "ftp://example.org/", "example.org", "/x", "", "file:///etc/passwd"]
        {
            assert!(closed(url).is_err(), "{url}");
        }
        assert_eq!(Target::parse("http://example.org", OPEN).map(|target| target.path), Ok("/".into()));
    }

    #[test]
    fn a_complaint_about_a_url_does_not_tell_it() {
        for url in ["https://user:hush@example.org/", "http://example.org/hush", "hush hush"] {
            let complaint = Target::parse(url, Reach::default()).err().unwrap();
            assert!(!complaint.contains("hush"), "{complaint}");
        }
    }

    #[tokio::test]
    async fn a_host_that_means_this_machine_is_refused_however_it_is_written() {
        for host in ["127.0.0.1", "[::1]", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"] {
            let url = format!("https://{host}/");
            let Ok(target) = Target::parse(&url, Reach::default()) else { continue };
            let found = resolve(&target, Reach::default()).await;
            assert!(found.is_err(), "{host}: {found:?}");
        }
    }
}
