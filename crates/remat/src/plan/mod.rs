//! What must be done so that the database has the views of a project.
//!
//! Law: [`plan`] compares values and returns a value; it asks neither the database nor a person, and doing is not its
//! business. There is at most one step for each view, none for a view that is as it should be, and what a view reads
//! comes before it. A step that loses something says what; nothing is lost by a step that does not say so.
//!
//! `remat plan --json` prints a [`Plan`] in this shape, in which `from` and `to` are texts or null:
//!
//! ```json
//! {"steps": [{"action": "alter", "view": "public.sales", "destructive": false,
//!             "changes": [{"what": "schedule", "from": null, "to": "@hourly"}]}]}
//! ```
//!
//! `what` is a key of a view file, `parameters.NAME`, `query`, `name`, or `relation` for what stands in the database.

mod change;
mod order;
mod pair;
mod step;

use std::collections::BTreeMap;

pub use change::{Change, DiffLine, Side};
use serde::Serialize;
pub use step::{Action, Alteration, Drift, Step};

use crate::{
    error::Error,
    name::RelationName,
    view::{Definition, RelationKind, View},
};

/// A view of the project as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActualView {
    /// The row of `remat.views`.
    pub view: View,
    /// What stands under its name.
    pub existence: Existence,
}

/// What the catalog says about the relation of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// Nothing stands there.
    Absent,
    /// What remat made stands there.
    Present {
        /// Its kind, which may differ from what the definition asks for.
        kind: RelationKind,
    },
    /// Something else stands there, or what remat made was changed.
    Drifted {
        /// What differs, as a phrase: `its query was changed`.
        reason: String,
    },
    /// What remat made stands elsewhere.
    Renamed {
        /// Where.
        to: RelationName,
    },
}

/// Steps in the order in which they are to be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether all is as it should be.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps that lose something.
    pub fn destructive(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.is_destructive())
    }
}

/// Compares what a folder defines with the views that the same project has in the database.
///
/// `actual` must hold no view of another project: what is not desired is removed. `reads` says for views in the
/// database which others they read, plain views between them looked through; for queries that are new or changed it
/// is derived from their text. Fails if the names do not fit together.
///
/// ```
/// use std::collections::BTreeMap;
/// use remat::{name::RelationName, plan::plan, view::Definition};
/// let view = Definition::new(RelationName::new("public", "sales").unwrap(), "select 1 as id");
/// let plan = plan(&[view], &[], &BTreeMap::new()).unwrap();
/// assert_eq!(plan.steps[0].summary(), "create public.sales (strategy auto)");
/// ```
pub fn plan(
    desired: &[Definition],
    actual: &[ActualView],
    reads: &BTreeMap<RelationName, Vec<RelationName>>,
) -> Result<Plan, Error> {
    let pairs = pair::pairs(desired, actual)?;
    let mut steps: Vec<Step> = pairs.kept.into_iter().filter_map(|(to, from)| towards(to, from)).collect();
    order::sources_first(&mut steps, desired, reads);
    let mut removals: Vec<Step> =
        pairs.gone.into_iter().map(|gone| Step::Remove(Box::new(gone.view.clone()))).collect();
    order::readers_first(&mut removals, reads);
    steps.append(&mut removals);
    Ok(Plan { steps })
}

/// Which of these views each of them names in its query, as positions in the list: what a view reads that does not stand
/// in the database yet.
pub fn reads_among(definitions: &[Definition]) -> Vec<Vec<usize>> {
    let position = |name| definitions.iter().position(|other| other.name == name);
    let reads = |(at, names): (usize, Vec<RelationName>)| {
        let mut found: Vec<usize> =
            names.into_iter().filter_map(position).filter(|other| *other != at).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    order::named_in_each(definitions).into_iter().enumerate().map(reads).collect()
}

fn towards(definition: &Definition, from: Option<&ActualView>) -> Option<Step> {
    let Some(from) = from else { return Some(Step::Create(Box::new(definition.clone()))) };
    let mut target = from.view.clone();
    target.definition.name = definition.name.clone();
    let then = at_its_name(&target, &from.existence, definition);
    if from.view.definition.name == definition.name {
        return then;
    }
    let name =
        Change::new("name", Some(from.view.definition.name.to_string()), Some(definition.name.to_string()));
    let mut changes = vec![name];
    changes.extend(then.iter().flat_map(Step::changes));
    Some(Step::Rename {
        alteration: Alteration::new(&from.view, definition, changes),
        then: then.map(Box::new),
    })
}

/// The step for a view that has the right name already.
fn at_its_name(view: &View, existence: &Existence, definition: &Definition) -> Option<Step> {
    let kind = definition.relation_kind();
    let changes = change::between(&view.definition, definition);
    let relation = |from: String| {
        let relation = Change::new("relation", Some(from), Some(kind.to_string()));
        Alteration::new(view, definition, [vec![relation], changes.clone()].concat())
    };
    match existence {
        Existence::Absent => Some(Step::Recreate(relation("missing".into()))),
        Existence::Drifted { reason } => Some(Step::Repair {
            alteration: relation(reason.clone()),
            drift: Drift::Changed(reason.clone()),
            then: None,
        }),
        Existence::Renamed { to } => {
            let present = Existence::Present { kind: view.definition.relation_kind() };
            let then = at_its_name(view, &present, definition);
            if *to == definition.name {
                return then;
            }
            let then = then.map(Box::new);
            let drift = Drift::Renamed(to.clone());
            Some(Step::Repair { alteration: relation(drift.to_string()), drift, then })
        }
        Existence::Present { kind: found } if *found != kind => {
            Some(Step::Convert(relation(found.to_string())))
        }
        Existence::Present { .. } => step_for(view, definition, changes),
    }
}

/// The least step that makes the changes.
fn step_for(view: &View, definition: &Definition, changes: Vec<Change>) -> Option<Step> {
    let any = |whats: &[&str]| changes.iter().any(|change| whats.contains(&change.what.as_str()));
    // A materialized view keeps the tables that its names meant when it was made.
    let step = if any(&["query", "search_path"]) {
        Step::Redefine
    } else if any(&["key", "indexes"]) {
        Step::Reindex
    } else if changes.is_empty() {
        return None;
    } else {
        Step::Alter
    };
    Some(step(Alteration::new(view, definition, changes)))
}

#[cfg(test)]
mod tests;
