//! The rows of a union of joins in SQL: as they are now, and how they changed.
//!
//! Law: with the change of each relation as rows with weights, the change of a join is the sum over its relations i of
//! now(1..i-1) ⋈ Δi ⋈ before(i+1..n), where before is now less Δ. Each pair of changes is counted once: new state on both
//! sides would count it twice. A relation read twice stands twice.
//!
//! A condition `expr > f(now())` on a relation moves by itself. The relation's change is then σ(t0)(changes) and the rows of the
//! table *now* that t1 admits and t0 did not, less those where it is the other way round (ADR 21 has the proof).

use serde::{Deserialize, Serialize};

use crate::{
    Code, Rejection,
    catalog::QualifiedName,
    ir::{self, Expr, Query, Target},
    window,
};

use super::{Knowledge, Turn, changes_gap, clock, rows::Branch};

/// A union of joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rows {
    joins: Vec<Join>,
    /// The names of what comes out.
    names: Vec<String>,
}

/// An inner join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Join {
    leaves: Vec<Leaf>,
    conditions: Vec<String>,
    outputs: Vec<String>,
}

/// What is joined, under the alias `l<place>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Leaf {
    /// A function or constants, which change with what they read only.
    Derived(String),
    /// A table.
    Table {
        /// Its place among the sources of the plan.
        source: usize,
        /// Its name, quoted.
        name: String,
        /// The columns that are read, quoted.
        columns: Vec<String>,
        /// The conditions that depend on the time.
        bounds: Vec<Bound>,
    },
}

/// A condition `expr operator bound`, the bound alone depending on the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bound {
    /// The condition now, and as of the last refresh.
    now: String,
    since: String,
    /// True for every row for which these differ; an index serves it.
    between: String,
}

impl Rows {
    /// The rows of these branches; `names` for what comes out of them.
    pub(super) fn new(
        branches: &[Branch],
        names: Vec<String>,
        known: &Knowledge<'_>,
    ) -> Result<Self, Rejection> {
        let joins = branches.iter().map(|branch| join(branch, known)).collect::<Result<_, _>>()?;
        Ok(Self { joins, names })
    }

    /// A query of the rows as they are now, each with the weight 1.
    pub(super) fn now(&self) -> String {
        let joins: Vec<_> = self.joins.iter().map(|join| join.now(&self.names)).collect();
        joins.join(" union all ")
    }

    /// A query of the change: rows with weights, possibly several of the same values. None where nothing can have changed.
    pub(super) fn changes(&self, turn: &Turn) -> Option<String> {
        let terms: Vec<_> = self.joins.iter().flat_map(|join| join.terms(&self.names, turn)).collect();
        (!terms.is_empty()).then(|| terms.join(" union all "))
    }

    /// Conditions of which one holds when rows crossed a bound of time.
    pub(super) fn crossings(&self) -> Vec<String> {
        let mut crossings = Vec::new();
        for join in &self.joins {
            for (place, leaf) in join.leaves.iter().enumerate() {
                let Leaf::Table { name, bounds, .. } = leaf else { continue };
                if !bounds.is_empty() {
                    let crossing = crossing(bounds);
                    crossings.push(format!("exists (select from {name} l{place} where {crossing})"));
                }
            }
        }
        crossings.sort();
        crossings.dedup();
        crossings
    }
}

fn join(branch: &Branch, known: &Knowledge<'_>) -> Result<Join, Rejection> {
    let context = branch.context();
    let mut bounds: Vec<Vec<Bound>> = branch.sources.iter().map(|_| Vec::new()).collect();
    let mut conditions = Vec::new();
    for condition in &branch.filter {
        if condition.has_clock() {
            let (place, bound) = bound(&context, branch, condition)?;
            bounds[place].push(bound);
        } else {
            conditions.push(ir::expr_sql(&context, condition));
        }
    }
    if branch.outputs.iter().any(Expr::has_clock) {
        return Err(clock_elsewhere("a column that comes out"));
    }
    let mut leaves = Vec::new();
    for (place, bounds) in bounds.into_iter().enumerate() {
        leaves.push(leaf(branch, &context, place, bounds, known)?);
    }
    let outputs = branch.outputs.iter().map(|output| ir::expr_sql(&context, output)).collect();
    Ok(Join { leaves, conditions, outputs })
}

fn leaf(
    branch: &Branch,
    context: &Query,
    place: usize,
    bounds: Vec<Bound>,
    known: &Knowledge<'_>,
) -> Result<Leaf, Rejection> {
    let Some(name) = branch.relation(place) else {
        let source = context.select().map(|select| &select.sources[place]);
        let asks_clock = source.is_some_and(|source| match &source.kind {
            ir::SourceKind::Function { call, .. } => call.has_clock() || call.has_sublink(),
            ir::SourceKind::Query { query, .. } => query.has_clock(),
            _ => true,
        });
        let sql = ir::source_sql(context, place).filter(|_| !asks_clock && bounds.is_empty());
        return sql.map(Leaf::Derived).ok_or_else(|| clock_elsewhere("a source of FROM"));
    };
    let read = context.columns_of(place, branch);
    let Some(relation) = known.relation(name) else {
        return Err(super::rows::refused("a relation", "it is not in the catalog"));
    };
    let mut columns = Vec::new();
    for target in read {
        let Target::Column(n) = target else {
            return Err(super::rows::refused("a whole row or a system column", "its parts are not followed"));
        };
        let column = &relation.columns[n];
        known.captures(name, &column.name);
        columns.push(ir::quoted(&column.name));
    }
    let source = known.source(name);
    let name = format!("{}.{}", ir::quoted(&name.schema), ir::quoted(&name.name));
    Ok(Leaf::Table { source, name, columns, bounds })
}

