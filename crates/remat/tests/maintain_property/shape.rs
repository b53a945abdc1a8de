//! What a SELECT makes of its rows, in words.

use super::{
    case::{Agg, Expr, GroupKey, Pick, Set, Window},
    expr::{clause, operator, trunc},
    kind::Kind,
    scope::{Scope, Value},
    tell::{Parts, Teller, Told},
};

impl Teller {
    /// Rows as they are; distinct ones where a key is wanted and there is none.
    pub(crate) fn plain(
        &mut self,
        items: &[Expr],
        windows: &[Window],
        scope: &Scope,
        wanted: bool,
        keyed: bool,
    ) -> Parts {
        let Some(key) = scope.key.as_ref().filter(|_| keyed) else {
            if wanted {
                return self.distinct(items, scope, true);
            }
            let seen = if windows.is_empty() || scope.key.is_some() { scope.clone() } else { scope.chosen() };
            let mut told = self.items(items, &seen);
            told.extend(windows.iter().map(|window| Self::window(window, &seen)));
            return Parts::of(told, None);
        };
        let mut told: Vec<_> = key.iter().map(|&place| never_null(&scope.columns[place])).collect();
        if told.is_empty() && wanted {
            told.push(Value::new("1", Kind::Int, false));
        }
        let key = (0..told.len()).collect();
        told.extend(self.items(items, scope));
        told.extend(windows.iter().map(|window| Self::window(window, scope)));
        Parts::of(told, Some(key))
    }

