//! Queries in words.
//!
//! Law: whatever the value, the server takes the words, and it is known of the outcome which columns tell its rows
//! apart. Where a shape does not fit what it stands on, a simpler one is told instead.

use super::{
    case::{Agg, Body, From, Inner, Item, Join, Rows, Select, Shape, Top},
    expr::{clause, equality},
    kind::Kind,
    scope::{Relation, Scope, Value},
};

/// Tells one case.
pub(crate) struct Teller {
    /// The tables, and the common table expressions told so far.
    relations: Vec<Relation>,
    aliases: usize,
}

/// A query in words, as it stands in parentheses.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) sql: String,
    pub(crate) columns: Vec<Value>,
    pub(crate) key: Option<Vec<usize>>,
}

/// What a SELECT selects, and from where.
pub(crate) struct Parts {
    pub(crate) distinct: String,
    /// Values and whether they are of the key.
    pub(crate) items: Vec<Value>,
    pub(crate) key: Option<Vec<usize>>,
    pub(crate) after: String,
    pub(crate) is_sorted: bool,
}

impl Teller {
    pub(crate) fn new(tables: Vec<Relation>) -> Self {
        Self { relations: tables, aliases: 0 }
    }

    /// The whole query; its rows are told apart by columns that are never NULL.
    pub(crate) fn query(&mut self, ctes: &[Body], body: &Body) -> Told {
        let mut with = Vec::new();
        for (n, cte) in ctes.iter().enumerate() {
            let told = self.body(cte, false);
            with.push(format!("cte{n} as ({})", told.sql));
            self.relations.push(Relation { sql: format!("cte{n}"), columns: told.columns, key: told.key });
        }
        let told = self.body(body, true);
        if with.is_empty() {
            told
        } else {
            Told { sql: format!("with {} {}", with.join(", "), told.sql), ..told }
        }
    }

    fn body(&mut self, body: &Body, keyed: bool) -> Told {
        match body {
            Body::Select(select) => self.select(select, keyed),
            Body::Set(set) => self.set(set, keyed),
        }
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("a{}", self.aliases)
    }

    /// A table or common table expression under a new alias, and its columns.
    pub(crate) fn named(&mut self, pick: u8) -> (String, Scope) {
        let alias = self.alias();
        let relation = &self.relations[usize::from(pick) % self.relations.len()];
        (format!("{} {alias}", relation.sql), relation.seen_as(&alias))
    }

    /// What stands in FROM with its word, the conditions of WHERE, and what can be named then.
    pub(crate) fn from(&mut self, from: &From) -> (String, Vec<String>, Scope) {
        let comma =
            from.comma && from.items.iter().all(|item| matches!(item.join, Join::Inner | Join::Cross));
        let (mut sql, mut filter) = (String::new(), Vec::new());
        let mut scope = Scope { columns: Vec::new(), key: Some(Vec::new()) };
        for item in &from.items {
            let (rows, seen, lateral) = self.rows(item, &scope);
            if sql.is_empty() {
                (sql, scope) = (format!(" from {rows}"), seen);
                continue;
            }
            let joined = self.join(item, lateral, &scope, &seen);
            match joined.word {
                _ if comma => {
                    sql = format!("{sql}, {rows}");
                    filter.extend(joined.on);
                }
                "cross join" => sql = format!("{sql} cross join {rows}"),
                word => sql = format!("{sql} {word} {rows} on {}", told_or_true(&joined.on)),
            }
            scope = joined.scope;
        }
        filter.extend(from.filter.iter().map(|pred| self.pred(pred, &scope)));
        (sql, filter, scope)
    }

    /// An item of FROM, its columns, and whether it is LATERAL.
    fn rows(&mut self, item: &Item, before: &Scope) -> (String, Scope, bool) {
        match &item.rows {
            Rows::Named(pick) => {
                let (sql, scope) = self.named(*pick);
                (sql, scope, false)
            }
            Rows::Sub(body) => {
                let told = self.body(body, false);
                let alias = self.alias();
                let relation = Relation { sql: String::new(), columns: told.columns, key: told.key };
                (format!("({}) {alias}", told.sql), relation.seen_as(&alias), false)
            }
            Rows::Lateral { inner, .. } if before.columns.is_empty() => {
                let (sql, scope) = self.named(inner.table);
                (sql, scope, false)
            }
            Rows::Lateral { inner, agg, first } => {
                let (sql, scope) = self.lateral(inner, agg, *first, before);
                (sql, scope, true)
            }
        }
    }

    /// A subquery of at most one row for each row before it.
    fn lateral(&mut self, inner: &Inner, agg: &Agg, first: bool, before: &Scope) -> (String, Scope) {
        let (from, seen, filter) = self.inner(inner, before);
        let one = first.then(|| seen.order()).flatten().zip(seen.comparable(agg.with));
        let (value, after) = if let Some((order, column)) = one {
            (column.clone().chosen(), format!(" order by {} limit 1", order.join(", ")))
        } else {
            (self.agg(agg, &seen), String::new())
        };
        let query = format!("select {} as v1 from {from}{filter}{after}", value.sql);
        let alias = self.alias();
        let columns = vec![Value { nullable: true, ..value.named("v1") }];
        let relation = Relation { sql: String::new(), columns, key: Some(Vec::new()) };
        (format!("lateral ({query}) {alias}"), relation.seen_as(&alias))
    }

