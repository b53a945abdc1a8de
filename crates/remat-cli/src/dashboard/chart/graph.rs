//! What reads what, in layers from left to right: tables first, then what reads them.

use std::collections::{BTreeMap, HashMap};

use maud::{Markup, html};
use remat::{
    status::State,
    store::lineage::{Kind, Node},
};

use super::px;
use crate::{
    dashboard::{
        ask::Ask,
        icon::{self, Icon},
        part,
    },
    render::text,
};

const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 40.0;
const ACROSS: f64 = 264.0;
const DOWN: f64 = 52.0;
const EDGE: f64 = 24.0;

/// What is to be drawn of a relation beside what it is.
#[derive(Clone, Debug, Default)]
pub(in crate::dashboard) struct Mark {
    /// None for what remat does not manage.
    pub(in crate::dashboard) state: Option<State>,
    /// A line below the name.
    pub(in crate::dashboard) sub: String,
    pub(in crate::dashboard) is_focus: bool,
    pub(in crate::dashboard) is_found: bool,
    /// The cause of what is wrong elsewhere.
    pub(in crate::dashboard) is_root: bool,
    /// Where its box leads; without the base.
    pub(in crate::dashboard) href: String,
}

/// Draws these relations with their marks, by object id.
#[allow(clippy::cast_precision_loss, reason = "there are some hundreds of nodes")]
pub(in crate::dashboard) fn draw(ask: &Ask, nodes: &[&Node], marks: &BTreeMap<u32, Mark>) -> Markup {
    let places = places(nodes);
    let (columns, rows) =
        places.values().fold((0, 0), |most, place| (most.0.max(place.0), most.1.max(place.1)));
    let width = EDGE * 2.0 + ACROSS * columns as f64 + WIDTH;
    let height = EDGE * 2.0 + DOWN * rows as f64 + HEIGHT;
    let at = |oid: u32| {
        places.get(&oid).map(|(column, row)| (EDGE + ACROSS * *column as f64, EDGE + DOWN * *row as f64))
    };
    html! {
        svg width=(px(width)) height=(px(height)) viewBox={ "0 0 " (px(width)) " " (px(height)) } role="group"
            aria-label={ "What reads what: " (nodes.len()) " relations" } {
            @for node in nodes {
                @for read in &node.reads {
                    @if let (Some((x, y)), Some((to_x, to_y))) = (at(*read), at(node.oid)) {
                        @let is_hot = marks.get(read).is_some_and(|mark| mark.is_root);
                        path class={ "edge" @if is_hot { " hot" } } d=(curve((x + WIDTH, y + HEIGHT / 2.0), (to_x, to_y + HEIGHT / 2.0))) {}
                    }
                }
            }
            @for node in nodes {
                @if let Some(place) = at(node.oid) { (boxed(ask, node, marks.get(&node.oid), place)) }
            }
        }
    }
}

fn curve((x, y): (f64, f64), (to_x, to_y): (f64, f64)) -> String {
    let bend = ((to_x - x) / 2.0).max(24.0);
    format!(
        "M{} {}C{} {} {} {} {} {}",
        px(x),
        px(y),
        px(x + bend),
        px(y),
        px(to_x - bend),
        px(to_y),
        px(to_x),
        px(to_y)
    )
}

fn boxed(ask: &Ask, node: &Node, mark: Option<&Mark>, (x, y): (f64, f64)) -> Markup {
    let mark = mark.cloned().unwrap_or_default();
    let (word, sign, tone) = look(node, mark.state);
    let mut class = String::from("node");
    for (name, is) in [("focus", mark.is_focus), ("found", mark.is_found), ("outside", mark.state.is_none())]
    {
        if is {
            class.push(' ');
            class.push_str(name);
        }
    }
    let name = text::name(&node.name);
    html! {
        a class=(class) href=(ask.link(&mark.href)) transform={ "translate(" (px(x)) " " (px(y)) ")" } {
            rect.box width=(WIDTH) height=(HEIGHT) rx="8" {
                title { (name) ": " (word) @if !mark.sub.is_empty() { ". " (mark.sub) } }
            }
            rect class={ "f-" (tone) } width="4" height=(HEIGHT - 14.0) x="0" y="7" rx="2" {}
            path class={ "ic s-" (tone) } transform="translate(13 12)" d=(icon::strokes(sign)) {}
            text x="38" y=(if mark.sub.is_empty() { 24 } else { 18 }) { (part::short(node.name.name.as_str(), 22)) }
            @if !mark.sub.is_empty() { text.sub x="38" y="31" { (part::short(&mark.sub, 28)) } }
        }
    }
}

