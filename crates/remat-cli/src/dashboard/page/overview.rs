//! The overview: one sentence of health, what to look at first, what is at work, what failed, who works.

use axum::response::IntoResponse;
use maud::{Markup, html};
use remat::{
    diagnosis::{Concern, Health},
    error::Error,
    run::Run,
    status::State,
    store::{live::LiveRun, workers::WorkerRow},
    survey::Picture,
};

use super::LIVE;
use crate::{
    dashboard::{
        ask::{Ask, Page, Same},
        chart,
        icon::{self, Icon},
        part, why,
    },
    render::text,
};

/// How many concerns are told.
const CONCERNS: usize = 8;
const FAILURES: usize = 6;

pub(in crate::dashboard) async fn show(ask: Ask) -> impl IntoResponse {
    ask.answer(draw(&ask).await)
}

async fn draw(ask: &Ask) -> Result<Page, Error> {
    let picture = ask.picture().await?;
    let failures = ask.remat().last_failures(&ask.who.scope, FAILURES).await?;
    let alerts = super::alerts::card(ask).await?;
    let health = picture.health();
    let body = html! {
        div id=(LIVE) data-live .stack {
            (hero(ask, &health, &picture))
            @if !health.concerns.is_empty() { (first(ask, &health)) }
            div.cols {
                div.stack {
                    (at_work(ask, &picture.around.live))
                    (last_failures(ask, &failures))
                }
                div.stack {
                    (alerts)
                    (next(ask, &picture))
                    (workers(ask, &picture.workers))
                }
            }
        }
    };
    let same =
        Same::new("remat status · remat check", "GET /api/v1/views").sql("select * from remat.status()");
    Ok(Page { title: "Overview".into(), place: "/", body, same })
}

/// The sentence, and its tone.
fn sentence(health: &Health) -> (String, &'static str, Icon) {
    let count =
        |state: State| health.states.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
    let views = counted(health.views, "view");
    if health.views == 0 {
        return ("No view is defined yet.".into(), "plain", Icon::Plain);
    }
    let mut parts = Vec::new();
    let broken = count(State::Absent) + count(State::Unpopulated);
    if health.late > 0 {
        let worst = health.worst.as_ref().map_or_else(String::new, |(view, over)| {
            format!(", worst {} {} over target", text::name(view), text::age(*over))
        });
        parts.push(format!("{} of {views} stale{worst}", health.late));
    }
    if count(State::Failed) > 0 {
        let first = health.concerns.iter().find(|concern| concern.state == State::Failed);
        let name = first.map_or_else(String::new, |concern| text::name(&concern.view));
        let which = if count(State::Failed) == 1 { format!(": {name}") } else { format!(", first {name}") };
        parts.push(format!("{} of {views} failed{which}", count(State::Failed)));
    }
    if broken > 0 {
        parts.push(format!("{} cannot be read", counted(broken, "view")));
    }
    if parts.is_empty() {
        let all = if health.views == 1 { "The view is".to_owned() } else { format!("All {views} are") };
        return (format!("{all} as fresh as wanted."), "good", Icon::Fresh);
    }
    let is_bad = broken + count(State::Failed) > 0;
    let (tone, sign) = if is_bad { ("bad", Icon::Failed) } else { ("warn", Icon::Stale) };
    (format!("{}.", parts.join("; ")), tone, sign)
}

