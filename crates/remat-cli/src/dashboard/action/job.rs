//! What is done to a scheduled job: it runs now.

use axum::{body::Body, http::Response};
use remat::error::{Error, ErrorKind};

use super::{Typed, back, typed};
use crate::dashboard::ask::Ask;

pub(in crate::dashboard) async fn run(ask: Ask, form: Typed) -> Response<Body> {
    let Some(job) = typed(&form, "job") else {
        return ask.complain(&Error::new(ErrorKind::NotFound, "no job was named"));
    };
    let fired = async {
        if !ask.who.scope.is_all() {
            return Err(Error::new(ErrorKind::NotFound, format!("job \"{job}\" is not scheduled")));
        }
        ask.remat().record_act(&ask.who.act("job.run", Some(job))).await?;
        ask.remat().run_job(ask.web.backend.as_ref(), job).await
    };
    match fired.await {
        Ok(runs) => {
            ask.forget().await;
            let path = match runs.as_slice() {
                [run] => format!("/runs/{run}"),
                _ => "/schedule".into(),
            };
            back(&ask, &path, "job")
        }
        Err(error) => ask.complain(&error),
    }
}