/// A condition with a clock, as a bound on one table.
fn bound(context: &Query, branch: &Branch, condition: &Expr) -> Result<(usize, Bound), Rejection> {
    let refused = || clock_elsewhere("a condition that is not `expression < time`");
    let (expr, operator, limit) = window::sides(condition).ok_or_else(refused)?;
    let places: std::collections::BTreeSet<_> = expr.columns().iter().map(|column| column.source).collect();
    let place = places.first().copied().filter(|_| places.len() == 1).ok_or_else(refused)?;
    branch.relation(place).ok_or_else(refused)?;
    let past = clock::as_of_since(limit).ok_or_else(refused)?;
    let (row, now, since) =
        (ir::expr_sql(context, expr), ir::expr_sql(context, limit), ir::expr_sql(context, &past));
    let compared = |bound: &str| format!("({row} {} {bound})", operator.as_str());
    Ok((place, Bound { now: compared(&now), since: compared(&since), between: between(&row, &now, &since) }))
}

/// True for every row that has passed one of two bounds and not the other.
fn between(row: &str, now: &str, since: &str) -> String {
    format!("({row} >= least({now}, {since}) and {row} <= greatest({now}, {since}))")
}

/// Whether a row of a relation lies between a bound as of the last refresh and now. None where the expression names
/// columns of other sources, or the clock cannot be set back.
pub(super) fn crossing_of(
    select: &ir::Select,
    source: usize,
    relation: &QualifiedName,
    expr: &Expr,
    limit: &Expr,
) -> Option<String> {
    if expr.columns().iter().any(|column| column.up > 0 || column.source != source) {
        return None;
    }
    let context = super::rows::context(select.sources.clone());
    let alias = ir::quoted(select.sources[source].name.as_deref()?);
    let (row, now) = (ir::expr_sql(&context, expr), ir::expr_sql(&context, limit));
    let since = ir::expr_sql(&context, &clock::as_of_since(limit)?);
    let table = format!("{}.{}", ir::quoted(&relation.schema), ir::quoted(&relation.name));
    Some(format!("exists (select from {table} as {alias} where {})", between(&row, &now, &since)))
}

fn clock_elsewhere(construct: &str) -> Rejection {
    Rejection::new(Code::Clock, format!("the clock in {construct}"), 0..0)
        .because("the rows that change as time passes cannot be told from one table")
}

/// The rows for which the conditions hold now and did not, or the other way round.
fn crossing(bounds: &[Bound]) -> String {
    let between: Vec<_> = bounds.iter().map(|bound| bound.between.as_str()).collect();
    let (now, since) = (all(bounds, |bound| &bound.now), all(bounds, |bound| &bound.since));
    format!("({}) and coalesce({now}, false) <> coalesce({since}, false)", between.join(" or "))
}

fn all<'a>(bounds: &'a [Bound], of: impl Fn(&'a Bound) -> &'a String) -> String {
    let conditions: Vec<_> = bounds.iter().map(|bound| of(bound).as_str()).collect();
    format!("({})", if conditions.is_empty() { "true".into() } else { conditions.join(" and ") })
}

/// So many changed tables of one term are multiplied out at most; each doubles the number of terms.
const MULTIPLIED_OUT: usize = 2;

/// How the rows of a table before its change are read: they are the rows now, less the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Now,
    LessChange,
    Both,
}

impl Join {
    fn now(&self, names: &[String]) -> String {
        let from: Vec<_> = self.leaves.iter().enumerate().map(|(place, leaf)| leaf.plain(place)).collect();
        let bounds = self.leaves.iter().flat_map(Leaf::bounds).map(|bound| bound.now.clone());
        self.select("1", &from, bounds.collect(), names)
    }

    fn terms(&self, names: &[String], turn: &Turn) -> Vec<String> {
        let moved = (0..self.leaves.len()).filter(|&place| self.leaves[place].moves(turn));
        moved.flat_map(|place| self.terms_of(place, names, turn)).collect()
    }

    /// now(before) ⋈ Δ ⋈ before(after). Where few of those after have changed, their rows before are multiplied out: an index
    /// leads to a table's rows, and to those of a union only where the server sees through it.
    fn terms_of(&self, changed: usize, names: &[String], turn: &Turn) -> Vec<String> {
        let after = changed + 1..self.leaves.len();
        let unlike_now: Vec<_> = after.filter(|&place| self.leaves[place].is_changed(turn)).collect();
        if unlike_now.len() > MULTIPLIED_OUT {
            return vec![self.term(
                changed,
                &|place| if unlike_now.contains(&place) { Before::Both } else { Before::Now },
                names,
                turn,
            )];
        }
        let choices = 0..1_usize << unlike_now.len();
        choices
            .map(|choice| {
                let read = |place: usize| match unlike_now.iter().position(|known| *known == place) {
                    Some(bit) if choice >> bit & 1 == 1 => Before::LessChange,
                    _ => Before::Now,
                };
                self.term(changed, &read, names, turn)
            })
            .collect()
    }

