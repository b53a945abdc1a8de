//! What can be read off a query without changing it.

use std::collections::{BTreeMap, BTreeSet};

use super::{ColumnRef, Join, JoinKind, Path, Query, Select, SourceKind, Target, Tree};
use crate::catalog::QualifiedName;

/// One reading of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence<'a> {
    /// The way to the query whose source it is.
    pub path: Path,
    /// Its place among the sources there.
    pub source: usize,
    /// Which relation.
    pub relation: &'a QualifiedName,
    /// The columns that the query and those within it name. [`Target::Row`] stands for all.
    pub columns: BTreeSet<Target>,
}

impl Query {
    /// Every reading of a relation, in this query and all within.
    pub fn occurrences(&self) -> Vec<Occurrence<'_>> {
        let mut found = Vec::new();
        self.each_query(&mut Vec::new(), &mut |path, query| {
            let Some(select) = query.select() else { return };
            let mut read = query.columns_read();
            for (place, source) in select.sources.iter().enumerate() {
                if let SourceKind::Relation { relation, .. } = &source.kind {
                    let columns = read.remove(&place).unwrap_or_default();
                    found.push(Occurrence { path: path.clone(), source: place, relation, columns });
                }
            }
        });
        found
    }

    /// The columns of its own sources that it or a query within names, by source.
    pub fn columns_read(&self) -> BTreeMap<usize, BTreeSet<Target>> {
        let mut read: BTreeMap<usize, BTreeSet<Target>> = BTreeMap::new();
        self.each_column(0, &mut |column| {
            if column.up == 0 {
                read.entry(column.source).or_default().insert(column.target);
            }
        });
        read
    }

    /// Whether it names a column of a query around it.
    pub fn is_correlated(&self) -> bool {
        let mut correlated = false;
        self.each_column(0, &mut |column| correlated |= column.up > 0);
        correlated
    }

    /// Calls `f` with this query and every one within, and the way there.
    pub fn each_query<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&Path, &'a Query)) {
        f(path, self);
        for (step, child) in self.children() {
            path.push(step);
            child.each_query(path, f);
            path.pop();
        }
    }

    /// The query that a way leads to.
    pub fn at(&self, path: &[super::Step]) -> Option<&Query> {
        let Some((step, rest)) = path.split_first() else { return Some(self) };
        self.children().into_iter().find(|(own, _)| own == step)?.1.at(rest)
    }
}

/// The columns of a SELECT's own sources that are equal in every row that passes WHERE: two or more in each set.
///
/// Taken from WHERE and from inner joins that no outer join can fill with NULL.
pub fn equalities(select: &Select) -> Vec<BTreeSet<ColumnRef>> {
    let mut pairs = Vec::new();
    for tree in &select.from {
        certain(tree, &mut pairs);
    }
    pairs.extend(select.filter.iter().filter_map(super::Expr::column_equality));
    let mut classes: Vec<BTreeSet<ColumnRef>> = Vec::new();
    for (left, right) in pairs {
        let mut class = BTreeSet::from([left.clone(), right.clone()]);
        let (joined, apart) = classes.into_iter().partition(|known| !known.is_disjoint(&class));
        classes = apart;
        class.extend::<Vec<_>>(Vec::<BTreeSet<_>>::into_iter(joined).flatten().collect());
        classes.push(class);
    }
    classes.sort();
    classes
}

/// The equalities of joins that hold in every row of the tree.
fn certain<'a>(tree: &'a Tree, pairs: &mut Vec<(&'a ColumnRef, &'a ColumnRef)>) {
    let Tree::Join(join) = tree else { return };
    let Join { kind, left, right, on, using, .. } = &**join;
    let (keeps_left, keeps_right) = kind.keeps();
    if !keeps_right {
        certain(left, pairs);
    }
    if !keeps_left {
        certain(right, pairs);
    }
    if *kind == JoinKind::Inner {
        pairs.extend(on.iter().filter_map(super::Expr::column_equality));
        pairs.extend(using.iter().map(|using| (&using.left, &using.right)));
    }
}
