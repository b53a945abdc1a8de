//! Expressions and conditions in words.
//!
//! Law: never an error of the server, whatever the rows: no overflow, no division by zero.

use super::{
    case::{Expr, Inner, Pick, Pred},
    kind::{Fidelity, Kind},
    scope::{Scope, Value, chosen},
    tell::Teller,
};

const OPERATORS: [&str; 6] = ["=", ">", "<", ">=", "<=", "<>"];

const BOUNDS: [&str; 9] = [
    "now()",
    "now() - '01:00:00'::interval",
    "now() + '01:00:00'::interval",
    "now() - '02:00:00'::interval",
    "now() + '00:30:00'::interval",
    "now() - '1 day'::interval",
    "now() + '1 day'::interval",
    "date_trunc('day'::text, now())",
    "date_trunc('hour'::text, now()) - '1 day'::interval",
];

pub(crate) fn operator(pick: Pick) -> &'static str {
    OPERATORS[usize::from(pick) % OPERATORS.len()]
}

impl Teller {
    pub(crate) fn expr(&mut self, expr: &Expr, scope: &Scope) -> Option<Value> {
        match expr {
            Expr::Column(pick) => scope.one(*pick, |_| true).cloned(),
            Expr::Plus(pick, gene) => scope.comparable(*pick).map(|value| plus(value, *gene)),
            Expr::Times(left, right) => times(scope, *left, *right),
            Expr::Coalesce(pick, gene) => scope.comparable(*pick).map(|value| coalesce(value, *gene)),
            Expr::Trunc(pick) => scope.comparable(*pick).map(trunc),
            Expr::Text(pick) => scope.one(*pick, is_exact).map(text),
            Expr::Case(pred, left, right) => {
                let left = scope.comparable(*left)?;
                let other = scope.one(*right, |value| value.is_comparable() && value.kind == left.kind)?;
                let pred = self.pred(pred, scope);
                let sql = format!("case when {pred} then {} else {} end", left.sql, other.sql);
                let fidelity = left.fidelity.max(other.fidelity);
                Some(Value::new(sql, unscaled(left.kind), left.nullable || other.nullable).of(fidelity))
            }
            Expr::Scalar(agg, inner) => {
                let (from, seen, filter) = self.inner(inner, scope);
                let value = self.agg(agg, &seen);
                Some(Value {
                    sql: format!("(select {} from {from}{filter})", value.sql),
                    nullable: true,
                    ..value
                })
            }
        }
    }

    pub(crate) fn pred(&mut self, pred: &Pred, scope: &Scope) -> String {
        self.told(pred, scope).unwrap_or_else(|| "true".into())
    }

    fn told(&mut self, pred: &Pred, scope: &Scope) -> Option<String> {
        Some(match pred {
            Pred::Compare { column, operator: by, value } => {
                let column = scope.comparable(*column)?;
                format!("{} {} {}", column.sql, operator(*by), column.kind.literal(*value))
            }
            Pred::IsNull { column, not } => {
                let column = scope.one(*column, |_| true)?;
                format!("{} is {}null", column.sql, if *not { "not " } else { "" })
            }
            Pred::Columns { left, operator: by, right } => {
                let left = scope.comparable(*left)?;
                let like = |other: &Value| {
                    other.is_comparable() && other.sql != left.sql && other.kind.joins(left.kind)
                };
                format!("{} {} {}", left.sql, operator(*by), scope.one(*right, like)?.sql)
            }
            Pred::Among { column, values } => {
                let column = scope.comparable(*column)?;
                let [first, second] = values.map(|value| column.kind.literal(value));
                format!("{} in ({first}, {second})", column.sql)
            }
            Pred::Recent { column, operator: by, bound, turned } => {
                let column = scope.one(*column, |value| value.kind == Kind::Stamp)?;
                let (bound, by) = (chosen(&BOUNDS, *bound)?, operator(1 + by % 4));
                let (left, right) = if *turned { (*bound, &*column.sql) } else { (&*column.sql, *bound) };
                format!("{left} {by} {right}")
            }
            Pred::Not(pred) => format!("(not ({}))", self.told(pred, scope)?),
            Pred::Or(left, right) => {
                format!("(({}) or ({}))", self.told(left, scope)?, self.told(right, scope)?)
            }
            Pred::Exists { not, inner } => {
                let (from, _, filter) = self.inner(inner, scope);
                format!("{}exists (select from {from}{filter})", if *not { "not " } else { "" })
            }
            Pred::InRows { not, column, inner, picked } => {
                let column = scope.comparable(*column)?.clone();
                let (from, seen, filter) = self.inner(inner, scope);
                let like = |value: &Value| value.is_comparable() && value.kind.joins(column.kind);
                let picked = &seen.one(*picked, like)?.sql;
                format!(
                    "{}{} in (select {picked} from {from}{filter})",
                    column.sql,
                    if *not { " not" } else { "" }
                )
            }
            Pred::Beside { column, operator: by, agg, inner } => {
                let (from, seen, filter) = self.inner(inner, scope);
                let value = self.agg(agg, &seen);
                let like = |column: &Value| {
                    value.is_comparable() && column.is_comparable() && column.kind.joins(value.kind)
                };
                let column = &scope.one(*column, like)?.sql;
                format!("{column} {} (select {} from {from}{filter})", operator(*by), value.sql)
            }
        })
    }

