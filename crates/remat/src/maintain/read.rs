//! What the compiler is told about a view: its query with plain views expanded, and as much of the catalog as it names.
//!
//! Law: one statement reads all of it, and only what the query reads and calls. What cannot be followed, whatever the
//! compiler can do, is refused here: relations whose changes nobody can log, functions that are not settled by their
//! arguments.

use std::collections::{BTreeMap, BTreeSet};

use remat_sql::{
    Rejection,
    catalog::{self, Overloads, QualifiedName, RelationKind, UniqueKey},
    ir::{self, Query},
};
use serde::Deserialize;
use tokio_postgres::types::Type;

use super::{calls, relations};
use crate::{
    failure::{Failure, FailureKind},
    name::RelationName,
    pg::Session,
};

/// Object ids below are the server's own.
pub(super) const FIRST_OF_USERS: u32 = 16_384;

/// What was read about a view, judged and expanded.
#[derive(Debug)]
pub(super) struct Reading {
    /// Its query, plain views expanded.
    pub(super) query: Query,
    /// What the query may name.
    pub(super) catalog: catalog::Catalog,
    /// The columns of the relation that stands for the view.
    pub(super) columns: Vec<catalog::Column>,
    /// The relations that it reads, as the server has them.
    pub(super) relations: BTreeMap<QualifiedName, Relation>,
}

/// What [`catalog.sql`](read) gives.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    /// The object id of the relation whose query it is.
    pub(super) root: u32,
    relations: Vec<Relation>,
    pub(super) functions: Vec<Function>,
    pub(super) session_words: bool,
    pub(super) hidden_clock: bool,
}

/// A relation, as the server has it.
#[derive(Clone, Debug, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is one fact of the catalog")]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) persistence: String,
    pub(super) owner: u32,
    /// Whether the query or a view below reads it.
    pub(super) read: bool,
    /// Whether it is a view that reads with the rights of whoever reads it.
    pub(super) invoker: bool,
    pub(super) row_security: bool,
    /// Whether it stands for a view of remat.
    pub(super) managed: bool,
    /// Whether it stands below another table.
    pub(super) inherits: bool,
    /// A table itself and all that stands below it.
    pub(super) levels: Vec<Level>,
    /// The query of a view, as the server prints it.
    pub(super) query: Option<String>,
    pub(super) columns: Vec<Column>,
    /// How many there are, by the server's estimate; negative where it has none.
    pub(super) rows: f64,
    /// The columns with which an index begins that has all rows.
    pub(super) leads: Vec<String>,
    keys: Vec<Key>,
}

/// A table or something below it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Level {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) persistence: String,
    pub(super) partition: bool,
    pub(super) replicated: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) number: i16,
    #[serde(rename = "type")]
    type_name: String,
    not_null: bool,
    /// Whether it is computed when it is read.
    pub(super) r#virtual: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Key {
    columns: Vec<String>,
    nulls_distinct: bool,
}

/// A function that a query calls, by name, by an operator, or below an aggregate.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Function {
    /// The object id of the view whose query calls it.
    pub(super) relation: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) volatility: String,
    pub(super) kind: String,
    pub(super) of_server: bool,
}

/// Reads what the query of the relation `root` names, where there is one; `stands` is the relation that stands for the
/// view. Within [`full_names`].
pub(super) async fn facts(
    session: &Session,
    root: &RelationName,
    stands: u32,
) -> Result<Option<Facts>, Failure> {
    let root = root.to_sql();
    let params = [(&root as _, Type::TEXT), (&stands as _, Type::OID)];
    let row = session.query_one(include_str!("catalog.sql"), &params).await?;
    let facts = row.get::<_, Option<&str>>(0).map(serde_json::from_str).transpose();
    facts.map_err(|error| Failure::new(FailureKind::Other, error.to_string()))
}

/// Does work while every name is printed in full. The session is in a transaction; its own path comes back unless the
/// work fails.
pub(super) async fn full_names<T>(
    session: &Session,
    work: impl AsyncFnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let path: String = session.query_one(FULL_NAMES, &[]).await?.get(0);
    let done = work().await?;
    session.query(OLD_NAMES, &[(&path as _, Type::TEXT)]).await?;
    Ok(done)
}

