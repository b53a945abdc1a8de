//! The rows below a group by, as a union of joins.
//!
//! Law: a [`Branch`] is an inner join of relations, and of functions over their columns, with conditions that look at one joined
//! row. The rows of a query are those of all its branches together, each as often as it comes out of them. So the change
//! of the rows follows from the changes of the relations alone. What is anything else is refused here.

use std::collections::BTreeMap;

use crate::{
    Code, Rejection,
    catalog::QualifiedName,
    ir::{
        Body, ColumnRef, Distinct, Expr, JoinKind, Query, Select, SetOperator, Source, SourceKind, Target,
        Tree,
    },
};

use super::Knowledge;

/// More branches, or more relations in one, are not followed.
const MOST_BRANCHES: usize = 16;

/// An inner join with conditions.
#[derive(Clone, Debug, Default)]
pub(super) struct Branch {
    /// What is joined; functions and constants stand after what they read.
    pub(super) sources: Vec<Source>,
    /// The conjuncts.
    pub(super) filter: Vec<Expr>,
    /// What comes out; columns point to `sources`.
    pub(super) outputs: Vec<Expr>,
}

/// What stands for a source of the query.
#[derive(Clone)]
enum Stand {
    /// A source of the branch.
    Source(usize),
    /// An expression for each of its columns.
    Exprs(Vec<Expr>),
}

/// A branch that is being put together.
#[derive(Clone, Default)]
struct Partial {
    branch: Branch,
    stands: BTreeMap<usize, Stand>,
}

/// The rows of FROM and WHERE, with these expressions over them.
pub(super) fn branches(
    select: &Select,
    outputs: &[Expr],
    known: &Knowledge<'_>,
) -> Result<Vec<Branch>, Rejection> {
    let mut partials = vec![Partial::default()];
    let mut conditions: Vec<Expr> = select.filter.clone();
    for tree in &select.from {
        partials = join_tree(partials, tree, select, &mut conditions, known)?;
    }
    let finish = |mut partial: Partial| {
        for condition in &conditions {
            let condition = partial.translated(condition)?;
            partial.branch.filter.push(condition);
        }
        for output in outputs {
            let output = partial.translated(output)?;
            partial.branch.outputs.push(output);
        }
        Ok(partial.branch)
    };
    partials.into_iter().map(finish).collect()
}

/// The rows of a query that neither groups nor sorts nor leaves out equal ones.
fn branches_of(query: &Query, known: &Knowledge<'_>) -> Result<Vec<Branch>, Rejection> {
    if query.limit.is_some() || query.offset.is_some() {
        return Err(refused("LIMIT in a sub-select", "which rows it leaves out depends on all others"));
    }
    match &query.body {
        Body::Select(select) => {
            plain(select)?;
            let items: Vec<_> = select.items.iter().map(|item| item.expr.clone()).collect();
            branches(select, &items, known)
        }
        Body::Set { operator: SetOperator::Union, all: true, operands } => union_branches(operands, known),
        Body::Set { .. } => Err(refused("UNION, INTERSECT or EXCEPT", "equal rows count together")),
        Body::Values(_) => Err(refused("VALUES", "constants stand where a table is wanted")),
    }
}

/// The branches of all operands of a UNION, with their columns coming out.
pub(super) fn union_branches(operands: &[Query], known: &Knowledge<'_>) -> Result<Vec<Branch>, Rejection> {
    same_types(operands, known)?;
    let mut all = Vec::new();
    for operand in operands {
        all.extend(branches_of(operand, known)?);
    }
    Ok(all)
}

/// An operator over a column means the same in each operand only if the column has one type in all of them.
fn same_types(operands: &[Query], known: &Knowledge<'_>) -> Result<(), Rejection> {
    let types: Vec<_> = operands.iter().map(|operand| known.types(&crate::ir::sql(operand))).collect();
    let base = |types: &Option<Vec<String>>| {
        let bare = |name: &String| name.split('(').next().unwrap_or_default().trim_end().to_owned();
        types.as_ref().map(|types| types.iter().map(bare).collect::<Vec<_>>())
    };
    let first = types.first().and_then(base);
    if first.is_some() && types.iter().all(|types| base(types) == first) {
        return Ok(());
    }
    Err(refused("UNION ALL of different types", "its columns are converted after the operands"))
}

