//! What is done to a run: it is cancelled.

use std::time::Duration;

use axum::{body::Body, extract::Path, http::Response};

use super::back;
use crate::dashboard::ask::Ask;
use remat::access::Act;

/// How long the answer waits for the end of the run, so that the page that follows shows it.
const PATIENCE: Duration = Duration::from_millis(1_500);

pub(in crate::dashboard) async fn cancel(ask: Ask, Path(id): Path<i64>) -> Response<Body> {
    let cancelled = async {
        let run = ask.run(id).await?;
        let (object, schema) = (format!("run {id}"), run.view.as_ref().map(|view| view.schema.as_str()));
        let act = ask.who.act("run.cancel", Some(&object));
        ask.remat().record_act(&Act { schema, run_id: Some(id), ..act }).await?;
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
