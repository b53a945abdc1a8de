//! The metrics, as text for Prometheus.
//!
//! Law: what is answered holds the names of views, queues and workers; so the guard lets viewers in and nobody else. A
//! flood of questions asks the database once a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use tokio::{sync::Mutex, time::timeout};

use crate::http::Web;

/// The version of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(1);

/// What was answered last.
#[derive(Clone, Default)]
pub(crate) struct Last(Arc<Mutex<Option<Said>>>);

/// When, and what.
type Said = (Instant, Arc<str>);

async fn text(web: &Web) -> Option<Arc<str>> {
    let mut last = web.metrics.0.lock().await;
    if let Some((asked, text)) = &*last
        && asked.elapsed() < HOLDS
    {
        return Some(Arc::clone(text));
    }
    match timeout(PATIENCE, web.remat.metrics(Some(&web.health))).await {
        Ok(Ok(text)) => {
            let text = Arc::from(text);
            *last = Some((Instant::now(), Arc::clone(&text)));
            Some(text)
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the metrics could not be read");
            None
        }
        Err(_) => None,
    }
}

/// `GET /metrics`, for viewers.
pub(super) async fn show(State(web): State<Web>) -> Response {
    match text(&web).await {
        Some(text) => ([(CONTENT_TYPE, TEXT)], text.to_string()).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}
