//! The HTTP listener: probes for anybody, the API and the pages for whom the guard lets in.
//!
//! Law: a request passes, in this order, the guard of hosts and origins, the question who asks, and the question whether
//! that role may; only then is anything read. A route says its role where it is mounted, so none can forget to.
//! There is no SQL here: routes ask the library.

mod metrics;
mod probe;
mod who;

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use remat::{
    Remat,
    error::Error,
    service::{Stop, health::Health},
};
use tokio::{net::TcpListener, sync::watch};
#[allow(unused_imports, reason = "the pages and the API come next")]
pub(crate) use who::Principal;

use crate::app::io_error;

#[allow(dead_code, reason = "the pages and the API come next")]
/// What every route may ask of.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) remat: Remat,
    pub(crate) health: Health,
    pub(crate) stop: watch::Receiver<Stop>,
    /// The path under which a proxy shows all of this: empty, or `/remat`. It begins with a slash and ends with none.
    pub(crate) base: Arc<str>,
}

#[allow(dead_code, reason = "the pages and the API come next")]
impl Web {
    /// The path of a link: `link("/views")` is `/remat/views` under the base `/remat`.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Takes the address, before anything else starts.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        io_error(&format!("could not listen on {address}"), &error)
            .with_hint("Choose another address with --listen, or none with --no-web.")
    })
}

/// Answers until the process ends.
pub(crate) async fn answer(listener: TcpListener, web: Web) {
    match listener.local_addr() {
        Ok(address) if address.ip().is_loopback() => {
            tracing::info!(%address, "listening; GET /healthz and /readyz are answered");
        }
        Ok(address) => {
            tracing::info!(%address, "listening, also for other machines; GET /healthz and /readyz are answered to all");
        }
        Err(_) => {}
    }
    let routes = Router::new().merge(probe::routes(&web)).merge(metrics::routes(&web));
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the listener has ended");
    }
}
