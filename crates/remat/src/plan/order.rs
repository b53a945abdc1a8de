//! The order of steps.
//!
//! Law: what a view reads comes before it; a name is left before it is taken again; beyond that, names decide, so that
//! the same plan is always the same. A circle, which only texts that mislead can draw, is broken at the least name.

use std::collections::{BTreeMap, BTreeSet};

use super::step::Step;
use crate::{name::RelationName, view::Definition};

type Reads = BTreeMap<RelationName, Vec<RelationName>>;

/// Puts the steps of views that stay in order.
pub(super) fn sources_first(steps: &mut Vec<Step>, desired: &[Definition], reads: &Reads) {
    let names: BTreeSet<&RelationName> = desired.iter().map(|definition| &definition.name).collect();
    // Also through views without a step: what reads an unchanged view comes after what that view reads.
    let mut all: Reads = desired.iter().map(|view| (view.name.clone(), named_in(view, &names))).collect();
    for (name, sources) in reads.iter().filter(|(name, _)| !query_changes(steps, name)) {
        all.entry(name.clone()).or_default().extend(sources.iter().cloned());
    }
    for step in steps.iter() {
        if let Step::Rename { alteration, .. } = step {
            // Whoever takes the old name waits for the renaming.
            all.entry(alteration.view.definition.name.clone()).or_default().push(step.view().clone());
        }
    }
    sort(steps, &all);
}

/// Puts removals in order: readers go before what they read.
pub(super) fn readers_first(steps: &mut Vec<Step>, reads: &Reads) {
    sort(steps, reads);
    steps.reverse();
}

fn query_changes(steps: &[Step], name: &RelationName) -> bool {
    steps.iter().any(|step| step.view() == name && !step.query_diff().is_empty())
}

/// For each view those of the others that its query names.
pub(super) fn named_in_each(definitions: &[Definition]) -> Vec<Vec<RelationName>> {
    let names: BTreeSet<&RelationName> = definitions.iter().map(|definition| &definition.name).collect();
    definitions.iter().map(|view| named_in(view, &names)).collect()
}

/// The desired views that a query names, unqualified names looked up in its search path.
fn named_in(view: &Definition, names: &BTreeSet<&RelationName>) -> Vec<RelationName> {
    let found = remat_sql::relations(&view.query).unwrap_or_default();
    let resolve = |found: remat_sql::Reference| {
        let standing_in = |schema: &str| {
            names.iter().find(|name| name.schema.as_str() == schema && name.name.as_str() == found.name)
        };
        match &found.schema {
            Some(schema) => standing_in(schema),
            None => view.settings.search_path.iter().find_map(|schema| standing_in(schema.as_str())),
        }
    };
    found.into_iter().filter_map(resolve).map(|name| (*name).clone()).collect()
}

fn sort(steps: &mut Vec<Step>, reads: &Reads) {
    let mut waiting: BTreeMap<RelationName, Step> =
        steps.drain(..).map(|step| (step.view().clone(), step)).collect();
    while let Some(next) = next(&waiting, reads) {
        steps.extend(waiting.remove(&next));
    }
}

/// The least name that reads no waiting one; in a circle, the least.
fn next(waiting: &BTreeMap<RelationName, Step>, reads: &Reads) -> Option<RelationName> {
    let free = |name: &&RelationName| !reaches(name, waiting, reads);
    waiting.keys().find(free).or_else(|| waiting.keys().next()).cloned()
}

/// Whether a view reads a waiting one, directly or through others.
fn reaches(name: &RelationName, waiting: &BTreeMap<RelationName, Step>, reads: &Reads) -> bool {
    let mut seen = BTreeSet::from([name]);
    let mut open = vec![name];
    while let Some(at) = open.pop() {
        for source in reads.get(at).into_iter().flatten().filter(|source| *source != name) {
            if waiting.contains_key(source) {
                return true;
            }
            if seen.insert(source) {
                open.push(source);
            }
        }
    }
    false
}
