//! What is done to a run: it is cancelled.

use std::time::Duration;

use axum::{body::Body, extract::Path, http::Response};

use super::back;
use crate::dashboard::ask::Ask;

/// How long the answer waits for the end of the run, so that the page that follows shows it.
const PATIENCE: Duration = Duration::from_millis(1_500);

pub(in crate::dashboard) async fn cancel(ask: Ask, Path(id): Path<i64>) -> Response<Body> {
    let cancelled = async {
        drop(ask.run(id).await?);
        ask.record("cancel", &format!("run {id}"), Some(id)).await?;
        ask.remat().cancel_run(id, PATIENCE).await
    };
    match cancelled.await {
        Ok(_) => {
            ask.forget().await;
            back(&ask, &format!("/runs/{id}"), "cancel")
        }
        Err(error) => ask.complain(&error),
    }
}