fn plain(select: &Select) -> Result<(), Rejection> {
    let called = select.items.iter().any(|item| item.expr.has_call());
    if select.group.is_some() || !select.having.is_empty() || called {
        return Err(refused("GROUP BY in a sub-select", "its groups change as a whole"));
    }
    if select.distinct != Distinct::No {
        return Err(refused("DISTINCT in a sub-select", "equal rows count together"));
    }
    Ok(())
}

fn join_tree(
    partials: Vec<Partial>,
    tree: &Tree,
    select: &Select,
    conditions: &mut Vec<Expr>,
    known: &Knowledge<'_>,
) -> Result<Vec<Partial>, Rejection> {
    let join = match tree {
        Tree::Source(place) => return add_source(partials, *place, select, known),
        Tree::Join(join) => join,
    };
    if !matches!(join.kind, JoinKind::Inner | JoinKind::Cross) {
        return Err(refused("an outer join", "a change of one side also changes rows of the other"));
    }
    let partials = join_tree(partials, &join.left, select, conditions, known)?;
    let mut partials = join_tree(partials, &join.right, select, conditions, known)?;
    conditions.extend(join.on.iter().cloned());
    for using in &join.using {
        let comparison = crate::ir::Comparison {
            left: Expr::column(using.left.clone()),
            operator: "=".into(),
            right: Expr::column(using.right.clone()),
        };
        conditions.push(Expr { pieces: vec![crate::ir::Piece::Comparison(Box::new(comparison))] });
    }
    if let Some(place) = join.source {
        let merged: Vec<_> = join.using.iter().map(|using| Expr::column(using.left.clone())).collect();
        for partial in &mut partials {
            let merged = merged.iter().map(|expr| partial.translated(expr)).collect::<Result<_, _>>()?;
            partial.stands.insert(place, Stand::Exprs(merged));
        }
    }
    Ok(partials)
}

fn add_source(
    partials: Vec<Partial>,
    place: usize,
    select: &Select,
    known: &Knowledge<'_>,
) -> Result<Vec<Partial>, Rejection> {
    let source = &select.sources[place];
    let within = match &source.kind {
        SourceKind::Query { lateral: false, query } if !query.occurrences().is_empty() => {
            branches_of(query, known)?
        }
        SourceKind::Query { query, .. } if !query.occurrences().is_empty() => {
            return Err(refused("a LATERAL sub-select", "it is another query for each row"));
        }
        SourceKind::Cte { .. } => return Err(refused("a common table expression", "it is read too often")),
        SourceKind::Join => return Err(refused("an alias of a join", "its columns are not followed")),
        _ => {
            return partials.into_iter().map(|partial| partial.with_own(place, source)).collect();
        }
    };
    let mut all = Vec::new();
    for partial in &partials {
        for branch in &within {
            all.push(partial.with_branch(place, branch));
        }
    }
    if all.len() > MOST_BRANCHES {
        return Err(refused("a join of UNION ALLs", "it has too many branches"));
    }
    Ok(all)
}

impl Partial {
    /// Adds a relation, or a function or constants over the columns of sources before.
    fn with_own(mut self, place: usize, source: &Source) -> Result<Self, Rejection> {
        let mut source = source.clone();
        let mut lost = false;
        let stands = &self.stands;
        match &mut source.kind {
            SourceKind::Function { call, .. } => {
                call.substitute(&mut |column| stand_for(stands, column, 0, &mut lost));
            }
            SourceKind::Query { query, .. } => {
                query.substitute(&mut |column| stand_for(stands, column, 1, &mut lost));
            }
            SourceKind::Relation { .. } | SourceKind::Cte { .. } | SourceKind::Join => {}
        }
        if lost {
            return Err(refused("a whole row or a system column", "its parts are not followed"));
        }
        let own = self.branch.sources.len();
        if matches!(source.kind, SourceKind::Query { .. }) {
            source.listed = true;
        }
        source.name = Some(format!("l{own}"));
        self.branch.sources.push(source);
        self.stands.insert(place, Stand::Source(own));
        Ok(self)
    }

