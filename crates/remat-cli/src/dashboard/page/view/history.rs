//! How the refreshes of a view went: durations, freshness, rows changed.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use remat::{
    freshness,
    run::{Operation, Status},
    store::history::Point,
};

use super::Told;
use crate::{
    dashboard::{ask::Ask, chart, icon, part},
    render::text,
};

pub(super) fn cards(ask: &Ask, told: &Told) -> Markup {
    html! {
        (durations(ask, told))
        div.cols { (fresh(ask, told)) (changes(ask, told)) }
    }
}

fn durations(ask: &Ask, told: &Told) -> Markup {
    let points = &told.past.points;
    let key = html! {
        div.key {
            @for (class, word) in [("work", "work"), ("lock", "lock wait"), ("failed", "failed"), ("skipped", "skipped"), ("band", "half to 95 of 100"), ("change-mark", "definition changed")] {
                span { svg viewBox="0 0 12 10" aria-hidden="true" { rect class=(class) width="12" height="10" rx="2" {} } (word) }
            }
        }
    };
    let body = html! {
        @if points.is_empty() { p.soft { "No run is kept." } }
        @else {
            div.stack { (chart::duration::draw(ask, points, &told.past.versions)) (key) }
            details.fold { summary { "As a table" } div.scroll { (numbers(ask, points)) } }
        }
    };
    part::card("history", "How long its runs took", &html! {}, &body)
}

fn numbers(ask: &Ask, points: &[Point]) -> Markup {
    html! {
        table.table {
            caption.sr { "Runs with their durations" }
            thead { tr { th scope="col" { "Run" } th scope="col" { "Status" } th scope="col" { "Ended" } th.num scope="col" { "Took" } th.num scope="col" { "Lock wait" } th.num scope="col" { "Rows changed" } } }
            tbody { @for point in points.iter().take(chart::duration::MOST) {
                tr {
                    td { a href=(ask.link(&format!("/runs/{}", point.id))) { (point.id) } } td { (point.status) }
                    td.nowrap { (part::instant(ask, point.finished_at.unwrap_or(point.queued_at))) }
                    td.num { (part::took(point.duration_ms)) } td.num { (part::took(point.lock_wait_ms)) }
                    td.num { (part::maybe(point.changed, |(i, u, d)| text::count(i + u + d))) }
                }
            } }
        }
    }
}

fn fresh(ask: &Ask, told: &Told) -> Markup {
    let hours = match ask.word("span") {
        Some("30d") => 30 * 24,
        Some("7d") => 7 * 24,
        _ => 24,
    };
    let from =
        |hours: i64| ask.now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::UNIX_EPOCH);
    let stretches = freshness::stretches(&told.past.fills, from(hours), ask.now);
    let target = told.glance.target_lag_seconds;
    let spans = [("24h", "24 h", 24), ("7d", "7 days", 7 * 24), ("30d", "30 days", 30 * 24)];
    let chosen = ask.word("span").unwrap_or("24h");
    let more = html! {
        nav.row aria-label="Span of the chart" {
            @for (word, label, _) in spans { a aria-current=[(word == chosen).then_some("true")] href={ (ask.with(&[("span", word)])) "#fresh" } { (label) } }
        }
    };
    let body = html! {
        div.stack {
            @if stretches.is_empty() { p.soft { "No refresh is kept from that time." } }
            @else { (chart::saw::draw(ask, &stretches, target, (from(hours), ask.now))) }
            @if let Some(target) = target {
                dl.row.small {
                    dt.soft { "Within the target" }
                    @for (_, label, hours) in spans {
                        dd { b { (share(freshness::share_within(&told.past.fills, target, from(hours), ask.now))) } " of " (label) }
                    }
                }
            }
        }
    };
    part::card("fresh", "How old its contents were", &more, &body)
}

fn share(share: Option<f64>) -> String {
    // Never 100 % where something was missing.
    share.map_or_else(|| text::NOTHING.into(), |share| format!("{:.1} %", (share * 1000.0).floor() / 10.0))
}

#[allow(clippy::cast_precision_loss, reason = "a share is shown")]
fn changes(ask: &Ask, told: &Told) -> Markup {
    let refreshes = told
        .past
        .points
        .iter()
        .filter(|point| point.operation == Operation::Refresh && point.status == Status::Success);
    let counted: Vec<i64> = refreshes.filter_map(|point| point.changed).map(|(i, u, d)| i + u + d).collect();
    let idle = counted.iter().filter(|rows| **rows == 0).count();
    let body = html! {
        @if counted.is_empty() { p.soft { "No refresh that is kept counted its changes: only merge and incremental do." } }
        @else {
            div.stack {
                (chart::changes::draw(ask, &told.past.points))
                div.row {
                    div.key { @for (class, word) in [("ins", "inserted"), ("upd", "updated"), ("del", "deleted")] {
                        span { svg viewBox="0 0 12 10" aria-hidden="true" { rect class=(class) width="12" height="10" rx="2" {} } (word) }
                    } }
                    p.small.push { "Refreshes that changed nothing: " b { (format!("{:.0} %", idle as f64 / counted.len() as f64 * 100.0)) } }
                }
            }
        }
    };
    part::card("changes", "Rows changed", &html! {}, &body)
}

pub(super) fn runs(ask: &Ask, told: &Told) -> Markup {
    let name = told.view.definition.name.to_string();
    let all = ask.link(&format!("/runs?{}", crate::dashboard::ask::encode([("view", name.as_str())])));
    let more = html! { a href=(all) { "All runs" } };
    let failed = told.past.points.iter().find(|point| point.status == Status::Failed);
    let same = failed.map(|failed| {
        told.past
            .points
            .iter()
            .filter(|point| point.error.is_some() && point.error == failed.error)
            .collect::<Vec<_>>()
    });
    let body = html! {
        @if let (Some(failed), Some(same)) = (failed, same) {
            div.body {
                div.callout.t-bad { (icon::of(icon::Icon::Failed)) div.says {
                    b { "Last error" }
                    span { (part::short(failed.error.as_deref().unwrap_or_default(), 300)) }
                    span.small.soft {
                        (part::run_link(ask, failed.id))
                        @if let (true, Some(first)) = (same.len() > 1, same.last()) {
                            ": the same error " (same.len()) " times, since " (part::ago(ask, first.finished_at.unwrap_or(first.queued_at)))
                        }
                    }
                } }
            }
        }
        ul.list {
            @for point in told.past.points.iter().take(12) {
                li.row {
                    (part::status(point.status)) (part::run_link(ask, point.id)) span { (point.operation) }
                    @if let Some(strategy) = &point.strategy { span.tag { (part::short(strategy, 20)) } }
                    @if let Some(reason) = &point.reason { span.small.soft.clip { (super::super::runs::skip_in_words(reason)) } }
                    span.push.small.nowrap { (part::took(point.duration_ms)) " · " (part::ago(ask, point.finished_at.unwrap_or(point.queued_at))) }
                }
            }
        }
    };
    part::wide("runs", "Last runs", &more, &body)
}
