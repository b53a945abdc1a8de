//! Parts that pages share: chips, times, names, tables.
//!
//! Law: whoever tells something by a colour tells it by a shape and a word, too.

use jiff::Timestamp;
use maud::{Markup, html};
use remat::{
    name::RelationName,
    run::{Run, Status},
    status::State,
};

use super::{
    ask::{Ask, escape},
    icon::{self, Icon},
};
use crate::render::text;

/// The word, the shape and the colour of a state.
pub(super) fn look_of(state: State) -> (&'static str, Icon, &'static str) {
    match state {
        State::Absent => ("absent", Icon::Absent, "bad"),
        State::Unpopulated => ("unpopulated", Icon::Empty, "bad"),
        State::Paused => ("paused", Icon::Paused, "rest"),
        State::Running => ("running", Icon::Running, "busy"),
        State::Failed => ("failed", Icon::Failed, "bad"),
        State::Stale => ("stale", Icon::Stale, "warn"),
        State::Fresh => ("fresh", Icon::Fresh, "good"),
        State::Ok => ("no target", Icon::Plain, "plain"),
    }
}

/// The word, the shape and the colour of a run's status.
pub(super) fn look_of_run(status: Status) -> (&'static str, Icon, &'static str) {
    match status {
        Status::Pending => ("pending", Icon::Waiting, "plain"),
        Status::Running => ("running", Icon::Running, "busy"),
        Status::Success => ("success", Icon::Fresh, "good"),
        Status::Failed => ("failed", Icon::Failed, "bad"),
        Status::Skipped => ("skipped", Icon::Skipped, "plain"),
        Status::Cancelled => ("cancelled", Icon::Plain, "warn"),
        Status::Unknown => ("unknown", Icon::Unknown, "warn"),
    }
}

pub(super) fn state(state: State) -> Markup {
    chip(look_of(state))
}

pub(super) fn status(status: Status) -> Markup {
    chip(look_of_run(status))
}

pub(super) fn chip((word, sign, tone): (&str, Icon, &str)) -> Markup {
    html! { span class={ "chip t-" (tone) } { (icon::of(sign)) (word) } }
}

/// An instant in the chosen zone, with its name.
pub(super) fn instant(ask: &Ask, at: Timestamp) -> String {
    at.to_zoned(ask.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// Only the time of day where it is today.
pub(super) fn clock(ask: &Ask, at: Timestamp) -> String {
    let (there, here) = (at.to_zoned(ask.zone.clone()), ask.now.to_zoned(ask.zone.clone()));
    let form = if there.date() == here.date() { "%H:%M:%S" } else { "%b %-d, %H:%M" };
    there.strftime(form).to_string()
}

/// How long ago, or in how long; the whole instant on top of it.
pub(super) fn ago(ask: &Ask, at: Timestamp) -> Markup {
    html! { time datetime=(at) data-rel="ago" title=(instant(ask, at)) { (relative(ask, at)) } }
}

fn relative(ask: &Ask, at: Timestamp) -> String {
    let seconds = ask.now.duration_since(at).as_secs_f64();
    if seconds < 0.0 { format!("in {}", text::age(-seconds)) } else { format!("{} ago", text::age(seconds)) }
}

/// For how long something goes on.
pub(super) fn since(ask: &Ask, at: Timestamp) -> Markup {
    let seconds = ask.now.duration_since(at).as_secs_f64();
    html! { time datetime=(at) data-rel="for" title=(instant(ask, at)) { (text::age(seconds)) } }
}

/// An instant in full, and how long ago it was.
pub(super) fn both(ask: &Ask, at: Timestamp) -> Markup {
    html! { time datetime=(at) { (instant(ask, at)) } " · " (ago(ask, at)) }
}

/// The path of a view's page, without the base.
pub(super) fn view_path(view: &RelationName) -> String {
    format!("/views/{}/{}", escape(view.schema.as_str()), escape(view.name.as_str()))
}

/// A view as a link.
pub(super) fn view_link(ask: &Ask, view: &RelationName) -> Markup {
    html! { a href=(ask.link(&view_path(view))) { (name(view)) } }
}

/// A name whose schema steps back.
pub(super) fn name(view: &RelationName) -> Markup {
    html! {
        @if view.schema.as_str() != "public" { span.soft { (text::clean(view.schema.as_str())) "." } }
        (text::clean(view.name.as_str()))
    }
}

/// A run as a link.
pub(super) fn run_link(ask: &Ask, run: i64) -> Markup {
    html! { a.ref href=(ask.link(&format!("/runs/{run}"))) { "run " (run) } }
}

/// What a run is about.
pub(super) fn subject(ask: &Ask, run: &Run) -> Markup {
    html! {
        @match (&run.view, &run.job) {
            (Some(view), _) => { a.ref href=(ask.link(&view_path(view))) { (name(view)) } }
            (None, Some(job)) => { "job " (text::clean(job)) }
            (None, None) => { span.soft { "-" } }
        }
    }
}

/// Text of the database in one line, cut to what fits.
pub(super) fn short(text: &str, most: usize) -> String {
    let cleaned = text::clean(text);
    match cleaned.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", cleaned[..at].trim_end()),
        None => cleaned,
    }
}

/// Text of the database as it is, save for what would turn or hide other text.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(|line| text::clean(&line.replace('\t', "    "))).collect::<Vec<_>>().join("\n")
}

/// A sentence of the library, in which what stands between backticks is something to type.
pub(super) fn prose(text: &str) -> Markup {
    let cleaned = lines(text);
    html! {
        @for (at, piece) in cleaned.split('`').enumerate() {
            @if at % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// A card with a heading.
pub(super) fn card(id: &str, title: &str, more: &Markup, body: &Markup) -> Markup {
    html! {
        section.card id=(id) aria-labelledby={ (id) "-title" } {
            header { h2 id={ (id) "-title" } { (title) } div.more { (more) } }
            div.body { (body) }
        }
    }
}

/// A card whose contents reach its edges.
pub(super) fn wide(id: &str, title: &str, more: &Markup, body: &Markup) -> Markup {
    html! {
        section.card id=(id) aria-labelledby={ (id) "-title" } {
            header { h2 id={ (id) "-title" } { (title) } div.more { (more) } }
            div.flush { (body) }
        }
    }
}

/// A sentence where a list would be.
pub(super) fn empty(sentence: &str) -> Markup {
    html! { p.empty { (icon::of(Icon::Fresh)) (sentence) } }
}

pub(super) fn nothing() -> Markup {
    html! { span.soft { "-" } }
}

/// A value that may be missing.
pub(super) fn maybe<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> Markup {
    html! { @match value { Some(value) => { (show(value)) } None => { (nothing()) } } }
}

/// Milliseconds.
pub(super) fn took(ms: Option<i64>) -> Markup {
    maybe(ms, text::millis)
}
