//! Flat joins: the readings of relations that rows of a view can be traced through, and the conditions between them.
//!
//! Law: a context stands for readings whose rows matter together. Those of the root are present in every row of the view that
//! the flat join stands for; those of any other context (a sub-select of an expression, the side of an outer join
//! that may be missing) matter only to rows of the contexts around it, which do not need them. A condition counts only if
//! everything that it names is present wherever it counts; leaving one out makes the superset larger, never wrong.

use std::collections::BTreeSet;

use crate::{
    catalog::{Column, QualifiedName},
    ir::{ColumnRef, Comparison, Expr, Piece, Target},
};

/// A flat join. Columns in its expressions have the places of leaves for sources.
#[derive(Clone, Debug, Default)]
pub(super) struct Flat {
    pub(super) leaves: Vec<Leaf>,
    /// The context around each; none around the root, which is the first.
    pub(super) parents: Vec<Option<usize>>,
    pub(super) conjuncts: Vec<Conjunct>,
    pub(super) windows: Vec<Window>,
    /// Contexts without which no row of the root is at issue.
    pub(super) required: BTreeSet<usize>,
    /// Contexts whose rows matter to rows of all kinds, but are few: those with a NULL where it counts.
    pub(super) guarded: BTreeSet<usize>,
}

/// A reading of something with rows.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) context: usize,
    pub(super) kind: LeafKind,
}

/// What is read.
#[derive(Clone, Debug)]
pub(super) enum LeafKind {
    /// A relation, with its columns.
    Relation { name: QualifiedName, only: bool, columns: Vec<Column> },
    /// A function.
    Function { call: Expr, columns: Vec<String>, ordinality: bool, types: Option<Vec<String>> },
    /// Rows that are written down.
    Values { rows: Vec<Vec<Expr>> },
}

/// A condition, and the context whose rows it holds for.
#[derive(Clone, Debug)]
pub(super) struct Conjunct {
    pub(super) context: usize,
    pub(super) expr: Expr,
}

/// A condition on rows of one leaf that holds for a time.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) leaf: usize,
    pub(super) expr: Expr,
    pub(super) bound: Expr,
}

impl Flat {
    /// Without leaves, with its root.
    pub(super) fn new() -> Self {
        Self { parents: vec![None], ..Self::default() }
    }

    pub(super) fn add_context(&mut self, parent: usize) -> usize {
        self.parents.push(Some(parent));
        self.parents.len() - 1
    }

    /// Adds a leaf; gives its columns.
    pub(super) fn add_leaf(&mut self, context: usize, kind: LeafKind) -> Vec<Option<Expr>> {
        let leaf = self.leaves.len();
        let width = kind.width();
        self.leaves.push(Leaf { context, kind });
        (0..width).map(|place| Some(column(leaf, place))).collect()
    }

    pub(super) fn add_conjunct(&mut self, context: usize, expr: Expr) {
        self.conjuncts.push(Conjunct { context, expr });
    }

    /// Adds what another flat join has beside a base that both grew from.
    pub(super) fn absorb(&mut self, base: &Self, mut other: Self) {
        let leaves = self.leaves.len() - base.leaves.len();
        let contexts = self.parents.len() - base.parents.len();
        let context_of = |own: usize| if own < base.parents.len() { own } else { own + contexts };
        let shift = |expr: &mut Expr| shift(expr, base.leaves.len(), leaves);
        for leaf in &mut other.leaves[base.leaves.len()..] {
            leaf.context = context_of(leaf.context);
            leaf.kind.exprs_mut().into_iter().for_each(shift);
        }
        for conjunct in &mut other.conjuncts[base.conjuncts.len()..] {
            conjunct.context = context_of(conjunct.context);
            shift(&mut conjunct.expr);
        }
        for window in &mut other.windows[base.windows.len()..] {
            if window.leaf >= base.leaves.len() {
                window.leaf += leaves;
            }
            shift(&mut window.expr);
        }
        self.guarded.extend(other.guarded.into_iter().map(context_of));
        self.leaves.extend(other.leaves.drain(base.leaves.len()..));
        self.parents.extend(other.parents[base.parents.len()..].iter().map(|parent| parent.map(context_of)));
        self.conjuncts.extend(other.conjuncts.drain(base.conjuncts.len()..));
        self.windows.extend(other.windows.drain(base.windows.len()..));
    }

    pub(super) fn context_of(&self, column: &ColumnRef) -> usize {
        self.leaves[column.source].context
    }

    /// The contexts that are present wherever a row of this one matters: those around it, and those whose columns a
    /// condition compares, since a comparison with NULL is never true.
    pub(super) fn visible(&self, context: usize) -> BTreeSet<usize> {
        let mut visible = BTreeSet::from([context]);
        loop {
            let mut more: BTreeSet<usize> = visible.iter().filter_map(|own| self.parents[*own]).collect();
            if visible.contains(&0) {
                more.extend(&self.required);
            }
            let own = self.conjuncts.iter().filter(|conjunct| visible.contains(&conjunct.context));
            more.extend(
                own.flat_map(|conjunct| strict_columns(&conjunct.expr)).map(|of| self.context_of(of)),
            );
            if more.is_subset(&visible) {
                return visible;
            }
            visible.extend(more);
        }
    }

