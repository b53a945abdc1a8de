//! All views: how fresh each is, how it is doing, when it is refreshed next. Filters, order and page stand in the URL.

use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
    response::IntoResponse,
};
use jiff::Timestamp;
use maud::{Markup, html};
use remat::{
    error::Error,
    pg::footprint::Footprint,
    schedule::{Schedule, misfire},
    status::State,
    store::glance::Glance,
    survey::Picture,
    view::Strategy,
};

use super::LIVE;
use crate::{
    dashboard::{
        ask::{Ask, Page, Same, encode},
        chart,
        icon::{self, Icon},
        part, why,
    },
    render::text,
};

const ON_A_PAGE: usize = 50;

pub(in crate::dashboard) async fn show(ask: Ask) -> impl IntoResponse {
    ask.answer(draw(&ask).await)
}

/// What is looked for, as comma separated values.
pub(in crate::dashboard) async fn csv(ask: Ask) -> Response<Body> {
    match ask.picture().await {
        Ok(picture) => {
            let mut response = Response::new(Body::from(table_of(&chosen(&ask, &picture))));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
            let named = HeaderValue::from_static("attachment; filename=\"views.csv\"");
            headers.insert(header::CONTENT_DISPOSITION, named);
            response
        }
        Err(error) => ask.complain(&error),
    }
}

/// What is told of the views of one page beside what is told of all.
struct Told {
    footprints: BTreeMap<u32, Footprint>,
    durations: BTreeMap<i64, Vec<i64>>,
}

async fn draw(ask: &Ask) -> Result<Page, Error> {
    let picture = ask.picture().await?;
    let found = chosen(ask, &picture);
    let pages = found.len().div_ceil(ON_A_PAGE).max(1);
    let page = ask.word("page").and_then(|page| page.parse().ok()).unwrap_or(1_usize).clamp(1, pages);
    let shown: Vec<&Glance> = found.iter().skip((page - 1) * ON_A_PAGE).take(ON_A_PAGE).copied().collect();
    let oids: Vec<u32> = shown.iter().filter_map(|view| view.oid).collect();
    let ids: Vec<i64> = shown.iter().map(|view| view.id).collect();
    let footprints = ask.remat().footprints(&oids).await?;
    let told = Told {
        footprints: footprints.into_iter().map(|footprint| (footprint.oid, footprint)).collect(),
        durations: ask.remat().durations(&ids, 20).await?.into_iter().collect(),
    };
    let body = html! {
        header.head {
            div { h1 { "Views" } p.soft { (found.len()) " of " (picture.views.len()) } }
            div.acts {
                @if ask.may(remat::access::Role::Editor) { a.btn.btn-main href=(ask.link("/views/new")) { "Define a view" } }
            }
        }
        section.card aria-label="Views" {
            (filters(ask, &picture))
            div id=(LIVE) data-live {
                @if shown.is_empty() { p.empty { "No view matches." } }
                @else { div.scroll tabindex="0" role="region" aria-label="Table of views" { (table(ask, &shown, &told, picture.at)) } }
                (pager(ask, found.len(), page, pages))
            }
        }
    };
    let same = Same::new("remat status --json", "GET /api/v1/views").sql("select * from remat.status()");
    Ok(Page { title: "Views".into(), place: "/views", body, same })
}

