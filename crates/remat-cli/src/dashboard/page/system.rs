//! The service itself: workers and their versions, queues, the schema, what the role may do, the server.

use axum::response::IntoResponse;
use maud::{Markup, html};
use remat::{
    error::Error,
    pg::standing::{Right, Standing},
    store::{
        backlog::Backlog,
        glance::Glance,
        lineage::{Kind, Node},
        workers::WorkerRow,
    },
    survey::Picture,
};

use super::{
    LIVE,
    overview::{counted, look_of},
};
use crate::{
    dashboard::{
        ask::{Ask, Page, Same},
        icon::{self, Icon},
        part,
    },
    render::text,
};

pub(in crate::dashboard) async fn show(ask: Ask) -> impl IntoResponse {
    ask.answer(draw(&ask).await)
}

async fn draw(ask: &Ask) -> Result<Page, Error> {
    let picture = ask.picture().await?;
    let oids: Vec<u32> = picture.views.iter().filter_map(|view| view.oid).collect();
    let (standing, rights) = ask.remat().standing(&oids).await?;
    let backlog = ask.remat().backlog().await?;
    let nodes = super::graph::seen(ask).await?;
    let body = html! {
        header.head { div { h1 { "System" } p.soft { "Who works, what waits, and what remat may do." } } }
        div id=(LIVE) data-live .stack {
            (part::wide("workers", "Workers", &html! {}, &workers(ask, &picture.workers)))
            div.cols {
                div.stack { (privileges(ask, &picture, &standing, &rights)) (orphans(ask, &picture, &nodes)) }
                div.stack { (server(ask, &standing, &picture)) (queues(&backlog)) }
            }
        }
    };
    let same =
        Same::new("remat workers · remat queue", "GET /api/v1/workers · /api/v1/queues · /api/v1/health");
    Ok(Page { title: "System".into(), place: "/system", body, same })
}

fn workers(ask: &Ask, workers: &[WorkerRow]) -> Markup {
    let ours = env!("CARGO_PKG_VERSION");
    html! {
        @if workers.is_empty() { p.empty { "No worker is entered. " code { "remat serve" } " or " code { "remat worker" } " makes one." } }
        @else { div.scroll tabindex="0" role="region" aria-label="Table of workers" {
            table.table.cards {
                caption.sr { "Workers" }
                thead { tr { th scope="col" { "Worker" } th scope="col" { "State" } th scope="col" { "Heard" } th scope="col" { "Since" } th scope="col" { "Version" } th scope="col" { "Back end" } th scope="col" { "Queues" } th.num scope="col" { "Slots" } th scope="col" { "At work" } } }
                tbody { @for worker in workers {
                    tr {
                        td.name { (part::short(&worker.name, 60)) }
                        td data-label="State" { (part::chip(look_of(worker))) }
                        td.nowrap data-label="Heard" { (text::age(worker.heartbeat_age_seconds)) " ago" }
                        td.nowrap data-label="Since" { (part::ago(ask, worker.started_at)) }
                        td data-label="Version" { (part::short(&worker.version, 20)) @if worker.version != ours { b.ink-warn { " not " (ours) } } }
                        td data-label="Back end" { (part::short(&worker.backend, 20)) }
                        td data-label="Queues" { @if worker.queues.is_empty() { "all" } @else { (part::short(&worker.queues.join(", "), 60)) } }
                        td.num data-label="Slots" { (worker.slots) }
                        td data-label="At work" {
                            @if worker.runs.is_empty() { span.soft { "nothing" } }
                            @for (at, run) in worker.runs.iter().take(5).enumerate() { @if at > 0 { ", " } (part::run_link(ask, run.id)) }
                        }
                    }
                } }
            }
        } }
    }
}

/// Whether the role may do what remat is for.
fn privileges(ask: &Ask, picture: &Picture, standing: &Standing, rights: &[Right]) -> Markup {
    let able = rights.iter().filter(|right| right.may_refresh).count();
    let name = |right: &Right| {
        picture.views.iter().find(|view| view.oid == Some(right.oid)).map(|view| view.view.clone())
    };
    let is_all = able == rights.len();
    let (tone, sign) = if is_all { ("good", Icon::Fresh) } else { ("bad", Icon::Failed) };
    let missing = if standing.version_number >= 170_000 {
        "MAINTAIN, or membership in the owner,"
    } else {
        "membership in the owner"
    };
    let body = html! {
        div.stack {
            div class={ "callout t-" (tone) } { (icon::of(sign)) div.says {
                b { "remat can refresh " (able) " of " (counted(rights.len(), "view")) }
                @if !is_all { span { "Missing is " (missing) " for the role " (part::short(&standing.role, 63)) ":" } }
            } }
            @if !is_all { ul { @for right in rights.iter().filter(|right| !right.may_refresh).take(50) {
                li.small { @if let Some(view) = name(right) { (part::view_link(ask, &view)) } ", owned by " (part::short(&right.owner, 63)) }
            } } }
            dl.kv {
                dt { "Role" } dd { (part::short(&standing.role, 63)) @if standing.is_superuser { b.ink-warn { " is a superuser; remat needs none" } } }
                dt { "Sees sessions" } dd { @if standing.sees_sessions { "of all roles" } @else { "of its own only: who holds up a refresh stays hidden without pg_read_all_stats" } }
                dt { "Cancels" } dd { @if standing.may_signal { "sessions of other roles, too" } @else { "its own sessions only" } }
            }
        }
    };
    part::card("privileges", "What remat may do", &html! {}, &body)
}

