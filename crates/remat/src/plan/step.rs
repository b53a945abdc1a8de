//! One step of a plan.
//!
//! Law: a step holds all that doing it needs, and says in words and in JSON what it will do. Only what nobody can
//! build again is called lost: contents are not, they come from the query.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::change::{self, Change, DiffLine};
use crate::{
    name::RelationName,
    run::words,
    view::{Definition, View},
};

words! {
    /// What a step does.
    Action {
        /// Defines a view and makes its relation.
        Create = "create",
        /// Rebuilds the relation from a changed query.
        Redefine = "redefine",
        /// Rebuilds the relation as the other kind.
        Convert = "convert",
        /// Changes indexes.
        Reindex = "reindex",
        /// Changes options only.
        Alter = "alter",
        /// Gives view and relation another name.
        Rename = "rename",
        /// Drops the relation and forgets the view.
        Remove = "remove",
        /// Makes the relation that is missing.
        Recreate = "recreate",
        /// Undoes what was done to the relation outside remat.
        Repair = "repair",
    }
}

/// One step. At most one for each view.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A view that is new.
    Create(Box<Definition>),
    /// A view whose query, or the meaning of its names, changed.
    Redefine(Box<Alteration>),
    /// A view that must be of another kind.
    Convert(Box<Alteration>),
    /// A view whose key or indexes changed, and perhaps options.
    Reindex(Box<Alteration>),
    /// A view whose options changed.
    Alter(Box<Alteration>),
    /// A view that gets another name. Its relation may have that name already, if somebody renamed it.
    Rename {
        /// From the old name to the new one.
        alteration: Box<Alteration>,
        /// What remains to be done when it has its name.
        then: Option<Box<Step>>,
    },
    /// A view that is no longer defined.
    Remove(Box<View>),
    /// A view without its relation.
    Recreate(Box<Alteration>),
    /// A view whose relation was changed outside remat.
    Repair {
        /// To what the definition says.
        alteration: Box<Alteration>,
        /// What was done to it.
        drift: Drift,
        /// What remains to be done when it is repaired; a relation that is rebuilt needs no more.
        then: Option<Box<Step>>,
    },
}

/// From what to what.
#[derive(Clone, Debug, PartialEq)]
pub struct Alteration {
    /// The view as it is.
    pub view: View,
    /// What it should be.
    pub definition: Definition,
    /// What differs.
    pub changes: Vec<Change>,
}

impl Alteration {
    pub(super) fn new(view: &View, definition: &Definition, changes: Vec<Change>) -> Box<Self> {
        Box::new(Self { view: view.clone(), definition: definition.clone(), changes })
    }
}

/// What was done to a relation outside remat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It was changed, or replaced; the phrase says how.
    Changed(String),
    /// It was renamed.
    Renamed(RelationName),
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(reason) => f.write_str(reason),
            Self::Renamed(to) => write!(f, "renamed to {to}"),
        }
    }
}

impl Step {
    /// What it does.
    pub fn action(&self) -> Action {
        match self {
            Self::Create(_) => Action::Create,
            Self::Redefine(_) => Action::Redefine,
            Self::Convert(_) => Action::Convert,
            Self::Reindex(_) => Action::Reindex,
            Self::Alter(_) => Action::Alter,
            Self::Rename { .. } => Action::Rename,
            Self::Remove(_) => Action::Remove,
            Self::Recreate(_) => Action::Recreate,
            Self::Repair { .. } => Action::Repair,
        }
    }

    /// The view, by the name it has afterwards.
    pub fn view(&self) -> &RelationName {
        &self.definition().name
    }

    /// The definition afterwards; of a view that is removed, the last one.
    pub fn definition(&self) -> &Definition {
        match self.from() {
            From::Nothing(definition) => definition,
            From::View(alteration) => &alteration.definition,
            From::Last(view) => &view.definition,
        }
    }

    /// From what to what, unless the view is new or goes.
    pub fn alteration(&self) -> Option<&Alteration> {
        match self.from() {
            From::View(alteration) => Some(alteration),
            From::Nothing(_) | From::Last(_) => None,
        }
    }

    fn from(&self) -> From<'_> {
        match self {
            Self::Create(definition) => From::Nothing(definition),
            Self::Remove(view) => From::Last(view),
            Self::Redefine(alteration)
            | Self::Convert(alteration)
            | Self::Reindex(alteration)
            | Self::Alter(alteration)
            | Self::Recreate(alteration)
            | Self::Rename { alteration, .. }
            | Self::Repair { alteration, .. } => From::View(alteration),
        }
    }

    /// What changes; all that is said, for a view that is new or goes.
    pub fn changes(&self) -> Vec<Change> {
        match self.from() {
            From::Nothing(definition) => change::all_new(definition),
            From::View(alteration) => alteration.changes.clone(),
            From::Last(view) => change::all_gone(&view.definition),
        }
    }

    /// What nobody can build again afterwards, as a sentence.
    pub fn loss(&self) -> Option<String> {
        match self {
            Self::Remove(view) => view.relation.as_ref().map(|_| {
                format!("The relation {} is dropped, with its grants and comments.", view.definition.name)
            }),
            Self::Repair { drift: Drift::Changed(reason), alteration, .. } => Some(format!(
                "What was done to {} outside remat is lost: {reason}.",
                alteration.definition.name
            )),
            Self::Rename { then, .. } | Self::Repair { then, .. } => then.as_ref()?.loss(),
            Self::Create(_)
            | Self::Redefine(_)
            | Self::Convert(_)
            | Self::Reindex(_)
            | Self::Alter(_)
            | Self::Recreate(_) => None,
        }
    }

    /// Whether something is lost; see [`Self::loss`].
    pub fn is_destructive(&self) -> bool {
        self.loss().is_some()
    }

    /// The step in one line.
    pub fn summary(&self) -> String {
        let (action, view) = (self.action(), self.view());
        match self {
            Self::Create(definition) => format!("{action} {view} (strategy {})", definition.strategy),
            Self::Remove(_) => format!("{action} {view}"),
            Self::Rename { alteration, then } => {
                let renamed = format!("{action} {} to {view}", alteration.view.definition.name);
                then.as_ref().map_or(renamed.clone(), |then| format!("{renamed}, then {}", then.summary()))
            }
            _ => format!(
                "{action} {view}: {}",
                self.changes().iter().map(in_words).collect::<Vec<_>>().join("; ")
            ),
        }
    }

    /// The lines of the old query and the new one; none if the query stays.
    pub fn query_diff(&self) -> Vec<DiffLine> {
        let (old, new) = match self.from() {
            From::Nothing(definition) => ("", definition.query.as_str()),
            From::View(Alteration { view, definition, .. }) => (&*view.definition.query, &*definition.query),
            From::Last(view) => (view.definition.query.as_str(), ""),
        };
        if old == new { Vec::new() } else { change::diff(old, new) }
    }
}

/// What a step begins with.
enum From<'a> {
    Nothing(&'a Definition),
    View(&'a Alteration),
    Last(&'a View),
}

fn in_words(change: &Change) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
    match change.what.as_str() {
        "query" => "query".into(),
        "description" => "description".into(),
        what => format!("{what} {} -> {}", value(&change.from), value(&change.to)),
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut step = serializer.serialize_struct("Step", 4)?;
        step.serialize_field("action", &self.action())?;
        step.serialize_field("view", self.view())?;
        step.serialize_field("destructive", &self.is_destructive())?;
        step.serialize_field("changes", &self.changes())?;
        step.end()
    }
}