    /// A table of a subquery, its columns, and its conditions with their word.
    pub(crate) fn inner(&mut self, inner: &Inner, outer: &Scope) -> (String, Scope, String) {
        let (from, seen) = self.named(inner.table);
        let mut filter: Vec<_> = inner.filter.iter().map(|pred| self.pred(pred, &seen)).collect();
        if let Some((left, right)) = inner.correlated {
            filter.extend(
                equality(&seen, outer, left, right).map(|(left, right)| {
                    format!("{} = {}", seen.columns[left].sql, outer.columns[right].sql)
                }),
            );
        }
        (from, seen, clause(" where ", &filter))
    }
}

/// Columns of both sides that may be compared, as near as can be to those that were picked.
pub(crate) fn equality(left: &Scope, right: &Scope, picks: Pick, others: Pick) -> Option<(usize, usize)> {
    let turned = |n: usize, by: Pick| (0..n).map(move |i| (i + usize::from(by)) % n);
    for i in turned(left.columns.len(), picks) {
        for j in turned(right.columns.len(), others) {
            let (one, other) = (&left.columns[i], &right.columns[j]);
            if one.is_comparable() && other.is_comparable() && one.kind.joins(other.kind) {
                return Some((i, j));
            }
        }
    }
    None
}

/// Conditions after their word, or nothing.
pub(crate) fn clause(word: &str, conditions: &[String]) -> String {
    let conditions: Vec<_> =
        conditions.iter().filter(|condition| *condition != "true").map(String::as_str).collect();
    if conditions.is_empty() { String::new() } else { format!("{word}{}", conditions.join(" and ")) }
}

fn is_exact(value: &Value) -> bool {
    value.fidelity == Fidelity::Exact && !value.kind.is_passed_on()
}

/// What a number becomes when it is calculated with.
fn unscaled(kind: Kind) -> Kind {
    if kind == Kind::Money { Kind::Numeric } else { kind }
}

fn plus(value: &Value, gene: u8) -> Value {
    let sql = match value.kind {
        Kind::Bool => format!("(not {})", value.sql),
        Kind::Stamp => format!("({} + '01:00:00'::interval)", value.sql),
        Kind::Date => format!("({} + {})", value.sql, gene % 3),
        kind if kind.is_text() => format!("({} || {})", value.sql, kind.literal(gene)),
        kind => format!("({} + {})", value.sql, kind.literal(gene)),
    };
    Value { sql, kind: unscaled(value.kind), ..value.clone() }
}

fn times(scope: &Scope, left: Pick, right: Pick) -> Option<Value> {
    let is_number = |value: &Value| value.is_comparable() && value.kind.is_number();
    let (left, right) = (scope.one(left, is_number)?, scope.one(right, is_number)?);
    let (sql, kind) = match (left.kind, right.kind) {
        (Kind::Int, Kind::Int) => (format!("({} * {})", left.sql, right.sql), Kind::Int),
        (Kind::Float, _) | (_, Kind::Float) => {
            (format!("({}::double precision * {}::double precision)", left.sql, right.sql), Kind::Float)
        }
        _ => (format!("({}::numeric * {}::numeric)", left.sql, right.sql), Kind::Numeric),
    };
    Some(Value::new(sql, kind, left.nullable || right.nullable).of(left.fidelity.max(right.fidelity)))
}

fn coalesce(value: &Value, gene: u8) -> Value {
    let sql = format!("coalesce({}, {})", value.sql, value.kind.literal(gene));
    Value { sql, nullable: false, kind: unscaled(value.kind), ..value.clone() }
}

/// Fewer values than before.
pub(crate) fn trunc(value: &Value) -> Value {
    let of = &value.sql;
    let sql = match value.kind {
        Kind::Stamp => format!("date_trunc('day'::text, {of})"),
        Kind::Date => format!("date_trunc('month'::text, {of}::timestamp without time zone)::date"),
        Kind::Int | Kind::Bigint => format!("({of} % 2::{})", value.kind.sql()),
        Kind::Numeric | Kind::Money => format!("round({of}, 1)"),
        Kind::Float => format!("floor({of})"),
        Kind::Text | Kind::TextC | Kind::TextIcu | Kind::TextNd => format!("lower({of})"),
        Kind::Bool | Kind::Json | Kind::Other => of.clone(),
    };
    Value { sql, kind: unscaled(value.kind), ..value.clone() }
}

fn text(value: &Value) -> Value {
    Value { sql: format!("({}::text collate \"C\")", value.sql), kind: Kind::TextC, ..value.clone() }
}