/// The newest minor release that this program knows of each major one, as of May 2026.
const MINORS: [(i32, i32); 5] = [(14, 23), (15, 18), (16, 14), (17, 10), (18, 4)];

fn server(ask: &Ask, standing: &Standing, picture: &Picture) -> Markup {
    let (major, minor) = (standing.version_number / 10_000, standing.version_number % 10_000);
    let newest = MINORS.iter().find(|(known, _)| *known == major).map(|(_, newest)| *newest);
    let behind = newest.filter(|newest| minor < *newest);
    let versions: Vec<&str> = picture.workers.iter().map(|worker| worker.version.as_str()).collect();
    let body = html! {
        dl.kv {
            dt { "PostgreSQL" } dd {
                (part::short(&standing.version, 80))
                @match (newest, behind) {
                    (_, Some(newest)) => { b.ink-warn { " behind: " (major) "." (newest) " mends what is known" } }
                    (Some(_), None) => { span.soft { ", no newer minor release is known to this program" } }
                    _ => {}
                }
            }
            dt { "Standby" } dd { @if standing.in_recovery { b.ink-bad { "yes: it cannot refresh" } } @else { "no" } }
            dt { "Database" } dd { (part::short(&ask.remat().target().to_string(), 200)) }
            dt { "Schema" } dd { "fits this program" }
            dt { "This program" } dd { "remat " (env!("CARGO_PKG_VERSION")) @if versions.iter().any(|version| *version != env!("CARGO_PKG_VERSION")) { b.ink-warn { "; other versions work beside it" } } }
            dt { "Clock" } dd { "the server's: " (part::instant(ask, picture.at)) @if apart(ask, picture) > 2.0 { b.ink-warn { "; this machine's is " (text::age(apart(ask, picture))) " apart" } } }
            dt { "Below" } dd { @if ask.web.base.is_empty() { "/" } @else { (ask.web.base) } }
        }
    };
    part::card("server", "Server and program", &html! {}, &body)
}

fn apart(ask: &Ask, picture: &Picture) -> f64 {
    ask.now.duration_since(picture.at).as_secs_f64().abs()
}

fn queues(backlog: &Backlog) -> Markup {
    let more = html! { @if let Some(most) = backlog.concurrency { "at most " (most) " at once in all" } };
    let body = html! {
        @if backlog.queues.is_empty() { (part::empty("Nothing waits and nothing works.")) }
        @else { div.scroll { table.table {
            caption.sr { "Queues" }
            thead { tr { th scope="col" { "Queue" } th.num scope="col" { "Due" } th.num scope="col" { "Later" } th.num scope="col" { "Waiting" } th.num scope="col" { "At work" } th.num scope="col" { "Limit" } } }
            tbody { @for queue in &backlog.queues {
                tr { td.name { (part::short(&queue.queue, 60)) } td.num { (queue.due) } td.num { (queue.later) } td.num { (queue.waiting) } td.num { (queue.running) } td.num { (part::maybe(queue.concurrency, |limit| limit.to_string())) } }
            } }
        } } }
    };
    part::wide("queues", "Queues", &more, &body)
}

/// What stands without a definition, and what is defined and does not stand.
fn orphans(ask: &Ask, picture: &Picture, nodes: &[Node]) -> Markup {
    let unmanaged: Vec<&Node> =
        nodes.iter().filter(|node| node.kind == Kind::Materialized && node.view_id.is_none()).collect();
    let missing: Vec<&Glance> = picture.views.iter().filter(|view| view.oid.is_none()).collect();
    let empty: Vec<&Glance> =
        picture.views.iter().filter(|view| view.state == remat::status::State::Unpopulated).collect();
    let body = html! {
        div.stack {
            @if unmanaged.is_empty() && missing.is_empty() && empty.is_empty() { p.soft { "None: every materialized view is managed, stands and is filled." } }
            @if !unmanaged.is_empty() {
                div.tight { h3 { "Materialized views that remat does not manage" } ul { @for node in unmanaged.iter().take(30) { li.small { (part::name(&node.name)) } } } @if unmanaged.len() > 30 { p.small.soft { "and " (unmanaged.len() - 30) " more" } } }
            }
            @if !missing.is_empty() { div.tight { h3 { "Defined, and nothing stands there" } ul { @for view in &missing { li.small { (part::view_link(ask, &view.view)) } } } } }
            @if !empty.is_empty() { div.tight { h3 { "Never filled" } ul { @for view in &empty { li.small { (part::view_link(ask, &view.view)) } } } } }
        }
    };
    part::card("orphans", "Orphans", &html! {}, &body)
}
