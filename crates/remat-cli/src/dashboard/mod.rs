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

use axum::{http::Method, routing::get};
use remat::access::Role::{Editor, Operator, Viewer};

pub(crate) use self::{ask::Known, page::login::show as login};
use crate::http::Mount;

/// Every page and every form, each with the role that it needs.
pub(crate) fn mount(mount: Mount) -> Mount {
    mount
        .open(Method::GET, "/assets/{name}", get(asset::serve))
        .get("/", Viewer, page::overview::show)
        .get("/views", Viewer, page::views::show)
        .get("/views.csv", Viewer, page::views::csv)
        .get("/views/new", Editor, page::edit::new)
        .post("/views/plan", Editor, action::define::plan)
        .post("/views/form", Editor, action::define::form)
        .post("/views/apply", Editor, action::define::apply)
        .get("/views/{schema}/{name}/edit", Editor, page::edit::edit)
        .get("/views/{schema}/{name}", Viewer, page::view::show)
        .post("/views/{schema}/{name}/refresh", Operator, action::view::refresh)
        .post("/views/{schema}/{name}/create", Operator, action::view::create)
        .post("/views/{schema}/{name}/pause", Operator, action::view::pause)
        .post("/views/{schema}/{name}/resume", Operator, action::view::resume)
        .post("/views/{schema}/{name}/delete", Editor, action::view::delete)
        .get("/graph", Viewer, page::graph::show)
        .get("/runs", Viewer, page::runs::show)
        .get("/runs/{id}", Viewer, page::run::show)
        .post("/runs/{id}/cancel", Operator, action::run::cancel)
        .get("/schedule", Viewer, page::schedule::show)
        .post("/schedule/run", Operator, action::job::run)
        .get("/alerts", Viewer, page::alerts::show)
        .post("/alerts/mute", Operator, action::alert::mute)
        .post("/alerts/unmute", Operator, action::alert::unmute)
        .post("/alerts/test", Operator, action::alert::test)
        .get("/audit", Viewer, page::audit::show)
        .get("/system", Viewer, page::system::show)
        .post("/preferences", Viewer, action::preferences)
}
