//! Causes in words, and what to do about them.

use maud::{Markup, html};
use remat::{
    access::Role,
    diagnosis::{Cause, Concern},
    name::RelationName,
};

use super::{ask::Ask, part};
use crate::render::text;

/// Why, in a sentence.
#[allow(clippy::too_many_lines, reason = "one arm for each cause")]
pub(super) fn sentence(ask: &Ask, cause: &Cause) -> Markup {
    html! {
        @match cause {
            Cause::AtWork { run, elapsed_seconds, usual_ms } => {
                "Being refreshed for " (text::age(*elapsed_seconds)) " by " (part::run_link(ask, *run))
                @if let Some(usual) = usual_ms { "; it usually takes " (text::millis(*usual)) }
                "."
            }
            Cause::WaitsForLock { run, pid, since_seconds } => {
                b { "Waiting for a lock" }
                @if let Some(pid) = pid { " held by pid " (pid) }
                " for " (text::age(*since_seconds)) " in " (part::run_link(ask, *run)) "."
            }
            Cause::Paused(pause) => {
                b { "Paused by " (text::clean(&pause.by)) }
                @if let Some(reason) = &pause.reason { ": “" (part::short(reason, 160)) "”" }
                @match pause.until {
                    Some(until) => { ", until " (part::instant(ask, until)) "." }
                    None => { ", until somebody resumes it." }
                }
            }
            Cause::NotCreated => { b { "Never created" } ", or dropped since: nothing stands under its name, and readers get an error." }
            Cause::NeverFilled => { b { "Never filled" } ": readers get an error until its first refresh." }
            Cause::UpstreamFailed { view, run, error } => {
                b { "A view that it reads failed" }
                @if let Some(view) = view { ": " (part::view_link(ask, view)) } ", "
                (part::run_link(ask, *run))
                @if let Some(error) = error { ": “" (part::short(error, 200)) "”" }
            }
            Cause::Failed { run, error, sqlstate, again_at } => {
                b { "Its last run failed" } ", " (part::run_link(ask, *run)) ": “"
                (part::short(error.as_deref().unwrap_or("the server gave no reason"), 240)) "”"
                @if let Some(code) = sqlstate { " " span.nowrap { "(SQLSTATE " (code) ")" } }
                @if let Some(at) = again_at { " It is tried again " (part::ago(ask, *at)) "." }
            }
            Cause::WaitsForUpstream { run, waits_for } => {
                (part::run_link(ask, *run)) " waits for what it reads: "
                @for (at, other) in waits_for.iter().take(5).enumerate() {
                    @if at > 0 { ", " } (part::run_link(ask, *other))
                }
                "."
            }
            Cause::NoWorker { run, queue } => {
                b { "No worker is heard of" }
                @if let Some(queue) = queue { " that serves the queue “" (part::short(queue, 60)) "”" }
                @match run {
                    Some(run) => { ", so " (part::run_link(ask, *run)) " waits." }
                    None => { ", so nothing is refreshed: the daemon is down." }
                }
            }
            Cause::Queued { run, since, due_at } => {
                @if *due_at > ask.now { (part::run_link(ask, *run)) " falls due " (part::ago(ask, *due_at)) "." }
                @else { (part::run_link(ask, *run)) " waits for a free worker since " (part::since(ask, *since)) "." }
            }
            Cause::SchedulerStalled => { b { "The scheduler does not tick" } ", so nothing falls due." }
            Cause::RarerThanTarget { every_seconds, next } => {
                b { "Its schedule is rarer than its target" } ": it fires every " (age_of(*every_seconds))
                @if let Some(next) = next { ", next " (part::ago(ask, *next)) }
                "."
            }
            Cause::NextFire { next } => {
                "Its schedule has not come round since"
                @if let Some(next) = next { "; it fires next " (part::ago(ask, *next)) }
                "."
            }
            Cause::NotAskedFor => { b { "No refresh was asked for" } ": its target falls due by itself with the next tick of the scheduler." }
        }
    }
}

/// Who else has the same cause.
pub(super) fn others(ask: &Ask, concern: &Concern) -> Markup {
    const TOLD: usize = 4;
    let more = concern.others.len().saturating_sub(TOLD);
    html! {
        @if !concern.others.is_empty() {
            span.small { "The same holds up "
                @for (at, other) in concern.others.iter().take(TOLD).enumerate() {
                    @if at > 0 { ", " } (part::view_link(ask, other))
                }
                @if more > 0 { " and " (more) " more" }
                "."
            }
        }
    }
}

/// What to do, as a button or a link; by role.
pub(super) fn action(ask: &Ask, view: &RelationName, cause: &Cause) -> Markup {
    let operates = ask.may(Role::Operator);
    html! {
        @match cause {
            Cause::Failed { run, .. } => {
                a.btn.btn-small href=(ask.link(&format!("/runs/{run}"))) { "Why" }
                @if operates { (post(ask, view, "refresh", "Try again")) }
            }
            Cause::UpstreamFailed { run, .. } | Cause::WaitsForLock { run, .. } => {
                a.btn.btn-small href=(ask.link(&format!("/runs/{run}"))) { "Look" }
            }
            Cause::Paused(_) if operates => { (post(ask, view, "resume", "Resume")) }
            Cause::NotCreated if operates => { (post(ask, view, "create", "Create")) }
            Cause::NoWorker { .. } | Cause::SchedulerStalled => {
                a.btn.btn-small href=(ask.link("/system")) { "Workers" }
            }
            Cause::AtWork { run, .. } | Cause::Queued { run, .. } | Cause::WaitsForUpstream { run, .. } => {
                a.btn.btn-small href=(ask.link(&format!("/runs/{run}"))) { "Watch" }
            }
            Cause::NeverFilled | Cause::RarerThanTarget { .. } | Cause::NextFire { .. } | Cause::NotAskedFor
                if operates => { (post(ask, view, "refresh", "Refresh now")) }
            _ => {}
        }
    }
}

/// A button that does one thing to a view.
pub(super) fn post(ask: &Ask, view: &RelationName, act: &str, word: &str) -> Markup {
    html! {
        form method="post" action=(ask.link(&format!("{}/{act}", part::view_path(view)))) {
            button.btn-small type="submit" aria-label={ (word) ": " (text::name(view)) } { (word) }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "rhythms are far below the limits of a float")]
pub(super) fn age_of(seconds: i64) -> String {
    text::age(seconds as f64)
}
