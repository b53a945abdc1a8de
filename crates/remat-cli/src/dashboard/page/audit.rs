//! Who did what, when and from where. Lines are only ever added.

use axum::response::IntoResponse;
use maud::{Markup, html};
use remat::{
    access::{AuditFilter, AuditLine},
    error::Error,
    name::RelationName,
};
use serde_json::Value;

use super::LIVE;
use crate::dashboard::{
    ask::{Ask, Page, Same},
    part,
};

const ON_A_PAGE: i64 = 50;

pub(in crate::dashboard) async fn show(ask: Ask) -> impl IntoResponse {
    ask.answer(draw(&ask).await)
}

async fn draw(ask: &Ask) -> Result<Page, Error> {
    let filter = AuditFilter {
        who: ask.word("who").map(str::to_owned),
        action: ask.word("action").map(str::to_owned),
        before: ask.word("before").and_then(|id| id.parse().ok()),
        scope: ask.who.scope.clone(),
        limit: Some(ON_A_PAGE),
        ..AuditFilter::default()
    };
    let lines = ask.remat().audit(&filter).await?;
    let is_full = i64::try_from(lines.len()).is_ok_and(|count| count == ON_A_PAGE);
    let next = lines.last().filter(|_| is_full).map(|line| line.id.to_string());
    let body = html! {
        header.head { div { h1 { "Audit" } p.soft { "Who did what, when and from where. Lines are only ever added." } } }
        section.card aria-label="Audit" {
            form.filters method="get" action=(ask.link("/audit")) role="search" {
                div.field { label for="who" { "Who" } input id="who" type="search" name="who" value=(ask.word("who").unwrap_or_default()); }
                div.field { label for="action" { "Action" } input id="action" name="action" value=(ask.word("action").unwrap_or_default()) placeholder="pause, refresh, …"; }
                button type="submit" { "Show" }
                a.btn.btn-quiet href=(ask.link("/audit")) { "Clear" }
            }
            div id=(LIVE) data-live[filter.before.is_none()] {
                @if lines.is_empty() { p.empty { "No line matches." } }
                @else { div.scroll tabindex="0" role="region" aria-label="Table of the audit" { (table(ask, &lines)) } }
                div.pager { nav.acts aria-label="Pages of the list" {
                    @if filter.before.is_some() { a.btn.btn-small href=(ask.with(&[("before", "")])) { "Newest" } }
                    @if let Some(next) = next { a.btn.btn-small rel="next" href=(ask.with(&[("before", &next)])) { "Older" } }
                } }
            }
        }
    };
    Ok(Page {
        title: "Audit".into(),
        place: "/audit",
        body,
        same: Same::new("remat audit", "GET /api/v1/audit"),
    })
}

fn table(ask: &Ask, lines: &[AuditLine]) -> Markup {
    html! {
        table.table.cards {
            caption.sr { "Audit" }
            thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "From" } th scope="col" { "Did" } th scope="col" { "To" } th scope="col" { "Run" } th scope="col" { "Before and after" } } }
            tbody { @for line in lines {
                tr {
                    td.nowrap data-label="When" { (part::both(ask, line.at)) }
                    td.name data-label="Who" { span { (part::short(&line.who, 60)) @if let Some(role) = &line.role { span.soft { ", " (part::short(role, 20)) } } } }
                    td data-label="From" { (part::maybe(line.address.as_deref(), |address| part::short(address, 60))) }
                    td data-label="Did" { (part::short(&line.action, 40)) }
                    td data-label="To" { (object(ask, line.object.as_deref())) }
                    td data-label="Run" { @if let Some(run) = line.run_id { (part::run_link(ask, run)) } }
                    td.say data-label="Change" { (change(line)) }
                }
            } }
        }
    }
}

/// The view that a line is about, where it is a name of one.
fn object(ask: &Ask, object: Option<&str>) -> Markup {
    let view =
        object.filter(|name| name.contains('.')).and_then(|name| RelationName::parse(name, "public").ok());
    html! {
        @match (view, object) {
            (Some(view), _) => { (part::view_link(ask, &view)) }
            (None, Some(object)) => { (part::short(object, 80)) }
            (None, None) => {}
        }
    }
}

fn change(line: &AuditLine) -> Markup {
    let text = |value: &Option<Value>| {
        value.as_ref().map(|value| serde_json::to_string_pretty(value).unwrap_or_default())
    };
    let (before, after) = (text(&line.before), text(&line.after));
    html! {
        @if before.is_some() || after.is_some() {
            details.fold { summary { "Show" } (super::view::diff(&before.unwrap_or_default(), &after.unwrap_or_default())) }
        }
    }
}
