//! The HTTP listener: so far two probes.
//!
//! Law: what is answered without a word of authentication holds nothing secret: no name of a database, view or machine.
//! A flood of probes asks the database once a second.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use remat::{
    Remat,
    error::{Error, ErrorKind},
    service::{Stop, health::Health},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
    time::timeout,
};

use crate::app::io_error;

/// How long the database may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long its answer holds.
const HOLDS: Duration = Duration::from_secs(1);

/// Takes the address, before anything else starts.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        io_error(&format!("could not listen on {address}"), &error)
            .with_hint("Choose another address with --listen, or none with --no-web.")
    })
}

/// Whom the probes ask.
pub(super) struct Asked {
    remat: Remat,
    health: Health,
    stop: watch::Receiver<Stop>,
    ready: Mutex<Option<(Instant, Option<&'static str>)>>,
}

impl Asked {
    pub(super) fn new(remat: &Remat, health: &Health, stop: watch::Receiver<Stop>) -> Arc<Self> {
        Arc::new(Self { remat: remat.clone(), health: health.clone(), stop, ready: Mutex::default() })
    }

    /// Why it is not ready, if it is not.
    async fn obstacle(&self) -> Option<&'static str> {
        if *self.stop.borrow() != Stop::No {
            return Some("it is stopping");
        }
        let mut known = self.ready.lock().await;
        match *known {
            Some((asked, answer)) if asked.elapsed() < HOLDS => answer,
            _ => {
                let answer = self.ask().await;
                *known = Some((Instant::now(), answer));
                answer
            }
        }
    }

    async fn ask(&self) -> Option<&'static str> {
        match timeout(PATIENCE, self.remat.is_ready()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) if error.kind() == ErrorKind::Schema => {
                Some("the tables of remat are not this program's")
            }
            Ok(Err(_)) | Err(_) => Some("the database does not answer"),
        }
    }
}

/// Answers until the process ends.
pub(super) async fn answer(listener: TcpListener, asked: Arc<Asked>) {
    match listener.local_addr() {
        Ok(address) if address.ip().is_loopback() => {
            tracing::info!(%address, "listening; GET /healthz and /readyz are answered");
        }
        Ok(address) => {
            tracing::info!(%address, "listening, also for other machines; GET /healthz and /readyz are answered to all");
        }
        Err(_) => {}
    }
    let routes =
        Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(asked);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the listener has ended");
    }
}

async fn healthz(State(asked): State<Arc<Asked>>) -> (StatusCode, Json<Value>) {
    let stalled = asked.health.stalled();
    if stalled.is_empty() {
        return (StatusCode::OK, Json(json!({ "healthy": true, "stalled": [] })));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "healthy": false, "stalled": stalled })))
}

async fn readyz(State(asked): State<Arc<Asked>>) -> (StatusCode, Json<Value>) {
    let reason = asked.obstacle().await;
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reason.is_none(), "reason": reason })))
}
