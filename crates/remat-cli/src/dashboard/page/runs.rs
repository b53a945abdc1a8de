//! Runs, the newest first. What is looked for stands in the URL.

use axum::response::IntoResponse;
use maud::{Markup, html};
use remat::{
    error::Error,
    name::RelationName,
    run::{Operation, Run, Status, Trigger},
    store::search::Search,
};

use super::{LIVE, views::select};
use crate::{
    dashboard::{
        ask::{Ask, Page, Same},
        part,
    },
    render::text,
};

const ON_A_PAGE: usize = 50;

pub(in crate::dashboard) async fn show(ask: Ask) -> impl IntoResponse {
    ask.answer(draw(&ask).await)
}

async fn draw(ask: &Ask) -> Result<Page, Error> {
    let search = searched(ask).await?;
    let found = ask.remat().search_runs(&search).await?;
    let body = html! {
        header.head { div { h1 { "Runs" } p.soft { "Every attempt at a view or a job, the newest first." } } }
        section.card aria-label="Runs" {
            (filters(ask))
            div id=(LIVE) data-live[ask.word("before").is_none()] {
                @if found.runs.is_empty() {
                    p.empty {
                        @if found.next.is_some() { "None among the newest 20,000; older ones may match." } @else { "No run matches." }
                    }
                } @else { div.scroll tabindex="0" role="region" aria-label="Table of runs" { (table(ask, &found.runs)) } }
                div.pager {
                    a href=(ask.link("/api/v1/runs")) { "JSON" }
                    nav.acts aria-label="Pages of the list" {
                        @if ask.word("before").is_some() { a.btn.btn-small href=(ask.with(&[("before", "")])) { "Newest" } }
                        @if let Some(next) = found.next { a.btn.btn-small rel="next" href=(ask.with(&[("before", &next.to_string())])) { "Older" } }
                    }
                }
            }
        }
    };
    Ok(Page { title: "Runs".into(), place: "/runs", body, same: Same::new("remat runs", "GET /api/v1/runs") })
}

async fn searched(ask: &Ask) -> Result<Search, Error> {
    let view_id = match ask.word("view") {
        Some(name) => Some(match RelationName::parse(name, "public") {
            Ok(name) => ask.picture().await?.view(&name).map_or(0, |view| view.id),
            Err(_) => 0,
        }),
        None => None,
    };
    Ok(Search {
        view_id,
        schemas: ask.who.scope.schemas().map(<[String]>::to_vec),
        status: ask.word("status").and_then(|word| word.parse().ok()),
        operation: ask.word("operation").and_then(|word| word.parse().ok()),
        trigger: ask.word("trigger").and_then(|word| word.parse().ok()),
        job: ask.word("job").map(str::to_owned),
        queue: ask.word("queue").map(str::to_owned),
        before: ask.word("before").and_then(|word| word.parse().ok()),
        limit: ON_A_PAGE,
    })
}

fn filters(ask: &Ask) -> Markup {
    let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let operations: Vec<&str> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
    let triggers: Vec<&str> = Trigger::ALL.iter().map(|trigger| trigger.as_str()).collect();
    let field = |name: &str, label: &str, hint: &str| {
        html! {
            div.field {
                label for=(name) { (label) }
                input id=(name) name=(name) value=(ask.word(name).unwrap_or_default()) placeholder=(hint);
            }
        }
    };
    html! {
        form.filters method="get" action=(ask.link("/runs")) role="search" {
            div.field.wide {
                label for="view" { "View" }
                input id="view" type="search" name="view" value=(ask.word("view").unwrap_or_default()) placeholder="schema.name";
            }
            (select(ask, "status", "Status", &statuses))
            (select(ask, "operation", "Operation", &operations))
            (select(ask, "trigger", "Asked for by", &triggers))
            (field("job", "Job", "name"))
            (field("queue", "Queue", "name"))
            button type="submit" { "Show" }
            a.btn.btn-quiet href=(ask.link("/runs")) { "Clear" }
        }
    }
}

/// A table of runs.
pub(in crate::dashboard) fn table(ask: &Ask, runs: &[Run]) -> Markup {
    html! {
        table.table.cards {
            caption.sr { "Runs" }
            thead { tr {
                th scope="col" { "Run" }
                th scope="col" { "Status" }
                th scope="col" { "What" }
                th scope="col" { "By" }
                th scope="col" { "Strategy" }
                th scope="col" { "Ended" }
                th.num scope="col" { "Took" }
                th.num scope="col" { "Rows changed" }
                th scope="col" { "Why" }
            } }
            tbody { @for run in runs { (row(ask, run)) } }
        }
    }
}

fn row(ask: &Ask, run: &Run) -> Markup {
    let changed = run.rows_inserted.zip(run.rows_updated).zip(run.rows_deleted);
    let ended = run.finished_at.or(run.started_at).unwrap_or(run.queued_at);
    html! {
        tr {
            td.name { a href=(ask.link(&format!("/runs/{}", run.id))) { (run.id) } }
            td data-label="Status" { (part::status(run.status)) }
            td data-label="What" { span { (run.operation) " " (part::subject(ask, run)) } }
            td data-label="By" { (run.trigger) }
            td data-label="Strategy" { (part::maybe(run.strategy.as_deref(), |strategy| part::short(strategy, 20))) }
            td.nowrap data-label="Ended" { (part::ago(ask, ended)) }
            td.num data-label="Took" { (part::took(run.duration_ms)) }
            td.num data-label="Changed" { (part::maybe(changed, |((i, u), d)| text::count(i + u + d))) }
            td.say data-label="Why" { (said(run)) }
        }
    }
}

/// What a run says of itself, in a line.
fn said(run: &Run) -> Markup {
    html! {
        @match (&run.error, &run.reason) {
            (Some(error), _) => { span.small.ink-bad.clamp { (part::short(&error.primary, 160)) } }
            (None, Some(reason)) if run.status != Status::Success => { span.small.soft.clamp { (skip_in_words(reason)) } }
            _ => {}
        }
    }
}

/// The words of a skip for people.
pub(in crate::dashboard) fn skip_in_words(reason: &str) -> String {
    match reason {
        "upstream_failed" => "a view that it reads failed".into(),
        "paused" => "the view is paused".into(),
        "locked" => "another refresh of the view was at work".into(),
        "already_exists" => "it exists already".into(),
        "does_not_exist" => "it does not exist".into(),
        "coalesced" => "another run did what it was asked for".into(),
        other => part::short(other, 200),
    }
}
