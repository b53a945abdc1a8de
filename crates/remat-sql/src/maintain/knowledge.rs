//! What a compilation knows and learns: the catalog, types that the server told, and which columns it reads.

use std::{cell::RefCell, collections::BTreeMap};

use crate::catalog::{Catalog, QualifiedName, Relation};

use super::Source;

/// The types of the columns of queries, as the server tells them, by the text of the query.
pub type Types = BTreeMap<String, Vec<String>>;

/// Of one compilation.
pub(super) struct Knowledge<'a> {
    catalog: &'a Catalog,
    types: &'a Types,
    asked: RefCell<Vec<String>>,
    sources: RefCell<Vec<Source>>,
}

impl<'a> Knowledge<'a> {
    pub(super) fn new(catalog: &'a Catalog, types: &'a Types) -> Self {
        Self { catalog, types, asked: RefCell::default(), sources: RefCell::default() }
    }

    pub(super) fn relation(&self, name: &QualifiedName) -> Option<&'a Relation> {
        self.catalog.relations.get(name)
    }

    /// The types of a query's columns; none when the server has not been asked yet.
    pub(super) fn types(&self, query: &str) -> Option<Vec<String>> {
        let known = self.types.get(query).cloned();
        let mut asked = self.asked.borrow_mut();
        if known.is_none() && !asked.iter().any(|asked| asked == query) {
            asked.push(query.to_owned());
        }
        known
    }

    /// The place of a relation among the sources of the plan.
    pub(super) fn source(&self, relation: &QualifiedName) -> usize {
        let mut sources = self.sources.borrow_mut();
        let known = sources.iter().position(|source| source.relation == *relation);
        known.unwrap_or_else(|| {
            sources.push(Source { relation: relation.clone(), columns: Vec::new() });
            sources.len() - 1
        })
    }

    /// Notes that the plan must be told this column of a relation.
    pub(super) fn captures(&self, relation: &QualifiedName, column: &str) {
        let source = self.source(relation);
        let columns = &mut self.sources.borrow_mut()[source].columns;
        if !columns.iter().any(|known| known == column) {
            columns.push(column.to_owned());
        }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.take()
    }

    pub(super) fn forget_sources(&self) {
        self.sources.take();
    }

    pub(super) fn sources(&self) -> Vec<Source> {
        self.sources.take()
    }
}
