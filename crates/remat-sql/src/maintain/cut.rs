//! Cuts a group by off what stands above it.
//!
//! Law: a group by becomes a hidden table of states; whatever stood above reads that table instead and means the same. Where nothing but
//! a projection stands above, the groups are the rows of the public table and follow the change to the end. Else the public table is
//! computed again as a whole, from tables that are as small as the groups.

use std::collections::BTreeSet;

use crate::{
    Rejection,
    catalog::QualifiedName,
    ir::{
        self, Body, ColumnRef, Distinct, Expr, Item, OrderKey, Query, Select, SetOperator, SortBy, Source,
        SourceKind, Target as ColumnTarget, Tree,
    },
};

use super::{
    Hidden, Plan, Stage, View,
    aggregate::States,
    apply::Target,
    delta::{self, Rows},
    group::{Face, Group},
    hidden_gap,
    knowledge::Knowledge,
    rewrite::{Rewrite, left_over},
    rows::{Branch, branches, refused, union_branches},
    whole::Whole,
};

/// Schema of the stand-ins for hidden tables while a query is being cut.
const STAND_IN: &str = "\u{1}hidden\u{2}";

/// A group by that became a hidden table.
struct Cut {
    group: Group,
    /// What stood above it, over the hidden table as `m`: items and conditions.
    above: Select,
    /// Sort keys of the query around it.
    order: Vec<OrderKey>,
    /// For each item, whether it is settled by the group alone.
    of_key: Vec<bool>,
}

/// The public table as groups.
pub(super) fn grouped(view: View<'_>, query: &Query, known: &Knowledge<'_>) -> Result<Plan, Rejection> {
    let target = target(view)?;
    if query.limit.is_some() || query.offset.is_some() {
        return Err(refused("LIMIT", "which rows it leaves out depends on all others"));
    }
    let cut = match &query.body {
        Body::Set { operator: SetOperator::Union, all: false, operands } => union(query, operands, known)?,
        Body::Select(select) if !select.has_windows() && !matches!(select.distinct, Distinct::On(_)) => {
            cut(select, &[], 0, known)?
        }
        _ => return Err(refused("the outermost query", "it is no group by")),
    };
    if cut.above.distinct != Distinct::No {
        return Err(refused("DISTINCT over groups", "equal rows count together"));
    }
    if target.key().iter().any(|&place| !cut.of_key[place]) {
        return Err(refused("a key that is computed from aggregates", "it changes with every row"));
    }
    let context = context_of(&cut.above);
    let cast = |(item, column): (&Item, &crate::catalog::Column)| {
        format!("({})::{}", ir::expr_sql(&context, &item.expr), column.type_name)
    };
    let face = Face {
        target,
        items: cut.above.items.iter().zip(view.columns).map(cast).collect(),
        having: cut.above.filter.iter().map(|condition| ir::expr_sql(&context, condition)).collect(),
    };
    let mut group = Group { face: Some(face), ..cut.group };
    if cut.above.filter.is_empty() {
        // A NULL in the key of the public table fails there, whatever is looked up before.
        for (item, column) in cut.above.items.iter().zip(view.columns) {
            let key = (0..group.keys()).find(|n| item.expr == Expr::text(format!("m.k{n}")));
            if let Some(key) = key.filter(|_| view.key.contains(&column.name)) {
                group.nullable[key] = false;
            }
        }
    }
    let crossings = group.rows.crossings();
    Ok(Plan {
        sources: known.sources(),
        hidden: group.tables(),
        stages: vec![Stage::Group(Box::new(group))],
        crossings,
    })
}