/// The views that the words of the URL ask for, in their order.
fn chosen<'a>(ask: &Ask, picture: &'a Picture) -> Vec<&'a Glance> {
    let needle = ask.word("q").map(str::to_lowercase);
    let is_in = |text: &str| needle.as_deref().is_none_or(|needle| text.to_lowercase().contains(needle));
    let is_found = |view: &Glance| {
        is_in(&view.view.to_string())
            || view.tags.iter().any(|tag| is_in(tag))
            || view.owner.as_deref().is_some_and(is_in)
            || view.description.as_deref().is_some_and(is_in)
    };
    let is = |name: &str, value: &str| ask.word(name).is_none_or(|wanted| wanted == value);
    let mut found: Vec<&Glance> = picture
        .views
        .iter()
        .filter(|view| is_found(view))
        .filter(|view| match ask.word("state") {
            Some("late") => why_late(view),
            _ => is("state", view.state.as_str()),
        })
        .filter(|view| is("strategy", view.strategy.as_str()) && is("schema", view.view.schema.as_str()))
        .filter(|view| ask.word("tag").is_none_or(|tag| view.tags.iter().any(|known| known == tag)))
        .filter(|view| ask.word("owner").is_none_or(|owner| view.owner.as_deref() == Some(owner)))
        .collect();
    let (column, is_down) = order_of(ask);
    if column == "next" {
        // A line is read once for each view, not once for each comparison.
        found.sort_by_cached_key(|view| next_fire(view, picture.at).unwrap_or(Timestamp::MAX));
        if is_down {
            found.reverse();
        }
        return found;
    }
    found.sort_by(|one, other| {
        let order = compare(column, one, other);
        if is_down { order.reverse() } else { order }.then_with(|| one.view.cmp(&other.view))
    });
    found
}

fn why_late(view: &Glance) -> bool {
    remat::diagnosis::over_seconds(view).is_some()
}

/// Words for columns that can be sorted by; a minus before the word turns the order round.
fn order_of(ask: &Ask) -> (&str, bool) {
    let word = ask.word("sort").unwrap_or("name");
    word.strip_prefix('-').map_or((word, false), |word| (word, true))
}

fn compare(column: &str, one: &Glance, other: &Glance) -> Ordering {
    let last = |view: &Glance| view.last.as_ref().and_then(|last| last.duration_ms).unwrap_or(-1);
    match column {
        "state" => rank(one.state).cmp(&rank(other.state)),
        "age" => {
            let age = |view: &Glance| view.age_seconds.unwrap_or(f64::INFINITY);
            age(one).total_cmp(&age(other))
        }
        "size" => one.bytes.cmp(&other.bytes),
        "took" => last(one).cmp(&last(other)),
        _ => one.view.cmp(&other.view),
    }
}

/// What needs somebody comes first.
pub(super) fn rank(state: State) -> u8 {
    match state {
        State::Failed => 0,
        State::Absent => 1,
        State::Unpopulated => 2,
        State::Stale => 3,
        State::Running => 4,
        State::Paused => 5,
        State::Ok => 6,
        State::Fresh => 7,
    }
}

/// When a view's own schedule or target asks for its next refresh. The scheduler takes the longest of the last five refreshes
/// into account; here the last one stands for that.
pub(in crate::dashboard) fn next_fire(view: &Glance, now: Timestamp) -> Option<Timestamp> {
    match (&view.schedule, view.target_lag_seconds, view.data_as_of) {
        (Some(line), ..) => Schedule::parse(line, &view.schedule_zone).ok()?.next_after(now),
        (None, Some(target), Some(as_of)) => {
            let usual = view.last.as_ref().and_then(|last| last.duration_ms).unwrap_or_default();
            let usual = Duration::from_millis(u64::try_from(usual).unwrap_or_default());
            let target = Duration::from_secs(u64::try_from(target).unwrap_or_default());
            Some(misfire::lag_due(Some(as_of), target, usual).max(now))
        }
        _ => None,
    }
}

