//! The pages of the dashboard: HTML made by the server, a little script that keeps it up to date.
//!
//! Law: a page reads, a form changes and leads back to a page. All that comes from the database is escaped, and a page works
//! without its script. There is no SQL here and no decision: why something is so, the library says.

mod action;
mod ask;
mod asset;
mod chart;
mod icon;
mod layout;
mod notice;
mod page;
mod part;
mod squeeze;
mod why;

use axum::{
    Router,
    routing::{get, post},
};

use self::ask::Desk;
use crate::http::Web;

/// Every page and every form.
pub(crate) fn routes(web: &Web) -> Router {
    let desk = Desk::new(web);
    Router::new()
        .route("/", get(page::overview::show))
        .route("/views", get(page::views::show))
        .route("/views.csv", get(page::views::csv))
        .route("/views/{schema}/{name}", get(page::view::show))
        .route("/views/{schema}/{name}/{act}", post(action::view::act))
        .route("/graph", get(page::graph::show))
        .route("/runs", get(page::runs::show))
        .route("/runs/{id}", get(page::run::show))
        .route("/runs/{id}/cancel", post(action::run::cancel))
        .route("/schedule", get(page::schedule::show))
        .route("/schedule/run", post(action::job::run))
        .route("/system", get(page::system::show))
        .route("/preferences", post(action::preferences))
        .with_state(desk)
        .merge(asset::routes())
}
