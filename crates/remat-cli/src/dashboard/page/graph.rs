//! What reads what: base tables and views, coloured by freshness. Search and neighbourhood stand in the URL.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::IntoResponse;
use maud::{Markup, html};
use remat::{
    error::Error,
    status::State,
    store::{
        glance::Glance,
        lineage::{Kind, Node},
    },
};

use super::LIVE;
use crate::{
    dashboard::{
        ask::{Ask, Page, Same, encode},
        chart::{self, graph::Mark},
        icon::Icon,
        part,
    },
    render::text,
};

/// More than that are not drawn at once.
const MOST: usize = 800;

pub(in crate::dashboard) async fn show(ask: Ask) -> impl IntoResponse {
    ask.answer(draw(&ask).await)
}

async fn draw(ask: &Ask) -> Result<Page, Error> {
    let picture = ask.picture().await?;
    let nodes = seen(ask).await?;
    let needle = ask.word("q").map(str::to_lowercase);
    let focus = ask.word("focus").and_then(|name| nodes.iter().find(|node| node.name.to_string() == name));
    let depth = ask.word("depth").and_then(|depth| depth.parse().ok()).unwrap_or(2_usize).min(20);
    let found: BTreeSet<u32> = match &needle {
        Some(needle) => nodes
            .iter()
            .filter(|node| node.name.to_string().to_lowercase().contains(needle.as_str()))
            .map(|node| node.oid)
            .collect(),
        None => BTreeSet::new(),
    };
    let wrong: BTreeSet<i64> =
        picture.views.iter().filter(|view| is_wrong(view)).map(|view| view.id).collect();
    let wrong: Vec<u32> = nodes
        .iter()
        .filter(|node| node.view_id.is_some_and(|id| wrong.contains(&id)))
        .map(|node| node.oid)
        .collect();
    let kept: Option<BTreeSet<u32>> = match (focus, found.is_empty()) {
        _ if ask.word("only") == Some("wrong") => Some(neighbourhood(&nodes, &wrong, 1)),
        (Some(focus), _) => Some(neighbourhood(&nodes, &[focus.oid], depth)),
        (None, false) if nodes.len() > 60 => {
            Some(neighbourhood(&nodes, &found.iter().copied().collect::<Vec<_>>(), 1))
        }
        _ => None,
    };
    let shown: Vec<&Node> = nodes
        .iter()
        .filter(|node| kept.as_ref().is_none_or(|kept| kept.contains(&node.oid)))
        .take(MOST)
        .collect();
    let marks = marks(&nodes, &picture.views, |node, mark| {
        mark.is_focus = focus.is_some_and(|focus| focus.oid == node.oid);
        mark.is_found = found.contains(&node.oid);
    });
    let body = html! {
        header.head { div { h1 { "Graph" } p.soft { "What reads what, tables first. " (shown.len()) " of " (nodes.len()) " relations." } } }
        section.card aria-label="Graph" {
            (search(ask, focus, depth))
            @if needle.is_some() && found.is_empty() { p.empty { "No relation has that in its name." } }
            div id=(LIVE) data-live {
                (legend())
                @if shown.is_empty() { p.empty { "There is no view yet." } }
                @else { div.graph tabindex="0" role="region" aria-label="Graph, scrolls both ways" { (chart::graph::draw(ask, &shown, &marks)) } }
            }
        }
        details.fold { summary { "As a table" } section.card { div.scroll { (table(ask, &shown, &nodes, &marks)) } } }
    };
    Ok(Page {
        title: "Graph".into(),
        place: "/graph",
        body,
        same: Same::new("remat status", "GET /api/v1/views/{view}/dependents")
            .sql("select * from remat.reads()"),
    })
}

/// Whether somebody should look at it.
fn is_wrong(view: &Glance) -> bool {
    view.state.is_bad() || remat::diagnosis::over_seconds(view).is_some()
}

/// The relations that whoever asks sees: of views, those of their schemas; of tables, all that these read.
pub(super) async fn seen(ask: &Ask) -> Result<Vec<Node>, Error> {
    let mut nodes = ask.remat().lineage().await?;
    if !ask.who.scope.is_all() {
        nodes.retain(|node| node.kind != Kind::Materialized || ask.sees(Some(&node.name)));
        let read: BTreeSet<u32> = nodes.iter().flat_map(|node| node.reads.iter().copied()).collect();
        nodes.retain(|node| node.kind == Kind::Materialized || read.contains(&node.oid));
    }
    Ok(nodes)
}

