//! One run: how far it is and who holds it up, or how it went, why it failed and what to do.

use axum::{extract::Path, response::IntoResponse};
use maud::{Markup, html};
use remat::{
    access::Role,
    error::{Complaint, Error, ErrorKind},
    failure::{FailureKind, Remedy},
    run::{Run, Status},
    store::live::{Blocking, LiveRun, Stage},
    view::View,
};
use serde_json::Value;

use super::LIVE;
use crate::{
    dashboard::{
        ask::{Ask, Page, Same},
        chart,
        icon::{self, Icon},
        part,
    },
    render::text,
};

pub(in crate::dashboard) async fn show(ask: Ask, Path(id): Path<String>) -> impl IntoResponse {
    ask.answer(draw(&ask, &id).await)
}

async fn draw(ask: &Ask, id: &str) -> Result<Page, Error> {
    let unknown = || Error::new(ErrorKind::NotFound, format!("\"{}\" is no run", part::short(id, 40)));
    let id: i64 = id.parse().map_err(|_| unknown())?;
    let run = ask.run(id).await?;
    let live = ask.remat().live().await?.into_iter().find(|live| live.id == id);
    let blocking = match &live {
        Some(live) => ask.remat().blocking(live).await?,
        None => Vec::new(),
    };
    let view = match &run.view {
        Some(name) => ask.remat().view(name).await.ok(),
        None => None,
    };
    let body = html! {
        div id=(LIVE) data-live[!run.status.is_final()] .stack {
            (head(ask, &run))
            @if let Some(live) = &live { (at_work(ask, live, &blocking)) }
            @else if run.status == Status::Pending { (waits(ask, &run)) }
            @if let Some(error) = &run.error { (failed(ask, &run, error)) }
            div.cols {
                (facts(ask, &run))
                div.stack { (phases(&run)) (related(ask, &run)) }
            }
            @if let Some(view) = &view { (sql(view)) }
            (raw(&run))
        }
    };
    let same = Same::new(format!("remat run {id}"), format!("GET /api/v1/runs/{id}"))
        .sql(format!("select * from remat.runs where id = {id}"));
    Ok(Page { title: format!("Run {id}"), place: "/runs", body, same })
}

fn head(ask: &Ask, run: &Run) -> Markup {
    html! {
        header.head {
            div {
                nav aria-label="Breadcrumb" { ol.crumbs { li { a href=(ask.link("/runs")) { "Runs" } } li { (run.id) } } }
                div.title { h1 { (run.operation) " " (part::subject(ask, run)) } (part::status(run.status)) }
                p.soft {
                    "Asked for by " (asked_by(run)) " " (part::ago(ask, run.queued_at))
                    @if run.attempt > 1 { ", attempt " (run.attempt) }
                    "."
                }
            }
            div.acts { (cancel(ask, run)) }
        }
    }
}

fn asked_by(run: &Run) -> String {
    match &run.job {
        Some(job) => format!("the scheduled job {}", part::short(job, 80)),
        None => run.trigger.to_string(),
    }
}

/// Cancels the run, where it can be and somebody may.
pub(in crate::dashboard) fn cancel(ask: &Ask, run: &Run) -> Markup {
    html! {
        @if !run.status.is_final() && ask.may(Role::Operator) {
            form method="post" action=(ask.link(&format!("/runs/{}/cancel", run.id))) {
                button.btn-bad type="submit" { "Cancel this run" }
            }
        }
    }
}

const STAGES: [(Stage, &str); 6] = [
    (Stage::Begin, "begin"),
    (Stage::Lock, "lock"),
    (Stage::Work, "work"),
    (Stage::Index, "indexes"),
    (Stage::Commit, "commit"),
    (Stage::Vacuum, "vacuum"),
];

