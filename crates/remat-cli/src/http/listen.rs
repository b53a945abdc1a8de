//! From connections to requests.
//!
//! Law: whoever connects can hold a connection, and a bounded number of them: a request's head must come in time, and
//! there are only so many connections. A proxy may show everything under a path, which is taken away here, so that no
//! route knows of it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::Uri,
    response::{IntoResponse as _, Redirect, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt as _;

use super::{Problem, guard::Peer, headers};

/// How long the head of a request may take to arrive, and how long a connection may idle between two.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How many connections are held at once; others wait in the system's queue.
const CONNECTIONS_MAX: usize = 1_024;
/// How long it rests when no connection can be taken, such as without free descriptors.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// All routes, and the path under which a proxy shows them.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) base: Arc<str>,
}

impl Site {
    /// Answers one request.
    pub(crate) async fn answer(self, request: Request) -> Response {
        let mut response = self.route(request).await;
        headers::add(&mut response);
        response
    }

    async fn route(self, mut request: Request) -> Response {
        match below(&self.base, request.uri()) {
            Below::Here => {}
            Below::At(uri) => *request.uri_mut() = uri,
            Below::Root => return Redirect::permanent(&format!("{}/", self.base)).into_response(),
            Below::Elsewhere => return Problem::not_found("there is nothing here").into_response(),
        }
        match self.router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

enum Below {
    /// Nothing is to be taken away.
    Here,
    /// The rest.
    At(Uri),
    /// The base without its slash.
    Root,
    /// Not below the base.
    Elsewhere,
}

/// Whoever probes the process asks it directly, and knows of no proxy.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

fn below(base: &str, uri: &Uri) -> Below {
    if base.is_empty() || PROBES.contains(&uri.path()) {
        return Below::Here;
    }
    let Some(rest) = uri.path().strip_prefix(base) else { return Below::Elsewhere };
    if rest.is_empty() {
        return Below::Root;
    }
    if !rest.starts_with('/') {
        return Below::Elsewhere;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{rest}{query}").parse().ok();
    Uri::from_parts(parts).map_or(Below::Elsewhere, Below::At)
}

/// Takes connections until the process ends.
pub(crate) async fn forever(listener: TcpListener, site: Site) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let site = site.clone();
                tokio::spawn(async move {
                    serve(stream, Peer(peer), site).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: Peer, site: Site) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let site = site.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            Ok::<_, Infallible>(site.answer(request).await)
        }
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    // Whoever hangs up in the middle is no error of ours.
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_below(base: &str, uri: &'static str) -> Option<String> {
        match below(base, &Uri::from_static(uri)) {
            Below::Here => Some(uri.into()),
            Below::At(uri) => Some(uri.to_string()),
            Below::Root => Some("redirect".into()),
            Below::Elsewhere => None,
        }
    }

    #[test]
    fn the_base_is_taken_away_and_nothing_else() {
        let below = |uri| path_below("/remat", uri);
        assert_eq!(below("/remat/views?x=1").as_deref(), Some("/views?x=1"));
        assert_eq!(below("/remat/").as_deref(), Some("/"));
        assert_eq!(below("/remat").as_deref(), Some("redirect"));
        assert_eq!(below("/healthz").as_deref(), Some("/healthz"));
        assert_eq!(below("/remat/healthz").as_deref(), Some("/healthz"));
        assert_eq!(below("/rematch/views"), None);
        assert_eq!(below("/views"), None);
        assert_eq!(path_below("", "/views").as_deref(), Some("/views"));
    }
}