/// The public table as a whole, over the hidden tables of the groups below.
pub(super) fn above_groups(view: View<'_>, query: &Query, known: &Knowledge<'_>) -> Result<Plan, Rejection> {
    let target = target(view)?;
    let mut cuts = Cuts { known, groups: Vec::new(), hidden: 0, first: None };
    let mut above = query.clone();
    cuts.query(&mut above);
    if cuts.groups.is_empty() {
        return Err(cuts.first.unwrap_or_else(|| refused("the query", "it holds no group by")));
    }
    let mut crossings: Vec<String> = cuts.groups.iter().flat_map(|group| group.rows.crossings()).collect();
    rest_is_known(&above, known, &mut crossings)?;
    let mut hidden: Vec<Hidden> = cuts.groups.iter().flat_map(Group::tables).collect();
    if let Some((place, index)) = first_rows(&above) {
        hidden[place].indexes.push(index);
    }
    let mut sql = ir::sql(&above);
    for place in 0..cuts.hidden {
        let stand_in = format!("{}.{}", ir::quoted(STAND_IN), ir::quoted(&place.to_string()));
        sql = sql.replace(&stand_in, &hidden_gap(place));
    }
    let mut stages: Vec<_> = cuts.groups.into_iter().map(|group| Stage::Group(Box::new(group))).collect();
    stages.push(Stage::Whole(Whole { title: "computed again over the groups".into(), target, query: sql }));
    Ok(Plan { sources: known.sources(), hidden, stages, crossings })
}

/// What is read beside the groups is read as a whole; a change there must be told all the same.
pub(super) fn rest_is_known(
    above: &Query,
    known: &Knowledge<'_>,
    crossings: &mut Vec<String>,
) -> Result<(), Rejection> {
    for occurrence in above.occurrences() {
        if occurrence.relation.schema == STAND_IN {
            continue;
        }
        if known.relation(occurrence.relation).is_none() {
            return Err(refused("a relation", "it is not in the catalog"));
        }
        known.source(occurrence.relation);
    }
    crossings.extend(crossings_of(above, known));
    Ok(())
}

/// Conditions of which one holds when a clock of the query may have changed what it gives.
fn crossings_of(query: &Query, known: &Knowledge<'_>) -> Vec<String> {
    let clocks = crate::window::clocks(query);
    let known = |window: &crate::window::TimeWindow| {
        let select = query.at(&window.path)?.select()?;
        let columns = window.expr.columns();
        let source = columns.first()?.source;
        let SourceKind::Relation { relation, .. } = &select.sources[source].kind else { return None };
        known.relation(relation)?;
        delta::crossing_of(select, source, relation, &window.expr, &window.bound)
    };
    let crossings: Option<Vec<_>> = clocks.windows.iter().map(known).collect();
    match crossings {
        Some(crossings) if clocks.other.is_empty() => crossings,
        _ => vec!["true".into()],
    }
}

pub(super) fn target(view: View<'_>) -> Result<Target, Rejection> {
    Target::new(view.columns, view.key).ok_or_else(|| refused("the key", "it is no column of the view"))
}

struct Cuts<'a, 'k> {
    known: &'a Knowledge<'k>,
    groups: Vec<Group>,
    /// How many hidden tables there are.
    hidden: usize,
    /// Why the first group by stayed.
    first: Option<Rejection>,
}

impl Cuts<'_, '_> {
    /// Cuts every group by of this query that can be, the outermost first.
    fn query(&mut self, query: &mut Query) {
        if let Body::Select(select) = &query.body
            && select.is_grouped()
        {
            match cut(select, &query.order, self.hidden, self.known) {
                Ok(cut) => return self.put(query, cut),
                Err(refusal) => self.first = self.first.take().or(Some(refusal)),
            }
        }
        match &mut query.body {
            Body::Select(select) => {
                for source in &mut select.sources {
                    if let SourceKind::Query { query, .. } = &mut source.kind
                        && !query.is_correlated()
                    {
                        self.query(query);
                    }
                }
            }
            Body::Set { operands, .. } => operands.iter_mut().for_each(|operand| self.query(operand)),
            Body::Values(_) => {}
        }
    }

