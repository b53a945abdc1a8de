//! What is done to a scheduled job: it runs now.

use axum::{body::Body, http::Response};
use remat::{
    backend::PostgresBackend,
    error::{Error, ErrorKind},
};

use super::{Typed, back, typed};
use crate::dashboard::ask::Ask;

pub(in crate::dashboard) async fn run(ask: Ask, form: Typed) -> Response<Body> {
    let Some(job) = typed(&form, "job") else {
        return ask.complain(&Error::new(ErrorKind::NotFound, "no job was named"));
    };
    match ask.remat().fire_now(&PostgresBackend::new(ask.remat()), job).await {
        Ok(runs) => {
            ask.desk.forget().await;
            let path = match runs.as_slice() {
                [run] => format!("/runs/{run}"),
                _ => "/schedule".into(),
            };
            back(&ask, &path, "job")
        }
        Err(error) => ask.complain(&error),
    }
}
