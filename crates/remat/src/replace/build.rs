//! A relation that is built beside the one whose name it will take.
//!
//! Law: it is made by the role that will own it, so that its query runs with that role's rights. The query is parsed
//! and run under the definition's search path; everything else names its objects in full, under an empty one.

use serde_json::json;

use super::{
    carry::{Carried, Constraint, Index, Kind},
    script::{Phase, Script, Step, search_path},
};
use crate::{
    name::{Identifier, RelationName, hash},
    pg::Restricted,
    view::{IndexSpec, RelationKind},
};

/// What is to stand under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRelation {
    /// Its final name.
    pub name: RelationName,
    /// A materialized view or a managed table.
    pub kind: RelationKind,
    /// Where its rows come from.
    pub source: Source,
    /// Who owns it; the old relation's owner, or else the session's role, when not named.
    pub owner: Option<Identifier>,
    /// Columns that tell rows apart.
    pub key: Vec<Identifier>,
    /// Further indexes.
    pub indexes: Vec<IndexSpec>,
    /// Whether the query is run.
    pub with_data: bool,
}

/// Where the rows of a new relation come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A query that a person wrote: exactly one SELECT.
    Query(String),
    /// The query of the relation that stands in the database, never one that was edited since.
    Deployed,
}

impl NewRelation {
    /// The indexes that the definition asks for, the one on the key first.
    pub(super) fn asked_indexes(&self) -> Vec<Index> {
        let key = (!self.key.is_empty()).then(|| {
            let mut index = Index::on_columns(self.name.name.derived("key"), true, btree(), self.key.clone());
            index.constraint = (self.kind == RelationKind::Table).then(Constraint::primary_key);
            index
        });
        let further = self.indexes.iter().map(|spec| {
            let name = spec_name(&self.name, &spec_hash(spec));
            Index::on_columns(name, spec.unique, spec.method.clone(), spec.columns.clone())
        });
        key.into_iter().chain(further).collect()
    }
}

/// Whether an index of the old relation came from a definition, which decides anew whether it is wanted.
pub(super) fn came_from_definition(relation: &RelationName, index: &Index) -> bool {
    let template = spec_name(relation, "00000000");
    let stem = &template.as_str()[..template.as_str().len() - 8];
    let from_spec =
        index.name.as_str().len() == template.as_str().len() && index.name.as_str().starts_with(stem);
    from_spec || index.name == relation.name.derived("key")
}

fn spec_name(relation: &RelationName, hash: &str) -> Identifier {
    relation.name.derived(&format!("ix_{hash}"))
}

fn spec_hash(spec: &IndexSpec) -> String {
    hash(&serde_json::to_string(spec).expect("an index specification always serializes"))[..8].to_owned()
}

fn btree() -> Identifier {
    Identifier::new("btree").expect("btree is a legal name")
}

/// Where the rows come from, with every name decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// A definition's query, or a deployed one printed under its search path; counted as it is built.
    Pinned(String),
    /// A dependent's query, printed in full.
    Full(String),
    /// A managed table's defining view, which is made here when there is a query.
    Defined { view: RelationName, query: Option<String> },
}

/// One relation to be built, and the one that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) name: RelationName,
    pub(super) scratch: RelationName,
    pub(super) contents: Contents,
    pub(super) carried: Carried,
    pub(super) default_grantees: Vec<Option<Identifier>>,
    pub(super) old: Option<Old>,
}

/// A relation that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Old {
    pub(super) oid: u32,
    pub(super) kind: Kind,
    pub(super) name: RelationName,
    pub(super) owner: Identifier,
}

impl Old {
    pub(super) fn of(oid: u32, name: &RelationName, carried: &Carried) -> Self {
        Self { oid, kind: carried.kind, name: name.clone(), owner: carried.owner.clone() }
    }
}

impl Built {
    /// Adds the steps that build it. `path` is the definition's search path, `home` the session's role.
    pub(super) fn build(&self, path: &[Identifier], home: &Identifier, script: &mut Script) {
        let role = Step::Become(self.carried.owner.clone());
        if let Contents::Defined { view, query: Some(query) } = &self.contents {
            let room = (self.carried.owner != *home).then(|| grant_room(&self.carried.owner));
            script.add(Phase::Build, room);
            let create = format!("create view {} as\n{query}\n", view.to_sql());
            script.add(Phase::Build, [role.clone(), search_path(path), Step::Sql(create)]);
        }
        script.add(Phase::Build, [role, search_path(&[])]);
        script.add(Phase::Build, self.fill(path));
        script.add(Phase::Build, [search_path(&[])]);
        script.add(Phase::Index, self.carried.furnish(&self.scratch));
        if self.carried.populated && self.carried.kind != Kind::View {
            script.add(Phase::Analyze, [Step::sql(format!("analyze {}", self.scratch.to_sql()))]);
        }
        script.add(Phase::Carry, self.carried.dress(&self.scratch, &self.default_grantees));
        script.add(Phase::Carry, [Step::Return]);
        if self.carried.kind == Kind::Table {
            script.add(Phase::Carry, [self.guard()]);
        }
    }

