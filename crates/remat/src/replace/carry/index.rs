//! An index, its constraint, and what hangs on it.
//!
//! Law: while both relations stand, an index of the new one has a derived name; it takes its own when the old is gone.

use serde::Deserialize;

use super::{Step, comment};
use crate::name::{Identifier, RelationName, list_to_sql, literal};

/// One index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "the catalog has these flags one by one")]
pub(crate) struct Index {
    /// Its name.
    pub name: Identifier,
    /// Its definition after `using`, as the server prints it.
    pub tail: String,
    /// Whether equal rows are refused.
    pub unique: bool,
    /// Whether the server uses it; one that it does not use is rebuilt sound.
    pub valid: bool,
    /// The access method.
    pub method: Identifier,
    /// Where it is stored, when not where the database is.
    pub tablespace: Option<Identifier>,
    /// Whether `cluster` follows it.
    pub clustered: bool,
    /// Whether it identifies rows for replication.
    pub replica_identity: bool,
    /// What a person wrote about it.
    pub comment: Option<String>,
    /// Its columns, if it has no expressions, predicate or unusual order.
    pub plain_columns: Option<Vec<Identifier>>,
    /// Every column that it reads.
    pub uses: Vec<Identifier>,
    /// Statistics targets of its expressions, by position.
    pub targets: Vec<(i16, i32)>,
    /// The constraint that it enforces.
    pub constraint: Option<Constraint>,
}

/// A primary key or unique constraint; it shares the name of its index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Constraint {
    /// A primary key, or merely unique.
    pub primary: bool,
    /// Whether it can wait for the end of a transaction.
    pub deferrable: bool,
    /// Whether it does so unasked.
    pub deferred: bool,
    /// What a person wrote about it.
    pub comment: Option<String>,
}

impl Index {
    /// An index on plain columns.
    pub(crate) fn on_columns(
        name: Identifier,
        unique: bool,
        method: Identifier,
        columns: Vec<Identifier>,
    ) -> Self {
        Self {
            name,
            tail: format!("{} ({})", method.to_sql(), list_to_sql(&columns)),
            unique,
            valid: true,
            method,
            tablespace: None,
            clustered: false,
            replica_identity: false,
            comment: None,
            uses: columns.clone(),
            plain_columns: Some(columns),
            targets: Vec::new(),
            constraint: None,
        }
    }

    /// Its name while the old relation stands.
    pub(crate) fn scratch(&self) -> Identifier {
        self.name.derived("new")
    }

    /// True when it serves whatever the other was asked for.
    pub(crate) fn serves(&self, asked: &Self) -> bool {
        self.plain_columns == asked.plain_columns
            && self.plain_columns.is_some()
            && self.method == asked.method
            && (self.unique || !asked.unique)
            && (self.constraint.is_some() || asked.constraint.is_none())
    }

    pub(super) fn create(&self, to: &RelationName) -> Vec<Step> {
        let scratch = self.scratch();
        let place = RelationName { schema: to.schema.clone(), name: scratch.clone() }.to_sql();
        let (table, scratch) = (to.to_sql(), scratch.to_sql());
        let unique = if self.unique { "unique " } else { "" };
        let mut steps =
            vec![Step::sql(format!("create {unique}index {scratch} on {table} using {}", self.tail))];
        if let Some(tablespace) = &self.tablespace {
            steps.insert(0, Step::sql(default_tablespace(tablespace.as_str())));
            steps.push(Step::sql(default_tablespace("")));
        }
        steps.extend(self.targets.iter().map(|(position, target)| {
            Step::sql(format!("alter index {place} alter column {position} set statistics {target}"))
        }));
        if let Some(constraint) = &self.constraint {
            steps.extend(constraint.add(&table, &scratch));
        }
        if self.replica_identity {
            steps.push(Step::sql(format!("alter table {table} replica identity using index {scratch}")));
        }
        if self.clustered {
            steps.push(Step::sql(format!("alter table {table} cluster on {scratch}")));
        }
        steps.extend(comment("index", &place, self.comment.as_deref()));
        steps
    }

    pub(super) fn rename(&self, relation: &RelationName) -> Step {
        let place = RelationName { schema: relation.schema.clone(), name: self.scratch() };
        Step::sql(format!("alter index {} rename to {}", place.to_sql(), self.name.to_sql()))
    }
}

impl Constraint {
    /// A primary key that is checked at once.
    pub(crate) fn primary_key() -> Self {
        Self { primary: true, deferrable: false, deferred: false, comment: None }
    }

    fn add(&self, table: &str, name: &str) -> impl Iterator<Item = Step> {
        let kind = if self.primary { "primary key" } else { "unique" };
        let deferrable = if self.deferrable { " deferrable" } else { "" };
        let deferred = if self.deferred { " initially deferred" } else { "" };
        let add = format!(
            "alter table {table} add constraint {name} {kind} using index {name}{deferrable}{deferred}"
        );
        let comment = comment("constraint", &format!("{name} on {table}"), self.comment.as_deref());
        std::iter::once(Step::sql(add)).chain(comment)
    }
}

/// Where indexes go that are created next: a clause in the statement would have to stand in the middle of the tail.
fn default_tablespace(name: &str) -> String {
    format!("select pg_catalog.set_config('default_tablespace', {}, true)", literal(name))
}
