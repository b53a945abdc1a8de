//! One view: how fresh it is and why, how its refreshes went, how it could be refreshed, what stands around it.

mod acts;
mod definition;
mod history;
mod strategy;

use axum::{extract::Path, response::IntoResponse};
pub(in crate::dashboard) use definition::diff;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use remat::{
    diagnosis,
    error::Error,
    maintain::Explanation,
    pg::footprint::Footprint,
    run::Status,
    schedule::Schedule,
    store::{glance::Glance, lineage::Node},
    survey::{Ground, Past},
    view::View,
};

use super::LIVE;
use crate::{
    dashboard::{
        ask::{Ask, Page, Same},
        chart::{self, graph::Mark},
        icon::{self, Icon},
        part, why,
    },
    render::text,
};

/// What is read of a view.
struct Told {
    view: View,
    glance: Glance,
    past: Past,
    ground: Option<Ground>,
    explanation: Option<Result<Explanation, Error>>,
    nodes: Vec<Node>,
}

pub(in crate::dashboard) async fn show(
    ask: Ask,
    Path((schema, name)): Path<(String, String)>,
) -> impl IntoResponse {
    ask.answer(draw(&ask, schema, name).await)
}

async fn draw(ask: &Ask, schema: String, name: String) -> Result<Page, Error> {
    let remat = ask.remat();
    let view = ask.view(schema, name).await?;
    let picture = ask.picture().await?;
    let Some(glance) = picture.view(&view.definition.name).cloned() else {
        // It was defined within the last second.
        ask.forget().await;
        return Err(Error::new(remat::error::ErrorKind::NotFound, "the view was only just defined")
            .with_hint("Load the page again."));
    };
    let month = ask.now.checked_sub(SignedDuration::from_hours(30 * 24)).unwrap_or(Timestamp::UNIX_EPOCH);
    let past = remat.past(view.id, month).await?;
    let (ground, explanation) = if ask.headers.contains_key("x-remat-live") && glance.at_work.is_some() {
        // While it is at work its locks are not to be waited for.
        (None, None)
    } else {
        (remat.ground(&view).await?, Some(remat.explain(&view).await))
    };
    let nodes = around(&super::graph::seen(ask).await?, glance.oid);
    let cause = diagnosis::cause(&glance, &picture.around, picture.at);
    let told = Told { view, glance, past, ground, explanation, nodes };
    let live = picture.around.live.iter().find(|live| Some(live.id) == told.glance.at_work);
    let body = html! {
        (head(ask, &told))
        nav.inpage aria-label="On this page" {
            @for (place, word) in [("history", "History"), ("strategy", "Strategy"), ("definition", "Definition"), ("around", "Around it"), ("storage", "Storage"), ("runs", "Runs")] {
                a href={ "#" (place) } { (word) }
            }
        }
        div id=(LIVE) data-live .stack {
            @if let Some(cause) = &cause { (callout(ask, &told, cause)) }
            @if let Some(live) = live { section.card aria-label="At work" { ul.list { (super::run::live_line(ask, live)) } } }
            (freshness(ask, &told))
            (history::cards(ask, &told))
        }
        @if told.ground.is_some() { (strategy::cards(ask, &told)) }
        (definition::card(ask, &told))
        div.cols { (neighbours(ask, &told, &picture.views)) (storage(ask, &told)) }
        (history::runs(ask, &told))
    };
    let name = told.view.definition.name.to_string();
    let same = Same::new(
        format!("remat status {name} · remat refresh {name} · remat runs {name}"),
        format!("GET /api/v1/views/{name}"),
    )
    .sql(format!("select remat.refresh({})", remat::name::literal(&told.view.definition.name.to_sql())));
    Ok(Page { title: name, place: "/views", body, same })
}