/// Where it stands among the stages.
fn stages(now: Stage) -> Markup {
    html! {
        ol.steps aria-label="Stages" {
            li.past { (icon::of(Icon::Fresh)) "queued" }
            @for (stage, word) in STAGES {
                li class=[(stage < now).then_some("past")] aria-current=[(stage == now).then_some("step")] {
                    @if stage == now { (icon::of(Icon::Running)) } @else if stage < now { (icon::of(Icon::Fresh)) } @else { (icon::of(Icon::Waiting)) }
                    (word)
                }
            }
        }
    }
}

fn progress(live: &LiveRun) -> Markup {
    let elapsed = live.elapsed_seconds * 1000.0;
    let counted = live.progress.as_ref().and_then(|progress| progress.done.zip(progress.total));
    html! {
        @match (counted, live.p50_ms, live.p95_ms) {
            (Some((done, total)), ..) => { (chart::bar::done(done, total)) }
            (None, Some(p50), Some(p95)) => { (chart::bar::elapsed(elapsed, p50, p95)) }
            _ => {}
        }
    }
}

/// One run at work in a list.
pub(in crate::dashboard) fn live_line(ask: &Ask, live: &LiveRun) -> Markup {
    let word = STAGES.iter().find(|(stage, _)| *stage == live.stage()).map_or("work", |(_, word)| *word);
    html! {
        li.tight {
            div.row {
                (part::status(live.status))
                span.strong {
                    @match (&live.view, &live.job) {
                        (Some(view), _) => { (part::view_link(ask, view)) }
                        (None, Some(job)) => { "job " (part::short(job, 60)) }
                        _ => { (live.operation) }
                    }
                }
                span.small.push.nowrap {
                    (part::run_link(ask, live.id)) " · " (word) " · "
                    @match live.started_at { Some(at) => { (part::since(ask, at)) } None => { (text::age(live.elapsed_seconds)) } }
                    @if let Some(usual) = live.p50_ms { span.soft { " of usually " (text::millis(usual)) } }
                }
            }
            (progress(live))
            @if !live.blockers.is_empty() {
                p.small.ink-warn { "waits for a lock held by " @for (at, pid) in live.blockers.iter().enumerate() { @if at > 0 { ", " } "pid " (pid) } }
            }
        }
    }
}

fn at_work(ask: &Ask, live: &LiveRun, blocking: &[Blocking]) -> Markup {
    let holds = blocking.iter().any(|other| other.depth > 0);
    let held = blocking.iter().any(|other| other.depth < 0);
    let body = html! {
        div.stack {
            (stages(live.stage()))
            (progress(live))
            p {
                "At work for " @match live.started_at { Some(at) => { b { (part::since(ask, at)) } } None => {} }
                @if let (Some(p50), Some(p95)) = (live.p50_ms, live.p95_ms) {
                    "; half of the last refreshes took at most " (text::millis(p50)) ", 95 of 100 at most " (text::millis(p95))
                }
                "."
                @if let Some(progress) = &live.progress { " The server says: " (part::short(&progress.phase, 80)) "." }
                @if live.is_cancel_asked { b.ink-warn { " It is asked to stop." } }
            }
            @if let Some(pid) = live.pid {
                p.soft.small { "Session pid " (pid)
                    @if let Some((kind, name)) = &live.wait { ", waits for " (part::short(kind, 40)) " " (part::short(name, 60)) }
                    @if let Some(worker) = &live.worker { ", worker " (part::short(worker, 80)) }
                }
            }
            @if holds { div.stack { h3 { "Who holds it up" } (tree(ask, blocking, live.pid.unwrap_or_default(), 1)) } }
            @if held { div.stack { h3 { "Whom it holds up" } (held_up(ask, blocking)) } }
            @if let Some(query) = &live.query {
                details.fold { summary { "What its session does" } pre { code { (part::lines(query)) } } }
            }
        }
    };
    part::card("at-work", "At work", &html! {}, &body)
}

/// Those that hold up a session, and those that hold them up.
fn tree(ask: &Ask, blocking: &[Blocking], of_pid: i32, depth: i32) -> Markup {
    html! {
        div.tree { ul {
            @for other in blocking.iter().filter(|other| other.of_pid == of_pid && other.depth == depth) {
                li {
                    (session(ask, other))
                    @if depth < 5 && blocking.iter().any(|next| next.of_pid == other.pid && next.depth == depth + 1) {
                        (tree(ask, blocking, other.pid, depth + 1))
                    }
                }
            }
        } }
    }
}

