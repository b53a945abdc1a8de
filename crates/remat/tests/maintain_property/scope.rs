//! What can be named at a place of a query.
//!
//! Law: a value knows its kind, whether it may be NULL, and how far two right answers may differ in it.

use super::{
    case::Pick,
    kind::{Fidelity, Kind},
};

/// A value in words: an operand.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) sql: String,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) fidelity: Fidelity,
}

impl Value {
    pub(crate) fn new(sql: impl Into<String>, kind: Kind, nullable: bool) -> Self {
        Self { sql: sql.into(), kind, nullable, fidelity: Fidelity::Exact }
    }

    pub(crate) fn of(mut self, fidelity: Fidelity) -> Self {
        self.fidelity = fidelity;
        self
    }

    /// As one of several equal ones that the server may choose from.
    pub(crate) fn chosen(mut self) -> Self {
        if self.kind.has_looks() {
            self.fidelity = self.fidelity.max(Fidelity::Equal);
        }
        self
    }

    pub(crate) fn is_firm(&self) -> bool {
        self.fidelity != Fidelity::Approximate
    }

    /// Whether rows may be sorted by it, and equal ones told to be equal.
    pub(crate) fn is_sortable(&self) -> bool {
        self.is_firm() && self.kind != Kind::Json
    }

    pub(crate) fn is_comparable(&self) -> bool {
        self.is_firm() && !self.kind.is_passed_on()
    }

    /// The same value of a column, under another name.
    pub(crate) fn named(&self, name: impl Into<String>) -> Self {
        Self { sql: name.into(), ..self.clone() }
    }
}

/// Something with columns, and which of them tell its rows apart.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// What stands in FROM.
    pub(crate) sql: String,
    pub(crate) columns: Vec<Value>,
    pub(crate) key: Option<Vec<usize>>,
}

impl Relation {
    /// Its columns as seen through an alias.
    pub(crate) fn seen_as(&self, alias: &str) -> Scope {
        let columns = self.columns.iter().map(|column| column.named(format!("{alias}.{}", column.sql)));
        Scope { columns: columns.collect(), key: self.key.clone() }
    }
}

/// The columns that can be named, and which of them tell rows apart.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) columns: Vec<Value>,
    pub(crate) key: Option<Vec<usize>>,
}

impl Scope {
    /// One of the columns that are like that.
    pub(crate) fn one(&self, pick: Pick, like: impl Fn(&Value) -> bool) -> Option<&Value> {
        chosen(&self.columns.iter().filter(|column| like(column)).collect::<Vec<_>>(), pick).copied()
    }

    pub(crate) fn comparable(&self, pick: Pick) -> Option<&Value> {
        self.one(pick, Value::is_comparable)
    }

    /// What rows are sorted by so that only equal ones tie; none if that cannot be told.
    pub(crate) fn order(&self) -> Option<Vec<String>> {
        let names = |places: &[usize]| places.iter().map(|&place| self.columns[place].sql.clone()).collect();
        match &self.key {
            Some(key) if !key.is_empty() => Some(names(key)),
            _ if self.columns.iter().all(Value::is_sortable) => {
                Some(self.columns.iter().map(|column| column.sql.clone()).collect())
            }
            _ => None,
        }
    }

    /// The columns as they are when the server may choose among rows that are equal.
    pub(crate) fn chosen(&self) -> Self {
        let columns = self.columns.iter().map(|column| column.clone().chosen()).collect();
        Self { columns, key: self.key.clone() }
    }
}

pub(crate) fn chosen<T>(things: &[T], pick: Pick) -> Option<&T> {
    (!things.is_empty()).then(|| &things[usize::from(pick) % things.len()])
}