    fn put(&mut self, query: &mut Query, cut: Cut) {
        self.hidden += cut.group.tables().len();
        self.groups.push(cut.group);
        query.body = Body::Select(Box::new(cut.above));
        query.order = cut.order;
    }
}

/// The index by which the first rows of a hidden table are found, where the query asks for these only.
fn first_rows(query: &Query) -> Option<(usize, Vec<String>)> {
    query.limit.as_ref()?;
    let select = query.select()?;
    let [Source { kind: SourceKind::Relation { relation, .. }, .. }] = select.sources.as_slice() else {
        return None;
    };
    let place = (relation.schema == STAND_IN).then(|| relation.name.parse().ok())??;
    let mut index = Vec::new();
    for key in &query.order {
        let expr = match &key.by {
            SortBy::Expr(expr) => expr,
            SortBy::Output(n) => &select.items.get(n.checked_sub(1)?)?.expr,
        };
        let column = hidden_column(expr)?;
        let direction = match &key.direction {
            ir::Direction::Ascending => "",
            ir::Direction::Descending => " desc",
            ir::Direction::Using(_) => return None,
        };
        let nulls = match key.nulls_first {
            None => "",
            Some(true) => " nulls first",
            Some(false) => " nulls last",
        };
        index.push(format!("{column}{direction}{nulls}"));
    }
    (!index.is_empty()).then_some((place, index))
}

/// The column of the hidden table that an expression is; the server prints an aggregate by which it sorts in parentheses.
fn hidden_column(expr: &Expr) -> Option<String> {
    let mut words = String::new();
    for piece in &expr.pieces {
        let ir::Piece::Text(word) = piece else { return None };
        words.push_str(word);
    }
    let column = words.trim_matches(['(', ')']).strip_prefix("m.")?;
    column.chars().all(|c| c.is_ascii_alphanumeric()).then(|| column.to_owned())
}

/// A group by as a hidden table, which will be the one at this place.
fn cut(select: &Select, order: &[OrderKey], hidden: usize, known: &Knowledge<'_>) -> Result<Cut, Rejection> {
    let groups = group_exprs(select, order, known)?;
    let named: Vec<_> =
        groups.iter().enumerate().map(|(n, group)| (group.clone(), format!("m.k{n}"))).collect();
    let mut states = States::default();
    let context = context_of(select);
    let above = {
        let mut type_of = |expr: &Expr| type_of(select, &context, expr, known);
        let mut aggregate =
            |call: &ir::Call| states.value(call, &mut type_of).map(|value| value.replace("{m}", "m"));
        let mut rewrite = Rewrite { groups: &named, aggregate: &mut aggregate };
        above(select, order, hidden, &mut rewrite)?
    };
    let (above, order) = above;
    let outputs: Vec<_> = groups.iter().chain(&states.arguments).cloned().collect();
    let branches = branches(select, &outputs, known)?;
    let nullable = groups.iter().enumerate().map(|(n, _)| may_be_null(&branches, n, known)).collect();
    let of_key = select.items.iter().map(|item| !has_aggregate(&item.expr)).collect();
    let title = title(select, &context, &groups);
    let group = finish(&branches, nullable, states, hidden, title, known)?;
    Ok(Cut { group, above, order, of_key })
}

/// UNION: all its columns are the group.
fn union(query: &Query, operands: &[Query], known: &Knowledge<'_>) -> Result<Cut, Rejection> {
    let branches = union_branches(operands, known)?;
    let names = query.output();
    let nullable = (0..names.len()).map(|n| may_be_null(&branches, n, known)).collect();
    let items = names.iter().enumerate();
    let items =
        items.map(|(n, name)| Item { expr: Expr::text(format!("m.k{n}")), name: name.clone() }).collect();
    let group = finish(&branches, nullable, States::default(), 0, "union".into(), known)?;
    let of_key = vec![true; names.len()];
    Ok(Cut { group, above: over_hidden(0, items), order: Vec::new(), of_key })
}