fn search(ask: &Ask, focus: Option<&Node>, depth: usize) -> Markup {
    html! {
        form.filters method="get" action=(ask.link("/graph")) role="search" {
            div.field.wide { label for="q" { "Search" } input id="q" type="search" name="q" value=(ask.word("q").unwrap_or_default()) placeholder="name"; }
            @if let Some(focus) = focus {
                input type="hidden" name="focus" value=(focus.name.to_string());
                div.field { label for="depth" { "Removes from " (part::short(focus.name.name.as_str(), 20)) }
                    select id="depth" name="depth" data-submit { @for choice in [1, 2, 3, 5, 20] { option value=(choice) selected[choice == depth] { (choice) } } } }
            }
            div.field {
                label for="only" { "Of these" }
                select id="only" name="only" data-submit {
                    option value="" { "all" }
                    option value="wrong" selected[ask.word("only") == Some("wrong")] { "what is wrong, and what it is joined to" }
                }
            }
            button type="submit" { "Show" }
            @if focus.is_some() || ask.word("q").is_some() || ask.word("only").is_some() { a.btn.btn-quiet href=(ask.link("/graph")) { "Whole graph" } }
        }
    }
}

fn legend() -> Markup {
    html! {
        div.key-row {
            @for state in State::ALL { (part::state(*state)) }
            (part::chip(("table", Icon::Table, "plain")))
            (part::chip(("not managed", Icon::Unknown, "plain")))
        }
    }
}

/// What is drawn of each: its state, its age, whether it is the cause of what others suffer.
pub(super) fn marks(
    nodes: &[Node],
    views: &[Glance],
    more: impl Fn(&Node, &mut Mark),
) -> BTreeMap<u32, Mark> {
    let by_id: BTreeMap<i64, &Glance> = views.iter().map(|view| (view.id, view)).collect();
    let mark = |node: &Node| {
        let view = node.view_id.and_then(|id| by_id.get(&id));
        let mut mark = Mark {
            state: view.map(|view| view.state),
            sub: view.map_or_else(|| kind(node).to_owned(), |view| sub(view)),
            is_root: view.is_some_and(|view| view.state == State::Failed),
            href: match view {
                Some(view) => part::view_path(&view.view),
                None => format!("/graph?{}", encode([("focus", node.name.to_string().as_str())])),
            },
            ..Mark::default()
        };
        more(node, &mut mark);
        (node.oid, mark)
    };
    nodes.iter().map(mark).collect()
}

fn sub(view: &Glance) -> String {
    let (word, ..) = part::look_of(view.state);
    view.age_seconds.map_or_else(|| word.to_owned(), |age| format!("{word}, {} old", text::age(age)))
}

fn kind(node: &Node) -> &'static str {
    match node.kind {
        Kind::Table => "table",
        Kind::View => "plain view",
        Kind::Materialized => "not managed",
        Kind::Foreign => "foreign table",
    }
}

/// Those within so many removes, either way.
pub(super) fn neighbourhood(nodes: &[Node], from: &[u32], depth: usize) -> BTreeSet<u32> {
    let mut kept: BTreeSet<u32> = from.iter().copied().collect();
    let walk = |forwards: bool| {
        let mut reached: BTreeSet<u32> = from.iter().copied().collect();
        let mut edge = reached.clone();
        for _ in 0..depth {
            let joined = nodes.iter().flat_map(|node| node.reads.iter().map(move |read| (node.oid, *read)));
            let next: BTreeSet<u32> = joined
                .filter_map(|(reader, read)| {
                    let (here, there) = if forwards { (read, reader) } else { (reader, read) };
                    (edge.contains(&here) && !reached.contains(&there)).then_some(there)
                })
                .collect();
            reached.extend(&next);
            edge = next;
        }
        reached
    };
    kept.extend(walk(true));
    kept.extend(walk(false));
    kept
}

fn table(ask: &Ask, shown: &[&Node], all: &[Node], marks: &BTreeMap<u32, Mark>) -> Markup {
    let names: BTreeMap<u32, &Node> = all.iter().map(|node| (node.oid, node)).collect();
    html! {
        table.table.cards {
            caption.sr { "Relations and what each reads" }
            thead { tr { th scope="col" { "Relation" } th scope="col" { "State" } th scope="col" { "Reads" } } }
            tbody { @for node in shown {
                @let mark = marks.get(&node.oid);
                @let (word, sign, tone) = chart::graph::look(node, mark.and_then(|mark| mark.state));
                tr {
                    td.name { a href=(ask.link(mark.map_or("/graph", |mark| mark.href.as_str()))) { (part::name(&node.name)) } }
                    td data-label="State" { (part::chip((word, sign, tone))) }
                    td data-label="Reads" { @for (at, read) in node.reads.iter().filter_map(|oid| names.get(oid)).enumerate() { @if at > 0 { ", " } (part::name(&read.name)) } }
                }
            } }
        }
    }
}