fn head(ask: &Ask, told: &Told) -> Markup {
    let definition = &told.view.definition;
    html! {
        header.head {
            div {
                nav aria-label="Breadcrumb" { ol.crumbs { li { a href=(ask.link("/views")) { "Views" } } li { (text::clean(definition.name.schema.as_str())) } } }
                div.title { h1 { (part::name(&definition.name)) } span id="chip" data-live { (part::state(told.glance.state)) } }
                @if let Some(description) = &definition.description { p.soft { (part::lines(description)) } }
                @if !definition.tags.is_empty() {
                    div.row { @for tag in &definition.tags { a.tag href={ (ask.link("/views")) "?" (crate::dashboard::ask::encode([("tag", tag.as_str())])) } { (part::short(tag, 40)) } } }
                }
            }
            (acts::all(ask, told))
        }
    }
}

fn callout(ask: &Ask, told: &Told, cause: &remat::diagnosis::Cause) -> Markup {
    let (_, sign, tone) = part::look_of(told.glance.state);
    html! {
        section class={ "callout t-" (tone) } aria-label="Why" aria-live="polite" {
            (icon::of(sign))
            div.says { span { (why::sentence(ask, cause)) } }
            div.acts { (why::action(ask, &told.view.definition.name, cause)) }
        }
    }
}

fn freshness(ask: &Ask, told: &Told) -> Markup {
    let (glance, definition) = (&told.glance, &told.view.definition);
    let last = told.past.points.iter().find(|point| point.status != Status::Skipped);
    let target = glance.target_lag_seconds;
    html! {
        section.card aria-label="Freshness" {
            dl.stats {
                div {
                    dt { "Data as of" }
                    @match glance.data_as_of {
                        Some(at) => { dd { (part::ago(ask, at)) } dd.sub { (part::instant(ask, at)) } }
                        None => { dd { "never" } dd.sub { "readers get an error" } }
                    }
                }
                div {
                    dt { "Last finished" }
                    @match last.and_then(|last| last.finished_at.map(|at| (last, at))) {
                        Some((last, at)) => { dd { (part::ago(ask, at)) } dd.sub { (part::instant(ask, at)) ", " (last.status) } }
                        None => { dd { "never" } dd.sub { "no run is kept" } }
                    }
                }
                div {
                    dt { "Target" }
                    @match target {
                        Some(target) => {
                            dd { (why::age_of(target)) }
                            dd.sub { @match diagnosis::over_seconds(glance) { Some(over) => { (text::age(over)) " over" } None => { "kept" } } }
                        }
                        None => { dd { "none" } dd.sub { "nothing says how fresh it should be" } }
                    }
                }
                div { dt { "Next run" } (next(ask, told)) }
                div {
                    dt { "Usually takes" }
                    @match chart::duration::usual(&told.past.points) {
                        Some((p50, p95)) => { dd { (text::millis(p50)) } dd.sub { "95 of 100 at most " (text::millis(p95)) } }
                        None => { dd { "-" } dd.sub { "no refresh is kept" } }
                    }
                }
                div { dt { "Strategy" } dd { (definition.strategy) } dd.sub { "version " (told.view.version) } }
            }
        }
    }
}

fn next(ask: &Ask, told: &Told) -> Markup {
    let definition = &told.view.definition;
    let words = definition.schedule.as_ref().map(|line| {
        Schedule::parse(line, &definition.schedule_zone)
            .map_or_else(|_| "a schedule that cannot be read".into(), |schedule| schedule.in_words())
    });
    html! {
        @match super::views::next_fire(&told.glance, ask.now) {
            _ if told.glance.pause.is_some() => { dd { "paused" } dd.sub { "until it is resumed" } }
            Some(at) => { dd { (part::ago(ask, at)) } dd.sub { (part::instant(ask, at)) } }
            None => { dd { "-" } dd.sub { "no schedule of its own; a job may refresh it" } }
        }
        @if let Some(words) = words { dd.sub { (part::short(&words, 120)) } }
    }
}

/// What it reads and what reads it, at two removes.
fn around(nodes: &[Node], oid: Option<u32>) -> Vec<Node> {
    let Some(oid) = oid else { return Vec::new() };
    let kept = super::graph::neighbourhood(nodes, &[oid], 2);
    nodes.iter().filter(|node| kept.contains(&node.oid)).cloned().collect()
}

