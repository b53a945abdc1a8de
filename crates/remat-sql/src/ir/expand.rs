//! The queries of plain views in the place of their names.
//!
//! Law: what the server does when it reads a view, and no more: a view's query becomes a query in FROM, its columns under the
//! names that the catalog has for them. The law of aliases is kept: within a query no source and no common table
//! expression has a name that one around it has, so whatever is moved inwards means the same there.

use std::collections::{BTreeMap, BTreeSet};

use super::{Body, Query, Source, SourceKind, Target, Tree, substitute::Change};
use crate::{
    catalog::QualifiedName,
    rejection::{Code, Rejection},
};

/// How many readings of views one query may stand for: a view that reads another twice, which reads another twice, grows
/// without bound.
const MAX_READINGS: usize = 500;

/// How deep views may stand upon views.
const MAX_DEPTH: usize = 30;

/// How long a name may be, in bytes: the server cuts off the rest.
const MAX_NAME: usize = 63;

/// The query with every reading of these views replaced by the view's query, and so within these.
///
/// ```
/// use std::collections::BTreeMap;
/// use remat_sql::{catalog::*, ir, read};
/// let columns = vec![Column { name: "a".into(), type_name: "integer".into(), not_null: false }];
/// let name = QualifiedName::new("s", "v");
/// let mut catalog = Catalog::default();
/// let relation = Relation { kind: RelationKind::View, columns, keys: Vec::new() };
/// catalog.relations.insert(name.clone(), relation);
/// let view = read("SELECT q.x AS a FROM ( VALUES (1)) q(x)", &catalog).unwrap();
/// let query = read("SELECT v.a FROM s.v", &catalog).unwrap();
/// let expanded = ir::expand(query, &BTreeMap::from([(name, view)])).unwrap();
/// assert!(ir::sql(&expanded).contains(r#"FROM (SELECT "q"."x" AS "a""#), "{}", ir::sql(&expanded));
/// ```
///
/// # Errors
/// When the whole row of a view is a value, which would be of another type, and when the query grows too large.
pub fn expand(mut query: Query, views: &BTreeMap<QualifiedName, Query>) -> Result<Query, Rejection> {
    for query in std::iter::once(&query).chain(views.values()) {
        no_whole_row(query, views)?;
    }
    let mut expansion = Expansion { views, names: names(&query), readings: 0, depth: 0, refused: None };
    query.change(0, &mut expansion);
    expansion.refused.map_or(Ok(query), Err)
}

struct Expansion<'a> {
    views: &'a BTreeMap<QualifiedName, Query>,
    /// The names of all sources and common table expressions, wherever they stand.
    names: BTreeSet<String>,
    readings: usize,
    /// How many views stand around.
    depth: usize,
    refused: Option<Rejection>,
}

impl Change for Expansion<'_> {
    fn query(&mut self, query: &mut Query) {
        let Body::Select(select) = &mut query.body else { return };
        for source in &mut select.sources {
            self.source(source);
        }
    }
}

impl Expansion<'_> {
    fn source(&mut self, source: &mut Source) {
        let SourceKind::Relation { relation, .. } = &source.kind else { return };
        let Some(view) = self.views.get(relation).filter(|_| self.refused.is_none()) else { return };
        self.readings += 1;
        if self.readings > MAX_READINGS || self.depth >= MAX_DEPTH {
            self.refused = Some(
                Rejection::new(Code::TooLarge, format!("view \"{}\"", relation.name), 0..0)
                    .because("views are read too often, or stand too deep upon each other")
                    .hint("Keep one of the views between in a table of its own."),
            );
            return;
        }
        let mut query = view.clone();
        query.change(0, &mut Apart::new(&names(&query), &self.names));
        self.names.extend(names(&query));
        self.depth += 1;
        query.change(0, self);
        self.depth -= 1;
        source.listed |= query.output() != source.columns;
        source.kind = SourceKind::Query { lateral: false, query: Box::new(query) };
    }
}

/// Other names for sources and common table expressions whose names are taken.
struct Apart(BTreeMap<String, String>);

impl Apart {
    fn new(own: &BTreeSet<String>, taken: &BTreeSet<String>) -> Self {
        let mut others: BTreeMap<String, String> = BTreeMap::new();
        for name in own.intersection(taken) {
            let is_free = |other: &String| {
                !own.contains(other) && !taken.contains(other) && !others.values().any(|one| one == other)
            };
            // One of so many is free.
            let numbers = 1..=own.len() + taken.len() + others.len() + 1;
            if let Some(other) = numbers.map(|n| with_number(name, n)).find(is_free) {
                others.insert(name.clone(), other);
            }
        }
        Self(others)
    }

    fn rename(&self, name: &mut String) {
        if let Some(other) = self.0.get(name) {
            name.clone_from(other);
        }
    }

    fn rename_joins(&self, tree: &mut Tree) {
        let Tree::Join(join) = tree else { return };
        if let Some(alias) = &mut join.using_alias {
            self.rename(alias);
        }
        self.rename_joins(&mut join.left);
        self.rename_joins(&mut join.right);
    }
}

impl Change for Apart {
    fn query(&mut self, query: &mut Query) {
        for cte in &mut query.with {
            self.rename(&mut cte.name);
        }
        let Body::Select(select) = &mut query.body else { return };
        for name in select.sources.iter_mut().filter_map(|source| source.name.as_mut()) {
            self.rename(name);
        }
        for tree in &mut select.from {
            self.rename_joins(tree);
        }
    }
}

fn with_number(name: &str, n: usize) -> String {
    let number = format!("_{n}");
    let mut end = name.len().min(MAX_NAME - number.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{number}", &name[..end])
}

fn names(query: &Query) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    query.each_query(&mut Vec::new(), &mut |_, query| {
        names.extend(query.with.iter().map(|cte| cte.name.clone()));
        let sources = query.select().into_iter().flat_map(|select| &select.sources);
        names.extend(sources.filter_map(|source| source.name.clone()));
    });
    names
}

/// The row of a view has the view's type, that of a query in FROM has none.
fn no_whole_row(query: &Query, views: &BTreeMap<QualifiedName, Query>) -> Result<(), Rejection> {
    let whole = query.occurrences().into_iter().find(|occurrence| {
        views.contains_key(occurrence.relation) && occurrence.columns.contains(&Target::Row)
    });
    let Some(whole) = whole else { return Ok(()) };
    let name = &whole.relation.name;
    Err(Rejection::new(Code::NotMaintained, format!("row of view \"{name}\""), 0..0)
        .because(format!("the whole row of view \"{name}\" is used as a value"))
        .hint("Name the columns instead."))
}
