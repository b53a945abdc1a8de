//! Forms: each does one thing and leads back to a page.
//!
//! Law: nothing is changed by a GET. That a form was sent from a page of ours, the guard proves; who may send it, the
//! route says where it is mounted.

pub(super) mod alert;
pub(super) mod define;
pub(super) mod job;
pub(super) mod run;
pub(super) mod view;

use std::collections::BTreeMap;

use axum::{
    Form,
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use remat::schedule;

use super::ask::{Ask, THEME_COOKIE, Theme, ZONE_COOKIE};

/// What was typed into a form.
pub(super) type Typed = Form<BTreeMap<String, String>>;

/// A word of a form; none where it is empty.
pub(super) fn typed<'a>(form: &'a Typed, name: &str) -> Option<&'a str> {
    form.0.get(name).map(|word| word.trim()).filter(|word| !word.is_empty())
}

/// Back to a page of ours, with a word of what was done.
pub(super) fn back(ask: &Ask, path: &str, done: &str) -> Response<Body> {
    let mark = if path.contains('?') { '&' } else { '?' };
    to(&format!("{}{mark}done={done}", ask.link(path)))
}

fn to(place: &str) -> Response<Body> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// Keeps a zone and colours in the browser.
pub(super) async fn preferences(ask: Ask, form: Typed) -> Response<Body> {
    let place = typed(&form, "back")
        .filter(|place| is_ours(&ask, place))
        .map_or_else(|| ask.link("/"), str::to_owned);
    let mut response = to(&place);
    let path = if ask.web.base.is_empty() { "/" } else { &*ask.web.base };
    let mut keep = |name: &str, value: &str| {
        let cookie = format!("{name}={value}; Path={path}; Max-Age=31536000; SameSite=Lax; HttpOnly");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    };
    if let Some(zone) = typed(&form, "zone").filter(|zone| schedule::zone(zone).is_ok()) {
        keep(ZONE_COOKIE, zone);
    }
    if let Some(theme) =
        typed(&form, "theme").and_then(|word| Theme::ALL.into_iter().find(|theme| theme.as_str() == word))
    {
        keep(THEME_COOKIE, theme.as_str());
    }
    response
}

/// A path below our base: never another host, which `//host` would name.
fn is_ours(ask: &Ask, place: &str) -> bool {
    let below = place.strip_prefix(&*ask.web.base);
    below.is_some_and(|path| path.starts_with('/')) && !place.starts_with("//") && !place.contains('\\')
}