    /// Adds the sources of a branch of a sub-select.
    fn with_branch(&self, place: usize, branch: &Branch) -> Self {
        let mut joined = self.clone();
        let offset = joined.branch.sources.len();
        for source in &branch.sources {
            let mut source = source.clone();
            source.name = Some(format!("l{}", joined.branch.sources.len()));
            match &mut source.kind {
                SourceKind::Function { call, .. } => *call = shifted(call, offset),
                SourceKind::Query { query, .. } => {
                    query.substitute(&mut |column| (column.up == 1).then(|| moved(column, offset)));
                }
                SourceKind::Relation { .. } | SourceKind::Cte { .. } | SourceKind::Join => {}
            }
            joined.branch.sources.push(source);
        }
        joined.branch.filter.extend(branch.filter.iter().map(|expr| shifted(expr, offset)));
        let outputs = branch.outputs.iter().map(|expr| shifted(expr, offset)).collect();
        joined.stands.insert(place, Stand::Exprs(outputs));
        joined
    }

    /// An expression of the query as one over the sources of the branch.
    fn translated(&self, expr: &Expr) -> Result<Expr, Rejection> {
        let mut expr = expr.clone();
        let mut lost = false;
        if expr.has_sublink() {
            return Err(refused("a sub-select in an expression", "it is another query for each row"));
        }
        expr.substitute(&mut |column| stand_for(&self.stands, column, 0, &mut lost));
        if lost {
            return Err(refused("a whole row or a system column", "its parts are not followed"));
        }
        Ok(expr)
    }
}

/// What stands for a column of a query that is `out` queries out.
fn stand_for(
    stands: &BTreeMap<usize, Stand>,
    column: &ColumnRef,
    out: usize,
    lost: &mut bool,
) -> Option<Expr> {
    if column.up != out {
        *lost |= column.up > out;
        return None;
    }
    let Target::Column(target) = &column.target else {
        *lost = true;
        return None;
    };
    let found = match stands.get(&column.source) {
        Some(Stand::Source(own)) => {
            Some(Expr::column(ColumnRef { up: 0, source: *own, target: column.target.clone() }))
        }
        Some(Stand::Exprs(exprs)) => exprs.get(*target).cloned(),
        None => None,
    };
    *lost |= found.is_none();
    found.map(|expr| expr.moved_in(out))
}

fn shifted(expr: &Expr, offset: usize) -> Expr {
    let mut expr = expr.clone();
    expr.substitute(&mut |column| (column.up == 0).then(|| moved(column, offset)));
    expr
}

fn moved(column: &ColumnRef, offset: usize) -> Expr {
    Expr::column(ColumnRef { source: column.source + offset, ..column.clone() })
}

impl Branch {
    /// A query with the branch's sources, in whose terms its expressions can be printed.
    pub(super) fn context(&self) -> Query {
        context(self.sources.clone())
    }

    /// The relation that a source reads; none for functions and constants.
    pub(super) fn relation(&self, source: usize) -> Option<&QualifiedName> {
        match &self.sources[source].kind {
            SourceKind::Relation { relation, only: false } => Some(relation),
            _ => None,
        }
    }
}

/// A query with these sources and nothing else.
pub(super) fn context(sources: Vec<Source>) -> Query {
    let select = Select {
        distinct: Distinct::No,
        items: Vec::new(),
        from: (0..sources.len()).map(Tree::Source).collect(),
        sources,
        filter: Vec::new(),
        group: None,
        having: Vec::new(),
        windows: Vec::new(),
    };
    Query {
        with: Vec::new(),
        body: Body::Select(Box::new(select)),
        order: Vec::new(),
        offset: None,
        limit: None,
    }
}

pub(super) fn refused(construct: &str, reason: &str) -> Rejection {
    Rejection::new(Code::NotMaintained, construct, 0..0).because(reason)
}
