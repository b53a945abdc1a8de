//! What a relation carries beside its columns and rows, as a value, and the statements that give it to another one.
//!
//! Law: [`read`] is the only part that talks to the server. Everything that the catalog holds of a relation and that
//! a person can have set is in [`Carried`]; what is not there would be lost by a replacement, so a new version of the
//! server means a new look at this list. Statements name objects in full and are meant for an empty search path.

mod acl;
mod check;
mod column;
mod fit;
mod index;
mod read;
mod statistics;

use serde::Deserialize;

pub(super) use acl::Grant;
pub(super) use column::Column;
pub(super) use index::{Constraint, Index};
pub(crate) use read::{default_grantees, read};
pub(super) use statistics::Statistics;

use super::script::Step;
use crate::{
    name::{Identifier, RelationName, literal},
    view::RelationKind,
};

/// What sort of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Kind {
    /// A materialized view.
    #[serde(rename = "m")]
    Matview,
    /// A table.
    #[serde(rename = "r")]
    Table,
    /// A plain view.
    #[serde(rename = "v")]
    View,
}

impl Kind {
    /// The words that SQL has for it.
    pub(super) fn to_sql(self) -> &'static str {
        match self {
            Self::Matview => "materialized view",
            Self::Table => "table",
            Self::View => "view",
        }
    }
}

impl From<RelationKind> for Kind {
    fn from(kind: RelationKind) -> Self {
        match kind {
            RelationKind::Matview => Self::Matview,
            RelationKind::Table => Self::Table,
        }
    }
}

/// A security label.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Label {
    /// Who understands it.
    pub provider: String,
    /// What it says.
    pub label: String,
}

/// A trigger or rule of a plain view; its definition names the view by its final name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Attached {
    /// Its name.
    pub name: Identifier,
    /// The statement that makes it, as the server prints it.
    pub definition: String,
    /// What a person wrote about it.
    pub comment: Option<String>,
}

/// Everything that a relation carries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "the catalog has these flags one by one")]
pub(super) struct Carried {
    /// What sort of relation it is.
    pub kind: Kind,
    /// Who owns it.
    pub owner: Identifier,
    /// False after `with no data`.
    pub populated: bool,
    /// Whether its rows are kept out of the WAL.
    pub unlogged: bool,
    /// Where it is stored, when not where the database is.
    pub tablespace: Option<Identifier>,
    /// The table access method; none for a plain view.
    pub method: Option<Identifier>,
    /// Storage or view options, each as `name=value`.
    pub options: Vec<String>,
    /// Storage options of the TOAST table.
    pub toast_options: Vec<String>,
    /// `pg_class.relreplident`.
    pub replica_identity: String,
    /// Whether policies apply.
    pub row_security: bool,
    /// Whether they apply to the owner, too.
    pub force_row_security: bool,
    /// What a person wrote about it.
    pub comment: Option<String>,
    /// Its security labels.
    pub labels: Vec<Label>,
    /// True when nobody ever granted or revoked anything.
    pub acl_is_default: bool,
    /// Who may do what, the owner included.
    pub acl: Vec<Grant>,
    /// The extensions with which it is to be dropped.
    pub extensions: Vec<Identifier>,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// Its indexes by name.
    pub indexes: Vec<Index>,
    /// Its extended statistics.
    pub statistics: Vec<Statistics>,
    /// Triggers of a plain view.
    pub triggers: Vec<Attached>,
    /// Rules of a plain view, without the one that is its query.
    pub rules: Vec<Attached>,
}

