//! What a column carries.

use serde::Deserialize;

use super::{Grant, Label, Step, comment, option_to_sql};
use crate::name::{Identifier, RelationName};

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Column {
    /// Its name.
    pub name: Identifier,
    /// Its type as the server prints it, with the collation where that is not the type's own.
    pub data_type: String,
    /// Whether NULL is refused; only in a table.
    pub not_null: bool,
    /// Its statistics target, when set.
    pub target: Option<i32>,
    /// Planner options such as `n_distinct=100`.
    pub options: Vec<String>,
    /// How long values are stored, when not as the type does.
    pub storage: Option<String>,
    /// The compression method, when set.
    pub compression: Option<String>,
    /// The default of a view's column.
    pub default: Option<String>,
    /// What a person wrote about it.
    pub comment: Option<String>,
    /// Its security labels.
    pub labels: Vec<Label>,
    /// Who may do what with this column alone.
    pub acl: Vec<Grant>,
}

impl Column {
    pub(super) fn shapes_rows(&self) -> bool {
        self.storage.is_some() || self.compression.is_some()
    }

    pub(super) fn shaping(&self) -> impl Iterator<Item = String> {
        let storage = self.storage.as_ref().map(|word| format!("set storage {word}"));
        let compression = self.compression.as_ref().map(|word| format!("set compression {word}"));
        self.alter([storage, compression])
    }

    pub(super) fn planning(&self) -> impl Iterator<Item = String> {
        let not_null = self.not_null.then(|| "set not null".to_owned());
        let target = self.target.map(|target| format!("set statistics {target}"));
        let options: Vec<_> = self.options.iter().map(|option| option_to_sql("", option)).collect();
        let options = (!options.is_empty()).then(|| format!("set ({})", options.join(", ")));
        let default = self.default.as_ref().map(|expression| format!("set default {expression}"));
        self.alter([not_null, target, options, default])
    }

    pub(super) fn dress(&self, to: &RelationName) -> impl Iterator<Item = Step> {
        let target = format!("{}.{}", to.to_sql(), self.name.to_sql());
        let comment = comment("column", &target, self.comment.as_deref());
        comment.into_iter().chain(self.labels.iter().map(move |label| label.set("column", &target)))
    }

    pub(super) fn grants(&self) -> impl Iterator<Item = (Option<&Identifier>, &Grant)> {
        self.acl.iter().map(|grant| (Some(&self.name), grant))
    }

    fn alter<const N: usize>(&self, actions: [Option<String>; N]) -> impl Iterator<Item = String> + use<N> {
        let column = self.name.to_sql();
        actions.into_iter().flatten().map(move |action| format!("alter column {column} {action}"))
    }
}
