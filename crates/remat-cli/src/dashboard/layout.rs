//! The frame of every page: head, navigation, the page itself, and how to have the same elsewhere.
//!
//! Law: what comes from the database is put into markup by maud alone, which escapes it. No script and no style stands in a
//! page, so that the policy of the browser can forbid both.

use axum::{
    body::Body,
    http::{HeaderMap, Response, StatusCode, header},
    response::IntoResponse,
};
use maud::{DOCTYPE, Markup, html};
use remat::error::{Error, ErrorKind};

use super::{
    ask::{Ask, Page, Same, Theme},
    asset::{ICON, SCRIPT, STYLE},
    icon, notice, squeeze,
};
use crate::http::Web;

/// The navigation: path, word, icon.
const PLACES: [(&str, &str, icon::Icon); 8] = [
    ("/", "Overview", icon::Icon::Overview),
    ("/views", "Views", icon::Icon::Views),
    ("/graph", "Graph", icon::Icon::Graph),
    ("/runs", "Runs", icon::Icon::Runs),
    ("/schedule", "Schedule", icon::Icon::Schedule),
    ("/alerts", "Alerts", icon::Icon::Alerts),
    ("/audit", "Audit", icon::Icon::Audit),
    ("/system", "System", icon::Icon::System),
];

/// Zones that are offered beside the one that was chosen.
const ZONES: [&str; 14] = [
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Africa/Johannesburg",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
];

impl Ask {
    /// The answer to a request for a page.
    pub(super) fn answer(&self, page: Result<Page, Error>) -> Response<Body> {
        match page {
            Ok(page) => self.respond(StatusCode::OK, &page),
            Err(error) => self.complain(&error),
        }
    }

    /// A page that says what went wrong.
    pub(super) fn complain(&self, error: &Error) -> Response<Body> {
        let status = status_of(error.kind());
        if status.is_server_error() {
            tracing::warn!(%error, path = self.path, "a page could not be shown");
        }
        let complaint = error.complaint();
        let body = html! {
            section.card {
                div.body.stack {
                    div.row { (icon::state(icon::Icon::Failed, "t-bad")) h1 { (complaint.primary) } }
                    @if let Some(detail) = &complaint.detail { p { (detail) } }
                    @if let Some(hint) = &complaint.hint { p.soft { (hint) } }
                    div.acts { a.btn href=(self.link("/")) { "To the overview" } }
                }
            }
        };
        let page = Page { title: complaint.primary.clone(), place: "", body, same: Same::default() };
        self.respond(status, &page)
    }

    fn respond(&self, status: StatusCode, page: &Page) -> Response<Body> {
        let text = frame(self, page).into_string();
        let head = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
        (status, squeeze::answer(&self.headers, head, text.as_bytes())).into_response()
    }
}

fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::InvalidDefinition | ErrorKind::InvalidSettings => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Conflict | ErrorKind::NeedsConfirmation => StatusCode::CONFLICT,
        ErrorKind::Connection | ErrorKind::Schema => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Database => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A page for strangers: no navigation, no name of anything.
pub(super) fn bare(web: &Web, headers: &HeaderMap, title: &str, body: &Markup) -> Response<Body> {
    let text = html! {
        (DOCTYPE)
        html lang="en" { (head(web, title)) body { (body) } }
    };
    let head = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    squeeze::answer(headers, head, text.into_string().as_bytes())
}

fn head(web: &Web, title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="referrer" content="same-origin";
            meta name="color-scheme" content="light dark";
            title { (title) " · remat" }
            link rel="icon" type="image/svg+xml" href=(web.link(&ICON.path()));
            link rel="stylesheet" href=(web.link(&STYLE.path()));
            script src=(web.link(&SCRIPT.path())) defer {}
        }
    }
}

fn frame(ask: &Ask, page: &Page) -> Markup {
    let theme = (ask.theme != Theme::System).then(|| ask.theme.as_str());
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme] data-base=(ask.web.base) data-now=(ask.now) {
            (head(&ask.web, &page.title))
            body {
                a.skip href="#main" { "Skip to the contents" }
                div.shell {
                    div.side {
                        div.top {
                            a.brand href=(ask.link("/")) { (icon::brand()) "remat" }
                            (navigation(ask, page.place))
                        }
                        (foot(ask))
                    }
                    main.main id="main" tabindex="-1" {
                        (notice::of(ask))
                        (page.body)
                        (same(&page.same))
                    }
                }
                div.offline id="offline" hidden role="status" { "Not up to date: the service does not answer" }
            }
        }
    }
}

fn navigation(ask: &Ask, place: &str) -> Markup {
    html! {
        nav.nav aria-label="Pages" {
            ul {
                @for (path, word, sign) in PLACES {
                    li {
                        a href=(ask.link(path)) aria-current=[(path == place).then_some("page")] {
                            (icon::of(sign)) span { (word) }
                        }
                    }
                }
            }
        }
    }
}

fn foot(ask: &Ask) -> Markup {
    let here = ask.with(&[]);
    html! {
        footer.foot {
            form method="post" action=(ask.link("/preferences")) {
                input type="hidden" name="back" value=(here);
                div.field {
                    label for="zone" { "Time zone" }
                    select id="zone" name="zone" data-submit {
                        @if !ZONES.contains(&ask.zone_name.as_str()) { option selected { (ask.zone_name) } }
                        @for zone in ZONES { option selected[zone == ask.zone_name] { (zone) } }
                    }
                }
                div.prefs {
                    div.field {
                        label for="theme" { "Colours" }
                        select id="theme" name="theme" data-submit {
                            @for theme in Theme::ALL {
                                option value=(theme.as_str()) selected[theme == ask.theme] { (theme.as_str()) }
                            }
                        }
                    }
                    button data-unscripted type="submit" { "Set" }
                }
            }
            div.who {
                span.strong { (ask.who.name) }
                span.soft { (ask.who.role) " · " (ask.remat().target().to_string()) }
            }
            (leave(ask))
        }
    }
}

/// Whoever came in with a token may leave.
fn leave(ask: &Ask) -> Markup {
    html! {
        @if ask.who.name != "local" {
            form method="post" action=(ask.link("/logout")) {
                button.btn-small type="submit" { "Log out" }
            }
        }
    }
}

fn same(same: &Same) -> Markup {
    let lines = [("Command", &same.command), ("API", &same.api), ("SQL", &same.sql)];
    if lines.iter().all(|(_, line)| line.is_none()) {
        return html! {};
    }
    html! {
        section.same aria-label="The same by other means" {
            dl {
                @for (word, line) in lines {
                    @if let Some(line) = line { dt { (word) } dd { code { (line) } } }
                }
            }
        }
    }
}