impl Carried {
    /// What a new relation carries that nobody has touched.
    pub(super) fn nothing(kind: Kind, owner: Identifier) -> Self {
        Self {
            kind,
            owner,
            populated: true,
            unlogged: false,
            tablespace: None,
            method: None,
            options: Vec::new(),
            toast_options: Vec::new(),
            replica_identity: "d".into(),
            row_security: false,
            force_row_security: false,
            comment: None,
            labels: Vec::new(),
            acl_is_default: true,
            acl: Vec::new(),
            extensions: Vec::new(),
            columns: Vec::new(),
            indexes: Vec::new(),
            statistics: Vec::new(),
            triggers: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// The clauses between the name and `as` of the statement that creates the relation.
    pub(super) fn clauses(&self) -> String {
        let method = self.method.as_ref().map(|method| format!(" using {}", method.to_sql()));
        let toast = self.toast_options.iter().map(|option| option_to_sql("toast.", option));
        let options: Vec<_> =
            self.options.iter().map(|option| option_to_sql("", option)).chain(toast).collect();
        let with = (!options.is_empty()).then(|| format!(" with ({})", options.join(", ")));
        let tablespace = self.tablespace.as_ref().map(|name| format!(" tablespace {}", name.to_sql()));
        [method, with, tablespace].into_iter().flatten().collect()
    }

    /// True when columns must be changed before rows come, because what is stored depends on it.
    pub(super) fn shapes_rows(&self) -> bool {
        self.columns.iter().any(Column::shapes_rows)
    }

    /// How columns store values: to be done while the relation is empty.
    pub(super) fn shape(&self, to: &RelationName) -> Vec<Step> {
        alter_table(to, self.columns.iter().flat_map(Column::shaping))
    }

    /// Indexes, constraints, statistics and what hangs on them: to be done when the rows are there.
    pub(super) fn furnish(&self, to: &RelationName) -> Vec<Step> {
        let mut steps = alter_table(to, self.columns.iter().flat_map(Column::planning));
        steps.extend(self.indexes.iter().flat_map(|index| index.create(to)));
        steps.extend(self.statistics.iter().flat_map(|statistics| statistics.create(to, &self.owner)));
        let identity = match (self.kind, self.replica_identity.as_str()) {
            (Kind::Matview | Kind::Table, "f") => Some("replica identity full"),
            (Kind::Matview | Kind::Table, "n") => Some("replica identity nothing"),
            _ => None,
        };
        let row_security = self.row_security.then_some("enable row level security");
        let forced = self.force_row_security.then_some("force row level security");
        steps.extend(alter_table(
            to,
            [identity, row_security, forced].into_iter().flatten().map(str::to_owned),
        ));
        steps
    }

    /// Comments, labels and privileges. `default_grantees` are those whom the owner's default privileges favour.
    pub(super) fn dress(&self, to: &RelationName, default_grantees: &[Option<Identifier>]) -> Vec<Step> {
        let kind = self.kind.to_sql();
        let target = to.to_sql();
        let mut steps: Vec<Step> = comment(kind, &target, self.comment.as_deref()).into_iter().collect();
        steps.extend(self.labels.iter().map(|label| label.set(kind, &target)));
        steps.extend(self.extensions.iter().map(|extension| {
            Step::sql(format!("alter {kind} {target} depends on extension {}", extension.to_sql()))
        }));
        steps.extend(self.columns.iter().flat_map(|column| column.dress(to)));
        steps.extend(self.grant(to, default_grantees));
        steps
    }

    /// What can be done only under the final names, when the old relation has given them up.
    pub(super) fn settle(&self, name: &RelationName) -> Vec<Step> {
        let mut steps: Vec<Step> = self.indexes.iter().map(|index| index.rename(name)).collect();
        steps.extend(self.statistics.iter().map(Statistics::rename));
        steps.extend(attach("trigger", &self.triggers, name));
        steps.extend(attach("rule", &self.rules, name));
        steps
    }
}

impl Label {
    fn set(&self, kind: &str, target: &str) -> Step {
        let Self { provider, label } = self;
        Step::sql(format!(
            "security label for {} on {kind} {target} is {}",
            literal(provider),
            literal(label)
        ))
    }
}

fn attach<'a>(kind: &str, all: &'a [Attached], name: &RelationName) -> impl Iterator<Item = Step> + use<'a> {
    let (kind, target) = (kind.to_owned(), name.to_sql());
    all.iter().flat_map(move |one| {
        let make = Step::sql(one.definition.trim_end_matches(';'));
        let place = format!("{} on {target}", one.name.to_sql());
        std::iter::once(make).chain(comment(&kind, &place, one.comment.as_deref()))
    })
}

fn comment(kind: &str, target: &str, text: Option<&str>) -> Option<Step> {
    text.map(|text| Step::sql(format!("comment on {kind} {target} is {}", literal(text))))
}

/// One `alter table`, which the server also takes for other relations; none without actions.
fn alter_table(to: &RelationName, actions: impl IntoIterator<Item = String>) -> Vec<Step> {
    let actions: Vec<_> = actions.into_iter().collect();
    if actions.is_empty() {
        return Vec::new();
    }
    vec![Step::sql(format!("alter table {} {}", to.to_sql(), actions.join(", ")))]
}

/// `name=value` as an element of `with (...)`.
fn option_to_sql(prefix: &str, option: &str) -> String {
    let (name, value) = option.split_once('=').unwrap_or((option, "true"));
    format!("{prefix}\"{}\" = {}", name.replace('"', "\"\""), literal(value))
}