    fn items(&mut self, items: &[Expr], scope: &Scope) -> Vec<Value> {
        items.iter().filter_map(|item| self.expr(item, scope)).collect()
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a GROUP BY")]
    pub(crate) fn group(
        &mut self,
        keys: &[GroupKey],
        aggs: &[Agg],
        having: Option<&(Agg, Pick, u8)>,
        rank: Option<Pick>,
        scope: &Scope,
        wanted: bool,
        filter: &mut Vec<String>,
    ) -> Parts {
        let (mut told, mut by): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
        for key in keys {
            let Some(column) = scope.comparable(key.column) else { continue };
            let value = if key.trunc { trunc(column) } else { column.clone() }.chosen();
            let safe = never_null(&value);
            match key.form % 3 {
                _ if !value.nullable => by.push(value.sql),
                0 => by.push(safe.sql.clone()),
                1 => by.push(value.sql),
                _ => {
                    filter.push(format!("{} is not null", value.sql));
                    by.push(value.sql.clone());
                    told.push(Value { nullable: false, ..value });
                    continue;
                }
            }
            told.push(safe);
        }
        if told.is_empty() && wanted {
            told.push(Value::new("1", Kind::Int, false));
        }
        let key = (0..told.len()).collect();
        told.extend(aggs.iter().map(|agg| self.agg(agg, scope)));
        if by.is_empty() && aggs.is_empty() {
            told.push(Value::new("count(*)", Kind::Bigint, false));
        }
        let kept = having.map(|(agg, by, value)| {
            let agg = self.agg(agg, scope);
            let is_comparable = agg.is_comparable();
            if is_comparable {
                format!("{} {} {}", agg.sql, operator(*by), agg.kind.literal(*value))
            } else {
                "count(*) > 1".into()
            }
        });
        if let (Some(pick), false) = (rank, by.is_empty()) {
            let ranked: Vec<_> = told[by.len()..].iter().filter(|value| value.is_comparable()).collect();
            let first =
                ranked.get(usize::from(pick) % ranked.len().max(1)).map_or(&by[0], |value| &value.sql);
            told.push(Value::new(format!("rank() over (order by {first} desc)"), Kind::Bigint, false));
        }
        let after = format!(
            "{}{}",
            if by.is_empty() { String::new() } else { format!(" group by {}", by.join(", ")) },
            clause(" having ", &kept.into_iter().collect::<Vec<_>>())
        );
        Parts { after, ..Parts::of(told, Some(key)) }
    }

    pub(crate) fn distinct(&mut self, items: &[Expr], scope: &Scope, wanted: bool) -> Parts {
        let firm = self.items(items, scope).into_iter().filter(Value::is_sortable).map(Value::chosen);
        let mut told: Vec<_> = firm.map(|value| if wanted { never_null(&value) } else { value }).collect();
        if told.is_empty() {
            told.push(Value::new("1", Kind::Int, false));
        }
        let key = (0..told.len()).collect();
        Parts { distinct: "distinct ".into(), ..Parts::of(told, Some(key)) }
    }

    pub(crate) fn distinct_on(
        &mut self,
        on: &[Pick],
        (order, descending): (Pick, bool),
        items: &[Expr],
        scope: &Scope,
        wanted: bool,
    ) -> Parts {
        let on: Vec<_> = on.iter().filter_map(|&pick| scope.comparable(pick).cloned()).collect();
        let (Some(total), Some(first), false) = (scope.order(), scope.comparable(order), on.is_empty())
        else {
            return self.distinct(items, scope, wanted);
        };
        let seen = if scope.key.is_some() { scope.clone() } else { scope.chosen() };
        let kept = |value: &Value| if scope.key.is_some() { value.clone() } else { value.clone().chosen() };
        let mut told: Vec<_> = on.iter().map(|value| never_null(&kept(value))).collect();
        let key = (0..told.len()).collect();
        told.extend(self.items(items, &seen));
        let names: Vec<_> = on.iter().map(|value| value.sql.as_str()).collect();
        let names = names.join(", ");
        let descending = if descending { " desc" } else { "" };
        Parts {
            distinct: format!("distinct on ({names}) "),
            after: format!(" order by {names}, {}{descending}, {}", first.sql, total.join(", ")),
            is_sorted: true,
            ..Parts::of(told, Some(key))
        }
    }

    /// Queries over several sources, combined; each operand has columns of the kinds of the first.
    pub(crate) fn set(&mut self, set: &Set, wanted: bool) -> Told {
        let operands: Vec<_> = set.operands.iter().map(|from| self.from(from)).collect();
        let kinds_of_key = |scope: &Scope| -> Option<Vec<Kind>> {
            Some(scope.key.as_ref()?.iter().map(|&place| settled(&scope.columns[place]).kind).collect())
        };
        let (_, _, first) = &operands[0];
        let is_union = set.operator.is_multiple_of(3);
        let keys = kinds_of_key(first);
        let same = keys.is_some() && operands.iter().all(|(_, _, scope)| kinds_of_key(scope) == keys);
        let branches = set.all && is_union && same && wanted;
        let all = set.all && (branches || !wanted);
        let picked: Vec<_> =
            set.picks.iter().filter_map(|&pick| first.comparable(pick)).map(|value| value.kind).collect();
        let mut columns: Vec<Value> = Vec::new();
        let mut told = Vec::new();
        for (n, (from, filter, scope)) in operands.iter().enumerate() {
            let mut items = Vec::new();
            if branches {
                items.push(Value::new((n + 1).to_string(), Kind::Int, false));
                items.extend(scope.key.iter().flatten().map(|&place| settled(&scope.columns[place])));
            }
            for (pick, kind) in set.picks.iter().zip(&picked) {
                let value = of_kind(scope, *pick, *kind);
                items.push(if wanted && !branches { settled(&value) } else { value });
            }
            if items.is_empty() {
                items.push(Value::new((n + 1).to_string(), Kind::Int, false));
            }
            let list: Vec<_> =
                items.iter().enumerate().map(|(n, item)| format!("{} as c{}", item.sql, n + 1)).collect();
            told.push(format!("(select {}{from}{})", list.join(", "), clause(" where ", filter)));
            merge(&mut columns, items, !all);
        }
        let word = ["union", "intersect", "except"][usize::from(set.operator) % 3];
        let word = format!(" {word}{} ", if all { " all" } else { "" });
        let of_key = keys.map_or(0, |keys| keys.len() + 1);
        let key =
            if branches { Some((0..of_key).collect()) } else { (!all).then(|| (0..columns.len()).collect()) };
        Told { sql: told.join(&word), columns, key }
    }
}

/// What the columns are after one more operand.
fn merge(columns: &mut Vec<Value>, items: Vec<Value>, distinct: bool) {
    let named = items.into_iter().enumerate().map(|(n, item)| item.named(format!("c{}", n + 1)));
    let named = named.map(|item| if distinct { item.chosen() } else { item });
    if columns.is_empty() {
        columns.extend(named);
        return;
    }
    for (column, item) in columns.iter_mut().zip(named) {
        column.nullable |= item.nullable;
        column.fidelity = column.fidelity.max(item.fidelity);
    }
}

fn of_kind(scope: &Scope, pick: Pick, kind: Kind) -> Value {
    let column = scope.one(pick, |value| value.is_comparable() && value.kind == kind);
    column.cloned().unwrap_or_else(|| Value::new(format!("null::{}", kind.sql()), kind, true))
}

fn never_null(value: &Value) -> Value {
    if !value.nullable {
        return value.clone();
    }
    let (sql, kind) = value.kind.never_null(&value.sql);
    Value { sql, kind, nullable: false, ..value.clone() }
}

/// Never NULL, and of the same kind whether it could have been NULL or not.
fn settled(value: &Value) -> Value {
    never_null(&Value { nullable: value.nullable || value.kind == Kind::Bool, ..value.clone() })
}

impl Parts {
    fn of(items: Vec<Value>, key: Option<Vec<usize>>) -> Self {
        Self { distinct: String::new(), items, key, after: String::new(), is_sorted: false }
    }
}