fn filters(ask: &Ask, picture: &Picture) -> Markup {
    let mut tags: Vec<&str> =
        picture.views.iter().flat_map(|view| view.tags.iter().map(String::as_str)).collect();
    tags.sort_unstable();
    tags.dedup();
    let mut schemas: Vec<&str> = picture.views.iter().map(|view| view.view.schema.as_str()).collect();
    schemas.sort_unstable();
    schemas.dedup();
    let states: Vec<&str> =
        std::iter::once("late").chain(State::ALL.iter().map(|state| state.as_str())).collect();
    let strategies: Vec<&str> = Strategy::ALL.iter().map(|strategy| strategy.as_str()).collect();
    html! {
        form.filters method="get" action=(ask.link("/views")) role="search" {
            div.field.wide {
                label for="q" { "Search" }
                input id="q" type="search" name="q" value=(ask.word("q").unwrap_or_default()) placeholder="name, tag, owner";
            }
            (select(ask, "state", "State", &states))
            (select(ask, "strategy", "Strategy", &strategies))
            @if schemas.len() > 1 { (select(ask, "schema", "Schema", &schemas)) }
            @if !tags.is_empty() { (select(ask, "tag", "Tag", &tags)) }
            @if let Some(sort) = ask.word("sort") { input type="hidden" name="sort" value=(sort); }
            button type="submit" { "Show" }
            @if ["q", "state", "strategy", "schema", "tag", "owner"].iter().any(|name| ask.word(name).is_some()) {
                a.btn.btn-quiet href=(ask.link("/views")) { "Clear" }
            }
        }
    }
}

/// A choice of words that stands in the URL.
pub(in crate::dashboard) fn select(ask: &Ask, name: &str, label: &str, words: &[&str]) -> Markup {
    let chosen = ask.word(name);
    html! {
        div.field {
            label for=(name) { (label) }
            select id=(name) name=(name) data-submit {
                option value="" { "any" }
                @for word in words { option value=(word) selected[chosen == Some(*word)] { (part::short(word, 60)) } }
            }
        }
    }
}

fn heading(ask: &Ask, column: &str, word: &str, class: &str) -> Markup {
    let (sorted, is_down) = order_of(ask);
    let is_this = sorted == column;
    let turned = if is_this && !is_down { format!("-{column}") } else { column.to_owned() };
    let sort = is_this.then_some(if is_down { "descending" } else { "ascending" });
    html! {
        th scope="col" class=(class) aria-sort=[sort] {
            a href=(ask.with(&[("sort", &turned), ("page", "")])) {
                (word)
                @if is_this { (icon::of(if is_down { Icon::Down } else { Icon::Up })) }
            }
        }
    }
}