/// The word, the shape and the colour of a relation.
pub(in crate::dashboard) fn look(node: &Node, state: Option<State>) -> (&'static str, Icon, &'static str) {
    match (state, node.kind) {
        (Some(state), _) => part::look_of(state),
        (None, Kind::Table) => ("table", Icon::Table, "plain"),
        (None, Kind::View) => ("plain view", Icon::Views, "plain"),
        (None, Kind::Foreign) => ("foreign table", Icon::Foreign, "plain"),
        (None, Kind::Materialized) => ("not managed by remat", Icon::Unknown, "plain"),
    }
}

/// A column and a row for each: the column is the longest way from what reads nothing, the row follows what it is joined to.
fn places(nodes: &[&Node]) -> HashMap<u32, (usize, usize)> {
    let columns = columns(nodes);
    let last = columns.values().copied().max().unwrap_or(0);
    let mut layers: Vec<Vec<u32>> = vec![Vec::new(); last + 1];
    for node in nodes {
        layers[columns[&node.oid]].push(node.oid);
    }
    let mut reads: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut read_by: HashMap<u32, Vec<u32>> = HashMap::new();
    for node in nodes {
        for read in node.reads.iter().filter(|read| columns.contains_key(read)) {
            reads.entry(node.oid).or_default().push(*read);
            read_by.entry(*read).or_default().push(node.oid);
        }
    }
    for _ in 0..4 {
        for layer in 1..layers.len() {
            order(&mut layers, layer, &reads);
        }
        for layer in (0..layers.len().saturating_sub(1)).rev() {
            order(&mut layers, layer, &read_by);
        }
    }
    beside(&layers, rows_of(nodes.len()))
}

/// How many rows stand below each other before a layer goes on beside itself.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rough square"
)]
fn rows_of(nodes: usize) -> usize {
    ((nodes as f64).sqrt() * 1.6).ceil().max(14.0) as usize
}

/// Places each layer right of the one before, in as many columns as it takes.
fn beside(layers: &[Vec<u32>], rows: usize) -> HashMap<u32, (usize, usize)> {
    let mut placed = HashMap::new();
    let mut first = 0;
    for layer in layers {
        for (at, oid) in layer.iter().enumerate() {
            placed.insert(*oid, (first + at / rows, at % rows));
        }
        first += layer.len().div_ceil(rows).max(1);
    }
    placed
}

/// Orders one layer by the middle of what each of it is joined to.
#[allow(clippy::cast_precision_loss, reason = "there are some hundreds of nodes")]
fn order(layers: &mut [Vec<u32>], layer: usize, joined: &HashMap<u32, Vec<u32>>) {
    let rows: HashMap<u32, f64> = layers
        .iter()
        .flat_map(|layer| {
            let length = layer.len().max(1) as f64;
            layer.iter().enumerate().map(move |(row, oid)| (*oid, row as f64 / length))
        })
        .collect();
    let middle = |oid: &u32| {
        let others = joined.get(oid).map_or(&[][..], Vec::as_slice);
        let sum: f64 = others.iter().filter_map(|other| rows.get(other)).sum();
        if others.is_empty() { rows[oid] } else { sum / others.len() as f64 }
    };
    layers[layer].sort_by(|one, other| middle(one).total_cmp(&middle(other)));
}

fn columns(nodes: &[&Node]) -> HashMap<u32, usize> {
    let by_oid: HashMap<u32, &Node> = nodes.iter().map(|node| (node.oid, *node)).collect();
    let mut columns = HashMap::new();
    for node in nodes {
        depth(node.oid, &by_oid, &mut columns, 0);
    }
    columns
}

/// Relations cannot read each other in a circle; a limit keeps what the catalog says from mattering.
fn depth(oid: u32, nodes: &HashMap<u32, &Node>, known: &mut HashMap<u32, usize>, level: usize) -> usize {
    if let Some(depth) = known.get(&oid) {
        return *depth;
    }
    let Some(node) = nodes.get(&oid) else { return 0 };
    let below = node.reads.iter().filter(|read| nodes.contains_key(read) && **read != oid && level < 200);
    let found = below.map(|read| depth(*read, nodes, known, level + 1) + 1).max().unwrap_or(0);
    known.insert(oid, found);
    found
}