fn finish(
    branches: &[Branch],
    nullable: Vec<bool>,
    states: States,
    hidden: usize,
    title: String,
    known: &Knowledge<'_>,
) -> Result<Group, Rejection> {
    let arguments = states.arguments.len();
    let keys = (0..nullable.len()).map(|n| format!("k{n}"));
    let names = keys.chain((0..arguments).map(|n| format!("e{n}"))).collect();
    let rows = Rows::new(branches, names, known)?;
    Ok(Group { title, rows, nullable, arguments, states: states.states, hidden, face: None })
}

/// The group expressions, and the columns that these settle.
fn group_exprs(select: &Select, order: &[OrderKey], known: &Knowledge<'_>) -> Result<Vec<Expr>, Rejection> {
    let mut groups: Vec<Expr> = match &select.group {
        Some(group) => group
            .plain()
            .ok_or_else(|| refused("GROUPING SETS, ROLLUP or CUBE", "each row counts in several groups"))?
            .into_iter()
            .cloned()
            .collect(),
        // DISTINCT without aggregates is a group by all columns.
        None if select.distinct == Distinct::Rows && !select.is_grouped() => {
            select.items.iter().map(|item| item.expr.clone()).collect()
        }
        None if select.is_grouped() => Vec::new(),
        None => return Err(refused("the query", "it is no group by")),
    };
    groups.dedup();
    let named: Vec<_> = groups.iter().map(|group| (group.clone(), String::new())).collect();
    let mut left = BTreeSet::new();
    let sorted = order.iter().filter_map(|key| match &key.by {
        SortBy::Expr(expr) => Some(expr),
        SortBy::Output(_) => None,
    });
    let windows = select.windows.iter().flat_map(|window| window.spec.exprs());
    for expr in select.items.iter().map(|item| &item.expr).chain(&select.having).chain(sorted).chain(windows)
    {
        left.extend(left_over(expr, &named)?);
    }
    for column in left {
        if !is_settled(select, &column, &groups, known) {
            return Err(refused("a column beside aggregates", "no group expression settles it"));
        }
        groups.push(Expr::column(column));
    }
    Ok(groups)
}

/// Whether the group expressions hold a key of the column's relation.
fn is_settled(select: &Select, column: &ColumnRef, groups: &[Expr], known: &Knowledge<'_>) -> bool {
    let Some(SourceKind::Relation { relation, .. }) =
        select.sources.get(column.source).filter(|_| column.up == 0).map(|source| &source.kind)
    else {
        return false;
    };
    let Some(relation) = known.relation(relation) else { return false };
    let grouped = |name: &String| {
        let place = relation.columns.iter().position(|column| column.name == *name);
        groups.iter().filter_map(Expr::bare_column).any(|group| {
            group.up == 0
                && group.source == column.source
                && place.is_some_and(|place| group.target == ColumnTarget::Column(place))
        })
    };
    relation.identities().any(|key| key.columns.iter().all(grouped))
}

/// What stands above the groups, over the hidden table.
fn above(
    select: &Select,
    order: &[OrderKey],
    hidden: usize,
    rewrite: &mut Rewrite<'_>,
) -> Result<(Select, Vec<OrderKey>), Rejection> {
    let mut items = Vec::new();
    for item in &select.items {
        items.push(Item { expr: rewrite.expr(&item.expr)?, name: item.name.clone() });
    }
    let mut above = over_hidden(hidden, items);
    above.filter = rewrite.exprs(&select.having)?;
    above.distinct = match &select.distinct {
        Distinct::On(on) => Distinct::On(rewrite.exprs(on)?),
        // Groups differ from each other in the group expressions, but these need not be items.
        Distinct::Rows if select.is_grouped() => Distinct::Rows,
        Distinct::Rows | Distinct::No => Distinct::No,
    };
    for window in &select.windows {
        above.windows.push(ir::Window { name: window.name.clone(), spec: rewrite.spec(&window.spec)? });
    }
    let order = rewrite.order(order)?;
    if above
        .filter
        .iter()
        .chain(above.items.iter().map(|item| &item.expr))
        .any(|expr| !expr.columns().is_empty())
    {
        return Err(refused("a column beside aggregates", "no group expression settles it"));
    }
    Ok((above, order))
}

