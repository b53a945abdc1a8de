//! Two probes: whether the process works, and whether it is ready.
//!
//! Law: what is answered without a word of authentication holds nothing secret: no name of a database, view or machine.
//! A flood of probes asks the database once a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use remat::{
    Remat,
    error::ErrorKind,
    service::{Stop, health::Health},
};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};

/// How long the database may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long its answer holds.
const HOLDS: Duration = Duration::from_secs(1);

/// Whom the probes ask.
struct Asked {
    remat: Remat,
    health: Health,
    stop: watch::Receiver<Stop>,
    ready: Mutex<Option<(Instant, Option<&'static str>)>>,
}

impl Asked {
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

/// The probes, which need no word of who asks.
pub(super) fn routes(remat: &Remat, health: &Health, stop: &watch::Receiver<Stop>) -> Router {
    let (remat, health, stop) = (remat.clone(), health.clone(), stop.clone());
    let asked = Arc::new(Asked { remat, health, stop, ready: Mutex::default() });
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(asked)
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