fn hero(ask: &Ask, health: &Health, picture: &Picture) -> Markup {
    let (sentence, tone, sign) = sentence(health);
    let mut states = health.states.clone();
    states.sort_by_key(|(state, _)| super::views::rank(*state));
    let look = |(state, count): &(State, usize)| (*count, part::look_of(*state).2, part::look_of(*state).0);
    let parts: Vec<chart::bar::Part> = states.iter().map(look).collect();
    html! {
        section.card.hero aria-label="Health" {
            div class={ "glyph t-" (tone) } { (icon::of(sign)) }
            h1 aria-live="polite" id="health" { (sentence) }
            p {
                (pulse(ask, picture)) " As of " time datetime=(picture.at) { (part::clock(ask, picture.at)) } " " (ask.zone_name) "."
            }
            @if !parts.is_empty() {
                div.meterbar {
                    (chart::bar::parts(&parts))
                    div.legend {
                        @for (state, count) in states {
                            @let (word, _, tone) = part::look_of(state);
                            a href=(ask.link(&format!("/views?state={}", state.as_str()))) {
                                svg viewBox="0 0 10 10" aria-hidden="true" { rect class={ "f-" (tone) } width="10" height="10" rx="3" {} }
                                b { (count) } " " (word)
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether anybody is there to do the work.
fn pulse(ask: &Ask, picture: &Picture) -> Markup {
    let stalled = ask.web.health.stalled();
    let heard = picture.heard_of();
    html! {
        @match picture.ticked_seconds {
            Some(seconds) if picture.around.has_scheduler => { "The scheduler ticked " (text::age(seconds)) " ago" }
            Some(seconds) => { b.ink-bad { "No scheduler has ticked for " (text::age(seconds)) } }
            None => { b.ink-bad { "No scheduler has ever ticked" } }
        }
        "; "
        @match heard {
            0 => { b.ink-bad { "no worker is heard of" } }
            _ => { (counted(heard, "worker")) (if heard == 1 { " is" } else { " are" }) " heard of" }
        }
        "."
        @if !stalled.is_empty() { " " b.ink-bad { "Stalled in this daemon: " (stalled.join(", ")) "." } }
    }
}

fn first(ask: &Ask, health: &Health) -> Markup {
    let more = health.concerns.len().saturating_sub(CONCERNS);
    let rest = html! { @if more > 0 { a href=(ask.link("/views?sort=state")) { (more) " more" } } };
    let body = html! {
        ul.list { @for concern in health.concerns.iter().take(CONCERNS) { (one(ask, concern)) } }
    };
    part::wide("first", "Look at first", &rest, &body)
}

fn one(ask: &Ask, concern: &Concern) -> Markup {
    html! {
        li.concern {
            div.what {
                (part::state(concern.state))
                span.strong { (part::view_link(ask, &concern.view)) }
                @if let Some(over) = concern.over_seconds { span.small.soft { (text::age(over)) " over target" } }
            }
            div.why { (why::sentence(ask, &concern.cause)) " " (why::others(ask, concern)) }
            div.acts { (why::action(ask, &concern.view, &concern.cause)) }
        }
    }
}

fn at_work(ask: &Ask, live: &[LiveRun]) -> Markup {
    let more = html! { a href=(ask.link("/runs?status=running")) { "Runs" } };
    let body = html! {
        @if live.is_empty() { (part::empty("Nothing is at work.")) }
        @else { ul.list { @for run in live.iter().take(12) { (super::run::live_line(ask, run)) } } }
    };
    part::wide("at-work", "At work", &more, &body)
}

fn last_failures(ask: &Ask, failures: &[Run]) -> Markup {
    let more = html! { a href=(ask.link("/runs?status=failed")) { "All failures" } };
    let body = html! {
        @if failures.is_empty() { (part::empty("No run that is kept has failed.")) }
        @else {
            ul.list {
                @for run in failures {
                    li.tight {
                        div.row {
                            (part::status(run.status)) span.strong { (part::subject(ask, run)) }
                            span.small.push { (part::run_link(ask, run.id)) ", " @if let Some(at) = run.finished_at { (part::ago(ask, at)) } }
                        }
                        @if let Some(error) = &run.error { p.soft.small.clamp { (part::short(&error.primary, 300)) } }
                    }
                }
            }
        }
    };
    part::wide("failures", "Last failures", &more, &body)
}

/// What the views' own schedules ask for next.
fn next(ask: &Ask, picture: &Picture) -> Markup {
    let mut due: Vec<_> = picture
        .views
        .iter()
        .filter(|view| view.pause.is_none())
        .filter_map(|view| Some((super::views::next_fire(view, picture.at)?, view)))
        .collect();
    due.sort_by_key(|(at, _)| *at);
    let more = html! { a href=(ask.link("/schedule")) { "Schedule" } };
    let body = html! {
        @if due.is_empty() { (part::empty("No view has a schedule or a target of its own.")) }
        @else {
            ul.list {
                @for (at, view) in due.iter().take(6) {
                    li.row {
                        span.clip { (part::view_link(ask, &view.view)) }
                        span.push.small.nowrap { (part::clock(ask, *at)) " · " (part::ago(ask, *at)) }
                    }
                }
            }
        }
    };
    part::wide("next", "Next to fire", &more, &body)
}

fn workers(ask: &Ask, workers: &[WorkerRow]) -> Markup {
    let more = html! { a href=(ask.link("/system")) { "System" } };
    let body = html! {
        @if workers.is_empty() {
            p.empty { "No worker is entered. " code { "remat serve" } " or " code { "remat worker" } " makes one." }
        } @else {
            ul.list {
                @for worker in workers.iter().take(8) {
                    li.row {
                        (part::chip(look_of(worker)))
                        span.strong.clip { (text::clean(&worker.name)) }
                        span.small.soft.push { (worker.runs.len()) " of " (worker.slots) " slots · heard " (text::age(worker.heartbeat_age_seconds)) " ago" }
                    }
                }
            }
        }
    };
    part::wide("workers", "Workers", &more, &body)
}

/// How a worker stands.
pub(in crate::dashboard) fn look_of(worker: &WorkerRow) -> (&'static str, Icon, &'static str) {
    match worker.state.as_str() {
        _ if worker.heartbeat_age_seconds > 15.0 => ("silent", Icon::Unknown, "bad"),
        "draining" => ("draining", Icon::Paused, "warn"),
        "polling" => ("polling", Icon::Waiting, "warn"),
        _ => ("running", Icon::Fresh, "good"),
    }
}

/// A number with its noun.
pub(in crate::dashboard) fn counted(number: usize, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        text::count(i64::try_from(number).unwrap_or(i64::MAX)),
        if number == 1 { "" } else { "s" }
    )
}
