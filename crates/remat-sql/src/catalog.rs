//! What the compiler may know about a database.
//!
//! Law: a value, read by somebody else. Names are as the catalogs of the server hold them, types as `format_type` prints
//! them. What is not in here does not exist for the compiler; it refuses a name rather than guess what it means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The name of a relation or function in its schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QualifiedName {
    /// The schema.
    pub schema: String,
    /// The name within it.
    pub name: String,
}

impl QualifiedName {
    /// A name in a schema.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// What an unqualified name means under an empty `search_path`.
    pub fn system(name: impl Into<String>) -> Self {
        Self::new("pg_catalog", name)
    }
}

/// What kind of relation a query reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A table whose rows are in its partitions.
    Partitioned,
    /// A view: a query of its own.
    View,
    /// A materialized view, whose contents change by refreshes only.
    MaterializedView,
    /// A table that only remat writes.
    Managed,
    /// A table whose rows are elsewhere.
    Foreign,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` prints it.
    pub type_name: String,
    /// Whether it is declared NOT NULL.
    pub not_null: bool,
}

/// Columns that no two rows share, by an immediate, valid, complete unique index over columns only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    /// The columns, by name.
    pub columns: Vec<String>,
    /// Whether rows with NULL may be the same (the default of SQL), or NULL counts as a value.
    pub nulls_distinct: bool,
}

/// A relation that a query may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// What it is.
    pub kind: RelationKind,
    /// Its columns in their order, dropped ones left out.
    pub columns: Vec<Column>,
    /// Its unique keys, the primary key first.
    pub keys: Vec<UniqueKey>,
}

impl Relation {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The keys that tell any two rows apart: none of their columns can be NULL, or NULL counts as a value.
    pub fn identities(&self) -> impl Iterator<Item = &UniqueKey> {
        let never_null = |name: &String| self.column(name).is_some_and(|column| column.not_null);
        self.keys.iter().filter(move |key| !key.nulls_distinct || key.columns.iter().all(never_null))
    }
}

/// What the functions of one name are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overloads {
    /// All of them are aggregates, or aggregates and window functions.
    Aggregates,
    /// Some are aggregates, some are not; a call does not tell which it means.
    Mixed,
}

/// Relations and aggregates.
///
/// ```
/// use remat_sql::catalog::{Catalog, Overloads, QualifiedName};
/// let mut catalog = Catalog::default();
/// catalog.aggregates.insert(QualifiedName::system("count"), Overloads::Aggregates);
/// assert!(catalog.relations.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The relations that the query names, or more.
    pub relations: BTreeMap<QualifiedName, Relation>,
    /// The names under which `pg_proc` has an aggregate, those of the server itself included.
    pub aggregates: BTreeMap<QualifiedName, Overloads>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, not_null: bool) -> Column {
        Column { name: name.into(), type_name: "integer".into(), not_null }
    }

    fn key(columns: &[&str], nulls_distinct: bool) -> UniqueKey {
        UniqueKey { columns: columns.iter().map(|&name| name.into()).collect(), nulls_distinct }
    }

    #[test]
    fn a_key_that_may_hold_null_twice_tells_no_rows_apart() {
        let relation = Relation {
            kind: RelationKind::Table,
            columns: vec![column("id", true), column("email", false)],
            keys: vec![key(&["id"], true), key(&["email"], true), key(&["id", "email"], false)],
        };
        let identities: Vec<_> = relation.identities().map(|key| key.columns.len()).collect();
        assert_eq!(identities, [1, 2]);
    }
}