    fn term(
        &self,
        changed: usize,
        before: &dyn Fn(usize) -> Before,
        names: &[String],
        turn: &Turn,
    ) -> String {
        let (mut from, mut conditions, mut weight) = (Vec::new(), Vec::new(), format!("l{changed}.remat_w"));
        for (place, leaf) in self.leaves.iter().enumerate() {
            if place == changed {
                from.push(leaf.change(place, turn));
                continue;
            }
            if place < changed {
                from.push(leaf.plain(place));
                conditions.extend(leaf.bounds().iter().map(|bound| bound.now.clone()));
                continue;
            }
            conditions.extend(leaf.bounds().iter().map(|bound| bound.since.clone()));
            match before(place) {
                Before::Now => from.push(leaf.plain(place)),
                Before::LessChange => {
                    from.push(leaf.logged(place));
                    weight.extend([format!(" * -l{place}.remat_w")]);
                }
                Before::Both => {
                    from.push(leaf.before(place));
                    weight.extend([format!(" * l{place}.remat_w")]);
                }
            }
        }
        self.select(&weight, &from, conditions, names)
    }

    fn select(&self, weight: &str, from: &[String], bounds: Vec<String>, names: &[String]) -> String {
        let outputs = self.outputs.iter().zip(names).map(|(output, name)| format!(", {output} as {name}"));
        let outputs: String = outputs.collect();
        let conditions: Vec<_> = self.conditions.iter().cloned().chain(bounds).collect();
        let from = if from.is_empty() { String::new() } else { format!(" from {}", from.join(", ")) };
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" where {}", conditions.join(" and "))
        };
        format!("select {weight} as w{outputs}{from}{filter}")
    }
}

impl Leaf {
    fn bounds(&self) -> &[Bound] {
        match self {
            Self::Derived(_) => &[],
            Self::Table { bounds, .. } => bounds,
        }
    }

    fn is_changed(&self, turn: &Turn) -> bool {
        matches!(self, Self::Table { source, .. } if turn.changes[*source].is_some())
    }

    fn moves(&self, turn: &Turn) -> bool {
        self.is_changed(turn) || !self.bounds().is_empty()
    }

    fn plain(&self, place: usize) -> String {
        match self {
            Self::Derived(sql) => sql.clone(),
            Self::Table { name, .. } => format!("{name} as l{place}"),
        }
    }

    /// The change, as a row source with weights.
    fn change(&self, place: usize, turn: &Turn) -> String {
        let Self::Table { name, bounds, .. } = self else { return self.plain(place) };
        if bounds.is_empty() {
            return self.logged(place);
        }
        let columns = self.columns(place);
        let mut parts = Vec::new();
        if self.is_changed(turn) {
            let (logged, held) = (self.logged(place), all(bounds, |bound| &bound.since));
            parts.push(format!("select l{place}.remat_w{columns} from {logged} where {held}"));
        }
        let (holds, crossing) = (all(bounds, |bound| &bound.now), crossing(bounds));
        parts.push(format!(
            "select case when {holds} then 1 else -1 end as remat_w{columns} from {name} as l{place} where {crossing}"
        ));
        format!("({}) as l{place}", parts.join(" union all "))
    }

    /// What is logged of the change, as a row source with weights.
    fn logged(&self, place: usize) -> String {
        let Self::Table { source, .. } = self else { return self.plain(place) };
        format!("{} as l{place}", changes_gap(*source))
    }

    /// The rows before, but for the bounds, as a row source with weights. No condition stands in the branches: the server does
    /// not look for an index of a table below one that has.
    fn before(&self, place: usize) -> String {
        let Self::Table { name, .. } = self else { return self.plain(place) };
        let (columns, logged) = (self.columns(place), self.logged(place));
        format!(
            "(select 1 as remat_w{columns} from {name} as l{place} union all \
             select -l{place}.remat_w{columns} from {logged}) as l{place}"
        )
    }

    fn columns(&self, place: usize) -> String {
        let Self::Table { columns, .. } = self else { return String::new() };
        columns.iter().map(|column| format!(", l{place}.{column}")).collect::<Vec<_>>().concat()
    }
}

impl Query {
    /// The columns of a source that a branch reads, functions over them included.
    fn columns_of(&self, place: usize, branch: &Branch) -> std::collections::BTreeSet<Target> {
        let own = branch.filter.iter().chain(&branch.outputs).flat_map(Expr::columns);
        let mut read: std::collections::BTreeSet<_> = own
            .filter(|column| column.up == 0 && column.source == place)
            .map(|column| column.target)
            .collect();
        read.extend(self.columns_read().remove(&place).unwrap_or_default());
        read
    }
}