fn held_up(ask: &Ask, blocking: &[Blocking]) -> Markup {
    html! { div.tree { ul { @for other in blocking.iter().filter(|other| other.depth < 0) { li { (session(ask, other)) } } } } }
}

fn session(ask: &Ask, other: &Blocking) -> Markup {
    let word = |text: &Option<String>, most| {
        text.as_deref().filter(|text| !text.is_empty()).map(|text| part::short(text, most))
    };
    html! {
        div.tight {
            span {
                b { "pid " (other.pid) }
                @if let Some(role) = word(&other.role, 63) { ", role " (role) }
                @if let Some(application) = word(&other.application, 63) { ", " (application) }
                @if let Some(address) = word(&other.address, 63) { ", from " (address) }
                @if let Some(state) = word(&other.state, 40) { ", " (state) }
                @if let Some(seconds) = other.since_seconds { " for " (text::age(seconds)) }
            }
            @if let Some(query) = word(&other.query, 300).filter(|_| ask.who.scope.is_all()) { code.soft.clamp { (query) } }
        }
    }
}

fn waits(ask: &Ask, run: &Run) -> Markup {
    html! {
        div.callout.t-plain {
            (icon::of(Icon::Waiting))
            div.says {
                b { "It waits for a worker" }
                span { "In the queue " (part::short(&run.queue, 60)) ", due " (part::ago(ask, run.due_at)) "." }
            }
        }
    }
}

fn failed(ask: &Ask, run: &Run, error: &Complaint) -> Markup {
    let code = error.sqlstate.as_deref().unwrap_or_default();
    let kind = FailureKind::from_sqlstate(code, &error.primary);
    let advice = match kind.remedy() {
        Remedy::RetryLock => {
            "Nothing, if it is tried again: a lock was not granted in time. See who held it, or raise the budget for locks."
        }
        Remedy::RetryWork => {
            "Nothing, if it is tried again: the server or the connection was the cause, and the work was rolled back."
        }
        Remedy::Operator(advice) | Remedy::Definition(advice) => advice,
        Remedy::Nothing => "Read the message and its detail; nothing was changed by this run.",
    };
    let body = html! {
        div.stack {
            p.strong.ink-bad { (part::lines(&error.primary)) }
            dl.kv {
                @if let Some(code) = &error.sqlstate { dt { "SQLSTATE" } dd { code { (part::short(code, 10)) } } }
                @if let Some(detail) = &error.detail { dt { "Detail" } dd { (part::lines(detail)) } }
                @if let Some(hint) = &error.hint { dt { "Hint" } dd { (part::prose(hint)) } }
                dt { "What to do" } dd { (part::prose(advice)) }
                @if let Some(next) = run.retried_by() { dt { "Tried again" } dd { (part::run_link(ask, next)) } }
            }
        }
    };
    part::card("error", "Why it failed", &html! {}, &body)
}