const FULL_NAMES: &str =
    "select pg_catalog.current_setting('search_path'), pg_catalog.set_config('search_path', '', true)";

const OLD_NAMES: &str = "select pg_catalog.set_config('search_path', $1, true)";

impl Facts {
    /// The relation whose query it is.
    pub(super) fn root(&self) -> Option<&Relation> {
        self.relation(self.root)
    }

    fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations().find(|relation| relation.oid == oid)
    }

    pub(super) fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.iter()
    }

    /// Judges and reads. `text` is the query of the root.
    pub(super) fn read(&self, text: &str, stands: u32) -> Result<Reading, Rejection> {
        relations::check(self, text)?;
        calls::check(self, text)?;
        let catalog = self.catalog();
        let mut views = BTreeMap::new();
        for relation in self.relations().filter(|relation| relation.read && relation.kind == "v") {
            let text = relation.query.as_deref().unwrap_or_default();
            views.insert(
                relation.qualified(),
                remat_sql::read(text, &catalog).map_err(|refused| below(refused, relation))?,
            );
        }
        let query = ir::expand(remat_sql::read(text, &catalog)?, &views)?;
        let columns = self.relation(stands).map(Relation::catalog_columns).unwrap_or_default();
        let read = self.relations().filter(|relation| relation.read);
        let relations = read.map(|relation| (relation.qualified(), relation.clone())).collect();
        Ok(Reading { query, catalog, columns, relations })
    }

    fn catalog(&self) -> catalog::Catalog {
        let read = self.relations().filter(|relation| relation.read);
        catalog::Catalog {
            relations: read.map(|relation| (relation.qualified(), relation.for_compiler())).collect(),
            aggregates: self.aggregates(),
        }
    }

    /// A name that the query calls no aggregate by is none of an aggregate here, whatever else has it.
    fn aggregates(&self) -> BTreeMap<QualifiedName, Overloads> {
        let name = |function: &Function| QualifiedName::new(&*function.schema, &*function.name);
        let (aggregates, others): (Vec<_>, Vec<_>) =
            self.functions.iter().partition(|function| matches!(function.kind.as_str(), "a" | "w"));
        let others: BTreeSet<_> = others.into_iter().map(name).collect();
        let aggregates = aggregates.into_iter().filter(|function| function.kind == "a").map(name);
        aggregates
            .map(|name| {
                let overloads = if others.contains(&name) { Overloads::Mixed } else { Overloads::Aggregates };
                (name, overloads)
            })
            .collect()
    }
}

impl Relation {
    pub(super) fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&*self.schema, &*self.name)
    }

    fn for_compiler(&self) -> catalog::Relation {
        let keys = self.keys.iter();
        catalog::Relation {
            kind: match (self.kind.as_str(), self.managed) {
                ("p", _) => RelationKind::Partitioned,
                ("v", _) => RelationKind::View,
                ("m", _) => RelationKind::MaterializedView,
                ("f", _) => RelationKind::Foreign,
                (_, true) => RelationKind::Managed,
                (_, false) => RelationKind::Table,
            },
            columns: self.catalog_columns(),
            keys: keys
                .map(|key| UniqueKey { columns: key.columns.clone(), nulls_distinct: key.nulls_distinct })
                .collect(),
        }
    }

    fn catalog_columns(&self) -> Vec<catalog::Column> {
        let columns = self.columns.iter();
        columns
            .map(|column| catalog::Column {
                name: column.name.clone(),
                type_name: column.type_name.clone(),
                not_null: column.not_null,
            })
            .collect()
    }
}

/// Where it stands in the text of a view below says nothing about the text of the query.
fn below(mut refused: Rejection, view: &Relation) -> Rejection {
    refused.span = 0..0;
    refused.construct = format!("{} in view \"{}.{}\"", refused.construct, view.schema, view.name);
    refused
}