    fn fill(&self, path: &[Identifier]) -> Vec<Step> {
        let data = self.carried.populated;
        match &self.contents {
            Contents::Full(query) if self.carried.kind == Kind::View => {
                vec![Step::sql(self.create("view", query, ""))]
            }
            Contents::Full(query) => self.create_then_refresh(query, search_path(&[]), path, Step::Sql),
            Contents::Pinned(query) if data && self.carried.shapes_rows() => {
                let mut steps = self.create_then_refresh(query, search_path(path), path, Step::Fill);
                steps.push(Step::Count(format!("select count(*) from {}", self.scratch.to_sql())));
                steps
            }
            Contents::Pinned(query) => {
                let mut steps = vec![search_path(path)];
                steps.push(filling(data, self.create("materialized view", query, with_data(data))));
                steps.extend(self.carried.shape(&self.scratch));
                steps
            }
            Contents::Defined { view, .. } => self.fill_table(view, path),
        }
    }

    /// For a query that must be parsed under one search path and run under another, or whose rows need columns that
    /// are altered first. `refresh` makes the step that runs the query: only for the view itself, and not for its
    /// dependents, is it the one that tells how fresh the view is.
    fn create_then_refresh(
        &self,
        query: &str,
        parse_path: Step,
        run_path: &[Identifier],
        refresh: fn(String) -> Step,
    ) -> Vec<Step> {
        let mut steps =
            vec![parse_path, Step::sql(self.create("materialized view", query, with_data(false)))];
        steps.extend(self.carried.shape(&self.scratch));
        if self.carried.populated {
            steps.push(search_path(run_path));
            steps.push(refresh(format!("refresh materialized view {}", self.scratch.to_sql())));
        }
        steps
    }

    fn fill_table(&self, view: &RelationName, path: &[Identifier]) -> Vec<Step> {
        let data = self.carried.populated;
        let kind = if self.carried.unlogged { "unlogged table" } else { "table" };
        let query = format!("select * from {}", view.to_sql());
        let mut steps = vec![search_path(path)];
        let run = |sql: String| {
            Step::FillTable(Restricted::new(view.derived("run"), &json!([{ "sql": sql }]), path, 0))
        };
        if data && !self.carried.shapes_rows() {
            steps.push(run(self.create(kind, &query, "")));
            return steps;
        }
        steps.push(Step::sql(self.create(kind, &query, with_data(false))));
        steps.extend(self.carried.shape(&self.scratch));
        let insert = format!("insert into {} {query}", self.scratch.to_sql());
        steps.extend(data.then(|| run(insert)));
        steps
    }

    /// The query stands on lines of its own: it may end in a comment.
    fn create(&self, kind: &str, query: &str, with_data: &str) -> String {
        let (name, clauses) = (self.scratch.to_sql(), self.carried.clauses());
        format!("create {kind} {name}{clauses} as\n{query}\n{with_data}")
    }

    fn guard(&self) -> Step {
        Step::sql(format!(
            "create trigger remat_guard before insert or update or delete or truncate on {} \
             for each statement execute function remat.refuse_write()",
            self.scratch.to_sql()
        ))
    }
}

/// A role that owns managed tables also owns the views that define them, in remat's schema, and what a merge makes.
fn grant_room(owner: &Identifier) -> Step {
    Step::sql(format!("grant usage, create on schema remat_query to {}", owner.to_sql()))
}

fn with_data(data: bool) -> &'static str {
    if data { "with data" } else { "with no data" }
}

fn filling(data: bool, sql: String) -> Step {
    if data { Step::Fill(sql) } else { Step::Sql(sql) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_of_a_definition_are_known_by_name_however_long_the_name() {
        for view in ["sales".to_owned(), "x".repeat(63), "é".repeat(31)] {
            let relation = RelationName::new("public", view).unwrap();
            let spec = IndexSpec { columns: vec![btree()], unique: false, method: btree() };
            let named = |name: Identifier| Index::on_columns(name, false, btree(), vec![btree()]);
            assert!(came_from_definition(&relation, &named(spec_name(&relation, &spec_hash(&spec)))));
            assert!(came_from_definition(&relation, &named(relation.name.derived("key"))));
            assert!(!came_from_definition(&relation, &named(relation.name.derived("keys"))));
            assert!(!came_from_definition(&relation, &named(relation.name.clone())));
        }
    }
}
