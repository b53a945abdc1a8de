//! Aggregates and window functions in words.

use super::{
    case::{Agg, Function, Window},
    kind::{Fidelity, Kind},
    scope::{Scope, Value, chosen},
    tell::Teller,
};

impl Teller {
    /// An aggregate over the columns of a scope, or `count(*)` where its function does not fit.
    pub(crate) fn agg(&mut self, agg: &Agg, scope: &Scope) -> Value {
        let filter = agg.filter.as_ref().map(|pred| self.pred(pred, scope));
        let filter = filter.map_or_else(String::new, |pred| format!(" filter (where {pred})"));
        let of = self.expr(&agg.of, scope).filter(Value::is_firm);
        let told = of.and_then(|of| Self::call(agg, &of, scope));
        let (call, value) = told.unwrap_or_else(|| ("count(*)".into(), count()));
        dressed(Value { sql: format!("{call}{filter}"), ..value }, agg.dress)
    }

    fn call(agg: &Agg, of: &Value, scope: &Scope) -> Option<(String, Value)> {
        let x = &of.sql;
        let call = |name: &str| format!("{name}({x})");
        let picked = || Value { nullable: true, ..of.clone() }.chosen();
        Some(match agg.function {
            Function::CountAll => return None,
            Function::Count => (call("count"), count()),
            Function::CountDistinct => (format!("count(distinct {x})"), of.is_sortable().then(count)?),
            Function::Sum => (call("sum"), sum(of)?),
            Function::SumDistinct => {
                let told = sum(of)?;
                (format!("sum(distinct {x})"), Value { nullable: true, ..told }.chosen())
            }
            Function::Avg => (call("avg"), mean(of)?),
            Function::Stddev => (call("stddev"), mean(of)?),
            Function::Min | Function::Max => {
                let name = if agg.function == Function::Min { "min" } else { "max" };
                (call(name), (of.is_comparable() && of.kind != Kind::Bool).then(picked)?)
            }
            Function::StringAgg => {
                let is_plain = of.fidelity == Fidelity::Exact && !of.kind.is_passed_on();
                let text = format!("{x}::text collate \"C\"");
                let value = is_plain.then(|| Value::new("", Kind::TextC, true))?;
                (format!("string_agg({text}, ','::text order by ({text}))"), value)
            }
            Function::ArrayAgg => {
                let fidelity = if of.kind.has_looks() { Fidelity::Equal } else { of.fidelity };
                let value = of.is_comparable().then(|| Value::new("", Kind::Other, true).of(fidelity))?;
                (format!("array_agg({x} order by {x})"), value)
            }
            Function::PercentileCont => {
                let value = of.kind.is_number().then(|| Value::new("", Kind::Float, true))?;
                let call = format!("percentile_cont(0.5) within group (order by ({x}::double precision))");
                (call, value.of(Fidelity::Approximate))
            }
            Function::PercentileDisc => (
                format!("percentile_disc(0.5) within group (order by {x})"),
                of.is_comparable().then(picked)?,
            ),
            Function::Mode => {
                (format!("mode() within group (order by {x})"), of.is_comparable().then(picked)?)
            }
            Function::Corr => {
                let other = scope.one(agg.with, |value| value.is_firm() && value.kind.is_number())?;
                let value = of.kind.is_number().then(|| Value::new("", Kind::Float, true))?;
                let call = format!("corr({x}::double precision, {}::double precision)", other.sql);
                (call, value.of(Fidelity::Approximate))
            }
            Function::BoolAnd => {
                let condition = if of.kind == Kind::Bool { x.clone() } else { format!("{x} is not null") };
                (format!("bool_and({condition})"), Value::new("", Kind::Bool, true))
            }
        })
    }

    /// A window function; one that looks at an order wants a scope whose rows can be sorted.
    pub(crate) fn window(window: &Window, scope: &Scope) -> Value {
        let partition: Vec<_> = window
            .partition
            .iter()
            .filter_map(|&pick| scope.comparable(pick))
            .map(|value| value.sql.clone())
            .collect();
        let partition = if partition.is_empty() {
            String::new()
        } else {
            format!("partition by {}", partition.join(", "))
        };
        let (Some(total), Some(first), Some(of)) =
            (scope.order(), scope.comparable(window.order), scope.comparable(window.of))
        else {
            return Value::new(format!("count(*) over ({partition})"), Kind::Bigint, false);
        };
        let descending = if window.descending { " desc" } else { "" };
        let peers = format!("{partition} order by {}{descending}", first.sql);
        let order = format!("{peers}, {}", total.join(", "));
        let frame = chosen(
            &["", "", " rows between 1 preceding and current row", " rows unbounded preceding"],
            window.frame,
        );
        let frame = frame.copied().unwrap_or_default();
        let x = &of.sql;
        let number = |sql: String| Value::new(sql, Kind::Bigint, false);
        let picked = |sql: String| Value { sql, nullable: true, ..of.clone() }.chosen();
        match window.function % 10 {
            0 => number(format!("row_number() over ({order})")),
            1 => number(format!("rank() over ({peers})")),
            2 => number(format!("dense_rank() over ({peers})")),
            3 => number(format!("count(*) over ({partition})")),
            4 => picked(format!("lag({x}) over ({order})")),
            5 => picked(format!("first_value({x}) over ({order}{frame})")),
            6 => picked(format!("lead({x}, 2) over ({order})")),
            7 => Value::new(format!("ntile(3) over ({order})"), Kind::Int, false),
            8 if of.kind != Kind::Bool => picked(format!("max({x}) over ({partition})")),
            _ => match sum(of) {
                Some(value) => Value { sql: format!("sum({x}) over ({order}{frame})"), ..value }.chosen(),
                None => number(format!("count({x}) over ({order}{frame})")),
            },
        }
    }
}

fn count() -> Value {
    Value::new("", Kind::Bigint, false)
}

fn sum(of: &Value) -> Option<Value> {
    let (kind, fidelity) = match of.kind {
        Kind::Int => (Kind::Bigint, of.fidelity),
        Kind::Bigint | Kind::Numeric | Kind::Money => (Kind::Numeric, of.fidelity),
        // Zero may have a sign.
        Kind::Float => (Kind::Float, Fidelity::Equal),
        _ => return None,
    };
    Some(Value::new("", kind, true).of(fidelity))
}

/// The digits of a quotient depend on how its operands look.
fn mean(of: &Value) -> Option<Value> {
    let kind = match of.kind {
        Kind::Int | Kind::Bigint | Kind::Numeric | Kind::Money => Kind::Numeric,
        Kind::Float => Kind::Float,
        _ => return None,
    };
    let exact = kind == Kind::Numeric && of.fidelity == Fidelity::Exact;
    Some(Value::new("", kind, true).of(if exact { Fidelity::Exact } else { Fidelity::Approximate }))
}

fn dressed(value: Value, dress: u8) -> Value {
    if !value.kind.is_number() || value.kind == Kind::Float {
        return value;
    }
    match dress {
        1 => Value { sql: format!("coalesce({}, 0)", value.sql), nullable: false, ..value },
        2 => Value { sql: format!("({} + 1)", value.sql), ..value },
        3 if value.kind == Kind::Numeric && value.is_firm() => {
            Value { sql: format!("round({}, 2)", value.sql), ..value }
        }
        _ => value,
    }
}