fn over_hidden(hidden: usize, items: Vec<Item>) -> Select {
    let source = Source {
        name: Some("m".into()),
        columns: Vec::new(),
        listed: false,
        kind: SourceKind::Relation {
            relation: QualifiedName::new(STAND_IN, hidden.to_string()),
            only: false,
        },
    };
    Select {
        distinct: Distinct::No,
        items,
        sources: vec![source],
        from: vec![Tree::Source(0)],
        filter: Vec::new(),
        group: None,
        having: Vec::new(),
        windows: Vec::new(),
    }
}

fn context_of(select: &Select) -> Query {
    Query {
        with: Vec::new(),
        body: Body::Select(Box::new(select.clone())),
        order: Vec::new(),
        offset: None,
        limit: None,
    }
}

/// The type of an expression over the rows.
fn type_of(select: &Select, context: &Query, expr: &Expr, known: &Knowledge<'_>) -> Option<String> {
    if let Some(column) = expr.bare_column()
        && let Some(SourceKind::Relation { relation, .. }) =
            select.sources.get(column.source).map(|s| &s.kind)
        && let ColumnTarget::Column(place) = column.target
    {
        return Some(known.relation(relation)?.columns.get(place)?.type_name.clone());
    }
    let mut question = context.clone();
    if let Body::Select(select) = &mut question.body {
        select.items = vec![Item { expr: expr.clone(), name: "x".into() }];
        (select.group, select.distinct) = (None, Distinct::No);
        select.having.clear();
        select.filter.clear();
        select.windows.clear();
    }
    known.types(&ir::sql(&question))?.into_iter().next()
}

/// Whether a column of the rows may be NULL: it is certain only of a column that is declared otherwise, and of constants.
fn may_be_null(branches: &[Branch], output: usize, known: &Knowledge<'_>) -> bool {
    !branches.iter().all(|branch| {
        let expr = &branch.outputs[output];
        let Some(column) = expr.bare_column() else { return false };
        let ColumnTarget::Column(place) = column.target else { return false };
        let relation = branch.relation(column.source).and_then(|name| known.relation(name));
        relation.and_then(|relation| relation.columns.get(place)).is_some_and(|column| column.not_null)
    })
}

fn has_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    expr.each(&mut |piece| found |= matches!(piece, ir::Piece::Aggregate(_)));
    found
}

fn title(select: &Select, context: &Query, groups: &[Expr]) -> String {
    let groups: Vec<_> = groups.iter().map(|group| ir::expr_told(context, group)).collect();
    let mut calls = Vec::new();
    for item in &select.items {
        item.expr.each(&mut |piece| {
            if let ir::Piece::Aggregate(_) = piece {
                let call = ir::expr_told(context, &Expr { pieces: vec![piece.clone()] });
                if !calls.contains(&call) {
                    calls.push(call);
                }
            }
        });
    }
    let of =
        if groups.is_empty() { "all rows".to_owned() } else { format!("group by {}", groups.join(", ")) };
    if calls.is_empty() { of } else { format!("{of}: {}", calls.join(", ")) }
}

impl Select {
    /// Whether its rows are groups.
    pub(super) fn is_grouped(&self) -> bool {
        self.group.is_some()
            || !self.having.is_empty()
            || self.items.iter().any(|item| has_aggregate(&item.expr))
    }

    /// Whether a window function stands in it.
    pub(super) fn has_windows(&self) -> bool {
        let mut found = !self.windows.is_empty();
        for item in &self.items {
            item.expr.each(&mut |piece| found |= matches!(piece, ir::Piece::Window(_)));
        }
        found
    }
}