    fn join(&mut self, item: &Item, lateral: bool, left: &Scope, right: &Scope) -> Joined {
        let sides = equality(left, right, item.left, item.right).filter(|_| !lateral);
        let kind = match (item.join, sides) {
            (Join::Inner | Join::Cross, _) if lateral => Join::Cross,
            (_, _) if lateral => Join::Left,
            (Join::Full | Join::Right, None) => Join::Left,
            (kind, _) => kind,
        };
        let equal = sides.map(|(l, r)| format!("{} = {}", left.columns[l].sql, right.columns[r].sql));
        let looked_up = sides.is_some_and(|(_, r)| right.key.as_deref() == Some(&[r]));
        let key = match (&left.key, &right.key) {
            (Some(key), Some(_)) if looked_up && matches!(kind, Join::Inner | Join::Left) => {
                Some(key.clone())
            }
            _ => both(left, right),
        };
        let (spared, lost) =
            (matches!(kind, Join::Right | Join::Full), matches!(kind, Join::Left | Join::Full));
        let nullable =
            |column: &Value, lost: bool| Value { nullable: column.nullable || lost, ..column.clone() };
        let columns = left.columns.iter().map(|column| nullable(column, spared));
        let columns = columns.chain(right.columns.iter().map(|column| nullable(column, lost))).collect();
        let scope = Scope { columns, key };
        let mut on: Vec<_> = equal.into_iter().collect();
        if kind == Join::Cross {
            on.clear();
        } else if let Some(extra) = &item.extra {
            on.push(self.pred(extra, &scope));
        }
        let word = match kind {
            Join::Inner => "join",
            Join::Left => "left join",
            Join::Right => "right join",
            Join::Full => "full join",
            Join::Cross => "cross join",
        };
        let scope =
            if kind == Join::Cross && !lateral { Scope { key: both(left, right), ..scope } } else { scope };
        Joined { word, on, scope }
    }

    fn select(&mut self, select: &Select, keyed: bool) -> Told {
        let (from, mut filter, scope) = self.from(&select.from);
        let parts = match &select.shape {
            Shape::Rows { keyed: also, items, windows } => {
                self.plain(items, windows, &scope, keyed, keyed || *also)
            }
            Shape::Group { keys, aggs, having, rank } => {
                self.group(keys, aggs, having.as_ref(), *rank, &scope, keyed, &mut filter)
            }
            Shape::Distinct { items } => self.distinct(items, &scope, keyed),
            Shape::DistinctOn { on, order, descending, items } => {
                self.distinct_on(on, (*order, *descending), items, &scope, keyed)
            }
        };
        finish(parts, &format!("{from}{}", clause(" where ", &filter)), select.top.as_ref())
    }
}

struct Joined {
    word: &'static str,
    on: Vec<String>,
    scope: Scope,
}

/// The key of all pairs.
fn both(left: &Scope, right: &Scope) -> Option<Vec<usize>> {
    let (l, r) = (left.key.as_ref()?, right.key.as_ref()?);
    Some(l.iter().copied().chain(r.iter().map(|place| place + left.columns.len())).collect())
}

fn told_or_true(conditions: &[String]) -> String {
    let told = clause("", conditions);
    if told.is_empty() { "true".into() } else { told }
}

/// The words of a SELECT, and its columns under their names.
fn finish(parts: Parts, from: &str, top: Option<&Top>) -> Told {
    let mut items = parts.items;
    let key = parts.key;
    if items.is_empty() {
        items.push(Value::new("1", Kind::Int, false));
    }
    let name = |place: usize| {
        let letter = if key.as_ref().is_some_and(|key| key.contains(&place)) { 'k' } else { 'v' };
        format!("{letter}{}", place + 1)
    };
    let list: Vec<_> =
        items.iter().enumerate().map(|(n, item)| format!("{} as {}", item.sql, name(n))).collect();
    let mut columns: Vec<_> = items.iter().enumerate().map(|(n, item)| item.named(name(n))).collect();
    let mut sql = format!("select {}{}{from}{}", parts.distinct, list.join(", "), parts.after);
    let firm = key.is_some() || columns.iter().all(Value::is_sortable);
    if let Some(top) = top.filter(|_| firm && !parts.is_sorted) {
        let sorts: Vec<_> = (0..columns.len()).filter(|&n| columns[n].is_comparable()).collect();
        let first = sorts.get(usize::from(top.by) % sorts.len().max(1)).copied();
        let rest = key.clone().unwrap_or_else(|| (0..columns.len()).collect());
        let order: Vec<_> = first
            .into_iter()
            .map(|n| format!("{}{}", n + 1, if top.descending { " desc" } else { "" }))
            .chain(rest.iter().map(|n| (n + 1).to_string()))
            .collect();
        let offset = if top.offset % 5 == 4 { " offset 1" } else { "" };
        let limit = 1 + top.limit % 5;
        if !order.is_empty() {
            sql = format!("{sql} order by {} limit {limit}{offset}", order.join(", "));
        }
        if key.is_none() {
            columns = columns.into_iter().map(Value::chosen).collect();
        }
    }
    Told { sql, columns, key }
}