fn neighbours(ask: &Ask, told: &Told, views: &[Glance]) -> Markup {
    let dependents = told.ground.as_ref().map_or(&[][..], |ground| &ground.dependents);
    let focus = format!(
        "/graph?{}",
        crate::dashboard::ask::encode([("focus", told.view.definition.name.to_string().as_str())])
    );
    let more = html! { a href=(ask.link(&focus)) { "In the graph" } };
    let marks = super::graph::marks(&told.nodes, views, |node, mark: &mut Mark| {
        mark.is_focus = Some(node.oid) == told.glance.oid;
    });
    let shown: Vec<&Node> = told.nodes.iter().collect();
    let body = html! {
        @if shown.is_empty() { p.empty { "Nothing stands under its name." } }
        @else { div.graph tabindex="0" role="region" aria-label="What it reads and what reads it" { (chart::graph::draw(ask, &shown, &marks)) } }
        @if !dependents.is_empty() {
            div.body { details.fold { summary { "What a drop with cascade would take along: " (dependents.len()) }
                ul.stack { @for dependent in dependents { li.small { (part::lines(dependent)) } } } } }
        }
    };
    part::wide("around", "Around it", &more, &body)
}

fn storage(ask: &Ask, told: &Told) -> Markup {
    let Some(ground) = &told.ground else { return html! {} };
    let body = html! {
        div.stack {
            @if let Some(footprint) = &ground.footprint { (footprint_of(ask, footprint)) }
            @if !ground.indexes.is_empty() {
                div.tight { h3 { "Indexes" }
                    @for index in &ground.indexes {
                        details.fold { summary { (part::short(&index.name, 63)) ", " (text::bytes(index.bytes)) ", used " (text::count(index.scans)) " times" }
                            pre { code { (part::lines(&index.definition)) } } }
                    }
                }
            }
        }
    };
    part::card("storage", "Storage and readers", &html! {}, &body)
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "estimates are shown")]
fn footprint_of(ask: &Ask, footprint: &Footprint) -> Markup {
    let instant = |at| html! { @match at { Some(at) => { (part::both(ask, at)) } None => { "never, or before the statistics began" } } };
    let dead = footprint.dead.unwrap_or_default();
    let share = dead as f64 / (footprint.live.unwrap_or_default() + dead).max(1) as f64;
    html! {
        dl.kv {
            dt { "Size" } dd { (text::bytes(footprint.total_bytes)) span.soft { ": rows " (text::bytes(footprint.heap_bytes)) ", indexes " (text::bytes(footprint.index_bytes)) } }
            dt { "Room for a rebuild" } dd { "about " (text::bytes(footprint.total_bytes)) " more while it is built anew" }
            dt { "Rows" } dd { (part::maybe(footprint.rows.map(|rows| rows as i64), text::count)) span.soft { " by the server's estimate" } }
            dt { "Dead rows" } dd { (part::maybe(footprint.dead, text::count)) span.soft { ", " (format!("{:.0} %", share * 100.0)) } }
            dt { "All visible" } dd { (part::maybe(footprint.all_visible, |share| format!("{:.0} % of its pages", share * 100.0))) }
            dt { "Vacuumed" } dd { (instant(footprint.last_vacuum)) }
            dt { "Analyzed" } dd { (instant(footprint.last_analyze)) }
            dt { "Owner" } dd { (part::short(&footprint.owner, 63)) }
            dt { "Read" } dd {
                (text::count(footprint.scans)) (if footprint.scans == 1 { " time" } else { " times" })
                @if let Some(since) = footprint.since { " since " (part::clock(ask, since)) }
                span.soft { ", refreshes that compare included" }
            }
            @if let Some(at) = footprint.last_read { dt { "Last read" } dd { (part::both(ask, at)) } }
        }
        @if footprint.scans == 0 { p.small.soft { (icon::of(Icon::Unknown)) " Nobody has read it since the statistics began." } }
    }
}