fn facts(ask: &Ask, run: &Run) -> Markup {
    let instant =
        |at| html! { @match at { Some(at) => { (part::both(ask, at)) } None => { (part::nothing()) } } };
    let rows = run.rows_inserted.zip(run.rows_updated).zip(run.rows_deleted);
    let body = html! {
        dl.kv {
            dt { "Data as of" } dd { (instant(run.data_as_of)) }
            dt { "Asked for" } dd { (part::both(ask, run.queued_at)) }
            dt { "Started" } dd { (instant(run.started_at)) }
            dt { "Finished" } dd { (instant(run.finished_at)) }
            dt { "Took" } dd {
                (part::took(run.duration_ms))
                @if let Some(lock) = run.lock_wait_ms { span.soft { ", of which " (text::millis(lock)) " waiting for locks" } }
            }
            dt { "Strategy" } dd { (part::maybe(run.strategy.as_deref(), |strategy| part::short(strategy, 40))) }
            @if let Some(reason) = &run.reason { dt { "Because" } dd { (super::runs::skip_in_words(reason)) } }
            dt { "Rows" } dd { (part::maybe(run.rows_before, text::count)) " before, " (part::maybe(run.rows_after, text::count)) " after" }
            @if let Some(((inserted, updated), deleted)) = rows {
                dt { "Changed" } dd {
                    @if inserted + updated + deleted == 0 { "nothing" }
                    @else { (text::count(inserted)) " inserted, " (text::count(updated)) " updated, " (text::count(deleted)) " deleted" }
                }
            }
            dt { "Size" } dd { (part::maybe(run.bytes, text::bytes)) }
            dt { "Queue" } dd { (part::short(&run.queue, 60)) ", priority " (run.priority) ", by " (part::short(&run.backend, 30)) }
            dt { "Worker" } dd { (part::maybe(run.worker.as_deref(), |worker| part::short(worker, 80))) }
        }
    };
    part::card("facts", "Facts", &html! {}, &body)
}

fn phases(run: &Run) -> Markup {
    let phases: Vec<(String, f64)> = match run.meta.get("phases_ms") {
        Some(Value::Object(phases)) => {
            phases.iter().filter_map(|(name, ms)| Some((name.clone(), ms.as_f64()?))).collect()
        }
        _ => Vec::new(),
    };
    let stages = run.meta.get("stages").and_then(Value::as_array).cloned().unwrap_or_default();
    let most = phases.iter().map(|(_, ms)| *ms).fold(0.0, f64::max);
    let body = html! {
        @if phases.is_empty() { p.soft { "No phase was timed." } }
        @else { dl.kv {
            @for (name, ms) in &phases {
                dt { (part::short(name, 30)) }
                dd { div.tight { span { (chart::heat::millis(*ms)) } (chart::bar::done(whole(*ms), whole(most.max(1.0)))) } }
            }
        } }
        @if !stages.is_empty() {
            details.fold { summary { "Stages of the plan" }
                ol.list { @for stage in &stages {
                    li.row { span { (part::short(stage["title"].as_str().unwrap_or_default(), 120)) } span.tag { (part::short(stage["technique"].as_str().unwrap_or_default(), 40)) }
                        span.push.small { (chart::heat::millis(stage["ms"].as_f64().unwrap_or_default())) } }
                } }
            }
        }
    };
    part::card("phases", "Phases", &html! {}, &body)
}

/// In thousandths, so that short phases keep their share.
#[allow(clippy::cast_possible_truncation, reason = "durations are far below the limits of an integer")]
fn whole(ms: f64) -> i64 {
    (ms * 1000.0) as i64
}

fn related(ask: &Ask, run: &Run) -> Markup {
    let others = [
        ("Attempt before", run.retry_of),
        ("Attempt after", run.retried_by()),
        ("Done by", run.coalesced_into()),
        ("Root cause", run.root_cause()),
    ];
    let notes: Vec<&str> = run
        .meta
        .get("notes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if others.iter().all(|(_, other)| other.is_none()) && notes.is_empty() {
        return html! {};
    }
    let body = html! {
        dl.kv { @for (word, other) in others { @if let Some(other) = other { dt { (word) } dd { (part::run_link(ask, other)) } } } }
        @if !notes.is_empty() { ul.stack { @for note in notes { li.small { (part::lines(note)) } } } }
    };
    part::card("related", "Beside it", &html! {}, &body)
}

fn sql(view: &View) -> Markup {
    let body = html! { details.fold { summary { "The query, as it is defined now" } pre { code { (part::lines(&view.definition.query)) } } } };
    part::card("sql", "SQL", &html! {}, &body)
}

fn raw(run: &Run) -> Markup {
    let text = serde_json::to_string_pretty(&run.meta).unwrap_or_default();
    html! {
        details.fold { summary { "Everything else that the run kept" } pre { code { (part::lines(&text)) } } }
    }
}