    /// The conditions that hold wherever a row of these contexts matters.
    pub(super) fn holding(&self, visible: &BTreeSet<usize>) -> Vec<&Expr> {
        let own = self.conjuncts.iter().filter(|conjunct| visible.contains(&conjunct.context));
        let counts = |conjunct: &&Conjunct| {
            let present = self.visible(conjunct.context);
            conjunct.expr.columns().iter().all(|column| present.contains(&self.context_of(column)))
        };
        own.filter(counts).map(|conjunct| &conjunct.expr).collect()
    }

    /// Sets of columns that are equal under these conditions, each of kin types.
    pub(super) fn classes(&self, holding: &[&Expr]) -> Vec<BTreeSet<ColumnRef>> {
        let mut classes: Vec<BTreeSet<ColumnRef>> = Vec::new();
        for (left, right) in holding.iter().filter_map(|expr| self.kin(expr)) {
            let mut class = BTreeSet::from([left.clone(), right.clone()]);
            let (joined, apart): (Vec<_>, Vec<_>) =
                classes.into_iter().partition(|known| !known.is_disjoint(&class));
            classes = apart;
            class.extend(joined.into_iter().flatten());
            classes.push(class);
        }
        classes
    }

    /// The columns that a condition says are equal, where their types compare without conversion.
    pub(super) fn kin<'a>(&self, expr: &'a Expr) -> Option<(&'a ColumnRef, &'a ColumnRef)> {
        let (left, right) = expr.column_equality()?;
        are_kin(self.type_of(left)?, self.type_of(right)?).then_some((left, right))
    }

    /// The type of a column, where it is one of a relation.
    pub(super) fn type_of(&self, of: &ColumnRef) -> Option<&str> {
        self.column_of(of).map(|column| column.type_name.as_str())
    }

    pub(super) fn column_of(&self, of: &ColumnRef) -> Option<&Column> {
        match (&self.leaves[of.source].kind, &of.target) {
            (LeafKind::Relation { columns, .. }, Target::Column(place)) => columns.get(*place),
            _ => None,
        }
    }
}

impl LeafKind {
    fn width(&self) -> usize {
        match self {
            Self::Relation { columns, .. } => columns.len(),
            Self::Function { columns, .. } => columns.len(),
            Self::Values { rows } => rows.first().map_or(0, Vec::len),
        }
    }

    /// What it names of leaves before it.
    pub(super) fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Relation { .. } => Vec::new(),
            Self::Function { call, .. } => vec![call],
            Self::Values { rows } => rows.iter().flatten().collect(),
        }
    }

    fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::Relation { .. } => Vec::new(),
            Self::Function { call, .. } => vec![call],
            Self::Values { rows } => rows.iter_mut().flatten().collect(),
        }
    }
}

pub(super) fn column(leaf: usize, place: usize) -> Expr {
    Expr::column(ColumnRef { up: 0, source: leaf, target: Target::Column(place) })
}

/// `left = right`.
pub(super) fn equal(left: Expr, right: Expr) -> Expr {
    let comparison = Comparison { left, operator: "=".to_owned(), right };
    Expr { pieces: vec![Piece::Comparison(Box::new(comparison))] }
}

/// Words, expressions and words again, as one expression.
pub(super) fn words(parts: &[&dyn Fn() -> Expr]) -> Expr {
    let mut expr = Expr::default();
    for part in parts {
        part().pieces.into_iter().for_each(|piece| expr.push(piece));
    }
    expr
}

/// The columns that are not NULL where a condition holds.
fn strict_columns(expr: &Expr) -> impl Iterator<Item = &ColumnRef> {
    let sides = expr.comparison().map(|comparison| [&comparison.left, &comparison.right]);
    sides.into_iter().flatten().filter_map(Expr::bare_column)
}

/// Whether `=` between columns of these types is transitive, and no value of one can fail to be compared with the other.
pub(super) fn are_kin(left: &str, right: &str) -> bool {
    let base = |of: &str| of.split('(').next().unwrap_or_default().trim_end().to_owned();
    let (left_base, right_base) = (base(left), base(right));
    let both = |kinds: &[&str]| kinds.contains(&&*left_base) && kinds.contains(&&*right_base);
    left == right
        || (left_base == right_base && left_base != "timestamp" && left_base != "time")
        || both(&["smallint", "integer", "bigint"])
        || both(&["text", "character varying"])
}

fn shift(expr: &mut Expr, from: usize, by: usize) {
    expr.substitute(&mut |of| {
        let source = if of.source < from { of.source } else { of.source + by };
        Some(Expr::column(ColumnRef { source, ..of.clone() }))
    });
}