fn table(ask: &Ask, shown: &[&Glance], told: &Told, at: Timestamp) -> Markup {
    html! {
        table.table.cards {
            caption.sr { "Views" }
            thead { tr {
                (heading(ask, "name", "View", ""))
                (heading(ask, "state", "State", ""))
                (heading(ask, "age", "Age and target", ""))
                th scope="col" { "Last refreshes" }
                (heading(ask, "took", "Took", "num"))
                (heading(ask, "size", "Size", "num"))
                th.num scope="col" { "Reads" }
                (heading(ask, "next", "Next run", ""))
                th scope="col" { "Last error" }
            } }
            tbody { @for view in shown { (row(ask, view, told, at)) } }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
fn row(ask: &Ask, view: &Glance, told: &Told, at: Timestamp) -> Markup {
    let footprint = view.oid.and_then(|oid| told.footprints.get(&oid));
    let durations = told.durations.get(&view.id).map_or(&[][..], Vec::as_slice);
    let error = view.last.as_ref().and_then(|last| Some((last.id, last.error.as_ref()?)));
    html! {
        tr {
            td.name {
                div.tight {
                    a.clip href=(ask.link(&part::view_path(&view.view))) title=(text::name(&view.view)) { (text::clean(view.view.name.as_str())) }
                    span.row {
                        span.small.soft { (text::clean(view.view.schema.as_str())) }
                        @for tag in view.tags.iter().take(3) {
                            a.tag href={ (ask.link("/views")) "?" (encode([("tag", tag.as_str())])) } { (part::short(tag, 24)) }
                        }
                    }
                }
            }
            td data-label="State" { (part::state(view.state)) }
            td data-label="Age" {
                div.tight {
                    span.nowrap {
                        @match view.data_as_of { Some(as_of) => { (part::since(ask, as_of)) } None => { (part::nothing()) } }
                        @if let Some(target) = view.target_lag_seconds { span.soft { " of " (why::age_of(target)) } }
                    }
                    @if let (Some(age), Some(target)) = (view.age_seconds, view.target_lag_seconds) { (chart::age::draw(age, target)) }
                }
            }
            td data-label="Refreshes" { (chart::spark::draw(durations)) }
            td.num data-label="Took" { (part::took(durations.last().copied())) }
            td.num data-label="Size" { (part::maybe(footprint.map(|it| it.total_bytes).or(view.bytes), text::bytes)) }
            td.num data-label="Reads" { (part::maybe(footprint.map(|it| it.scans), text::count)) }
            td.nowrap data-label="Next run" { (next(ask, view, at)) }
            td.say data-label="Last error" {
                @if let Some((run, error)) = error {
                    a.small.ink-bad.clamp href=(ask.link(&format!("/runs/{run}"))) { (part::short(error, 140)) }
                }
            }
        }
    }
}

fn next(ask: &Ask, view: &Glance, at: Timestamp) -> Markup {
    html! {
        @match (&view.pause, &view.waiting, view.at_work, next_fire(view, at)) {
            (_, _, Some(run), _) => { a href=(ask.link(&format!("/runs/{run}"))) { "at work" } }
            (Some(pause), ..) => { span.soft { "paused" @if let Some(until) = pause.until { " until " (part::clock(ask, until)) } } }
            (_, Some(waiting), ..) => { a href=(ask.link(&format!("/runs/{}", waiting.id))) { "waits" } }
            (.., Some(due)) => { (part::ago(ask, due)) }
            _ => { (part::nothing()) }
        }
    }
}

fn pager(ask: &Ask, found: usize, page: usize, pages: usize) -> Markup {
    let (first, last) = ((page - 1) * ON_A_PAGE + 1, (page * ON_A_PAGE).min(found));
    let csv = ask.with(&[("page", "")]).replacen("/views", "/views.csv", 1);
    html! {
        div.pager {
            @if found > 0 { span { (first) " to " (last) " of " (found) } }
            a href=(csv) download="views.csv" { "CSV" }
            a href=(ask.link("/api/v1/views")) { "JSON" }
            @if pages > 1 {
                nav.acts aria-label="Pages of the list" {
                    @if page > 1 { a.btn.btn-small rel="prev" href=(ask.with(&[("page", &(page - 1).to_string())])) { "Previous" } }
                    span { "page " (page) " of " (pages) }
                    @if page < pages { a.btn.btn-small rel="next" href=(ask.with(&[("page", &(page + 1).to_string())])) { "Next" } }
                }
            }
        }
    }
}

const COLUMNS: &str = "view,state,strategy,data_as_of,age_seconds,target_lag_seconds,bytes,rows,tags,owner,last_run,last_status,last_error\r\n";

fn table_of(views: &[&Glance]) -> String {
    let mut csv = COLUMNS.to_owned();
    for view in views {
        let or_empty = |value: Option<String>| value.unwrap_or_default();
        let last = view.last.as_ref();
        let cells = [
            view.view.to_string(),
            view.state.to_string(),
            view.strategy.to_string(),
            or_empty(view.data_as_of.map(|at| at.to_string())),
            or_empty(view.age_seconds.map(|age| format!("{age:.0}"))),
            or_empty(view.target_lag_seconds.map(|target| target.to_string())),
            or_empty(view.bytes.map(|bytes| bytes.to_string())),
            or_empty(view.rows.map(|rows| rows.to_string())),
            view.tags.join(" "),
            or_empty(view.owner.clone()),
            or_empty(last.map(|last| last.id.to_string())),
            or_empty(last.map(|last| last.status.to_string())),
            or_empty(last.and_then(|last| last.error.clone())),
        ];
        csv.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// A cell. What a spreadsheet would read as a formula gets an apostrophe before it.
fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}
