//! Aggregates that can be undone, and what a group keeps for each.
//!
//! Law: a state is a sum over the rows of a group, with weights, so what is added can be taken off, exactly; or an extremum, which
//! is computed again when it leaves. The value of an aggregate is an expression over states, and equals what the server
//! computes from the rows: the display scale of a numeric included, NaN and the infinities included. Sums over `double precision` are
//! kept as exact decimals of its shortest notation, so they are nearer to the true sum than the server's own, which
//! depends on the order of the rows.

use serde::{Deserialize, Serialize};

use crate::{
    Rejection,
    ir::{Call, Expr, Piece},
};

use super::rows::refused;

/// What a group keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// A sum over rows `r` with weight `r.w`, never NULL.
    Sum(String),
    /// The extremum of an argument, by its place; NULL when there is none.
    Extremum {
        /// Which argument.
        argument: usize,
        /// The greatest, else the least.
        greatest: bool,
    },
    /// How many values of an argument there are, each counted once; kept by a table of its own.
    Distinct(usize),
}

/// The states of all aggregates of a group by, and the arguments over which they are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    pub(super) states: Vec<State>,
    /// Expressions over the rows; argument n comes out of them as `e<n>`.
    pub(super) arguments: Vec<Expr>,
}

/// The powers by which rows are counted for each display scale within one number: 15 digits for each.
fn scale_weight(x: &str) -> String {
    format!(
        "(case when scale({x}) < 40 then ({POWERS})[scale({x}) + 1] else ('1e' || (15 * scale({x})))::numeric end)"
    )
}

const POWERS: &str = "'{1,1e15,1e30,1e45,1e60,1e75,1e90,1e105,1e120,1e135,1e150,1e165,1e180,1e195,1e210,1e225,1e240,\
1e255,1e270,1e285,1e300,1e315,1e330,1e345,1e360,1e375,1e390,1e405,1e420,1e435,1e450,1e465,1e480,1e495,1e510,1e525,\
1e540,1e555,1e570,1e585}'::numeric[]";

impl States {
    /// The value of a call as an expression over the states, each of them `{alias}.a<n>` and the number of rows `{alias}.n`.
    /// `type_of` tells the type of an expression over the rows.
    pub(super) fn value(
        &mut self,
        call: &Call,
        type_of: &mut dyn FnMut(&Expr) -> Option<String>,
    ) -> Result<String, Rejection> {
        let name = call.function.name.as_str();
        let unknown = || refused(&format!("{name}()"), "it cannot be undone when a row leaves");
        if call.function.schema.is_some() || call.up > 0 || !call.order.is_empty() || !call.within.is_empty()
        {
            return Err(unknown());
        }
        if call.args.iter().any(|arg| arg.has_sublink() || arg.has_clock())
            || call.filter.iter().any(|filter| filter.has_sublink() || filter.has_clock())
        {
            return Err(refused(&format!("{name}()"), "what it adds up depends on more than its row"));
        }
        if call.star {
            return Ok(self.count_rows(call));
        }
        let arguments: Vec<Expr> = call.args.iter().map(|arg| filtered(arg, &call.filter)).collect();
        match (name, arguments.as_slice(), call.distinct) {
            ("min" | "max", [x], _) => Ok(self.extremum(x, name == "max")),
            ("count", [x], false) => {
                let x = self.argument(is_present(x));
                Ok(self.sum(format!("coalesce(sum(r.w) filter (where r.e{x}), 0)::pg_catalog.int8")))
            }
            ("count", [x], true) => {
                let x = self.argument(x.clone());
                Ok(column(self.state(State::Distinct(x))))
            }
            ("bool_and" | "bool_or" | "every", [x], _) => Ok(self.truth(x, name == "bool_or")),
            ("sum" | "avg", [x], false) => {
                let kind = type_of(&call.args[0]).ok_or_else(unknown)?;
                self.total(x, name == "avg", base(&kind)).ok_or_else(unknown)
            }
            ("stddev" | "stddev_samp" | "stddev_pop" | "variance" | "var_samp" | "var_pop", [x], false) => {
                type_of(&call.args[0]).filter(|kind| kind == "double precision").ok_or_else(unknown)?;
                Ok(self.spread(x, name))
            }
            ("corr" | "regr_count" | "covar_pop" | "covar_samp", [y, x], false) => Ok(self.pair(y, x, name)),
            _ => Err(unknown()),
        }
    }

    fn count_rows(&mut self, call: &Call) -> String {
        if call.filter.is_empty() {
            return "{m}.n".into();
        }
        let passes = self.argument(filtered(&Expr::text("true"), &call.filter));
        self.sum(format!("coalesce(sum(r.w) filter (where r.e{passes}), 0)::pg_catalog.int8"))
    }

    fn extremum(&mut self, x: &Expr, greatest: bool) -> String {
        let argument = self.argument(x.clone());
        column(self.state(State::Extremum { argument, greatest }))
    }

    fn truth(&mut self, x: &Expr, any: bool) -> String {
        let x = self.argument(x.clone());
        let known = self.present(x);
        let wanted = if any { "r.e" } else { "not r.e" };
        let found = self.sum(format!("coalesce(sum(r.w) filter (where {wanted}{x}), 0)::pg_catalog.int8"));
        let holds = if any { "> 0" } else { "= 0" };
        format!("(case when {known} = 0 then null else {found} {holds} end)")
    }

    /// `sum` and `avg`.
    fn total(&mut self, x: &Expr, average: bool, kind: &str) -> Option<String> {
        let x = self.argument(x.clone());
        let known = self.present(x);
        let value = match kind {
            "smallint" | "integer" | "bigint" => {
                let sum = self.sum(format!("coalesce(sum(r.w * r.e{x}::pg_catalog.numeric), 0)"));
                match (average, kind) {
                    (true, _) => format!("{sum} / {known}::pg_catalog.numeric"),
                    (false, "bigint") => sum,
                    (false, _) => format!("{sum}::pg_catalog.int8"),
                }
            }
            "numeric" => self.numeric_total(x, average.then_some(known.as_str())),
            "double precision" => {
                let (special, sum) = (self.special(x, "pg_catalog.float8"), self.decimal(x, false));
                let value = if average { format!("({sum} / {known}::pg_catalog.numeric)") } else { sum };
                format!(
                    "case when {special} <> 0 then {} else {value}::pg_catalog.float8 end",
                    unlike(&special, "float8")
                )
            }
            _ => return None,
        };
        Some(format!("(case when {known} = 0 then null else {value} end)"))
    }

    /// The sum with the display scale that the server gives it: the largest among the rows.
    fn numeric_total(&mut self, x: usize, divisor: Option<&str>) -> String {
        let e = format!("r.e{x}");
        let sum = self.sum(format!("coalesce(sum(r.w * {e}) filter (where scale({e}) is not null), 0)"));
        let scales = self.sum(format!(
            "coalesce(sum(r.w * {}) filter (where scale({e}) is not null), 0)",
            scale_weight(&e)
        ));
        let special = self.special(x, "pg_catalog.numeric");
        let scale = format!("((length({scales}::pg_catalog.text) - 1) / 15)");
        let rounded = format!("round({sum}, {scale})");
        let value =
            divisor.map_or_else(|| rounded.clone(), |n| format!("{rounded} / {n}::pg_catalog.numeric"));
        format!("case when {special} <> 0 then {} else {value} end", unlike(&special, "numeric"))
    }

    fn spread(&mut self, x: &Expr, name: &str) -> String {
        let x = self.argument(x.clone());
        let known = self.present(x);
        let special = self.special(x, "pg_catalog.float8");
        let (sum, squares) = (self.decimal(x, false), self.decimal(x, true));
        let (least, divisor) = if name.ends_with("_pop") {
            (1, format!("{known}::pg_catalog.numeric * {known}"))
        } else {
            (2, format!("{known}::pg_catalog.numeric * ({known} - 1)"))
        };
        let variance = format!("(({known} * {squares} - {sum} * {sum}) / ({divisor}))");
        let value = if name.starts_with("stddev") { format!("sqrt({variance})") } else { variance };
        format!(
            "(case when {known} < {least} then null when {special} <> 0 then 'NaN'::pg_catalog.float8 \
             else {value}::pg_catalog.float8 end)"
        )
    }

    /// Aggregates over pairs of `double precision`, of which none is NULL.
    fn pair(&mut self, y: &Expr, x: &Expr, name: &str) -> String {
        let (y, x) = (self.argument(y.clone()), self.argument(x.clone()));
        let both = format!("r.e{y} is not null and r.e{x} is not null");
        let n = self.sum(format!("coalesce(sum(r.w) filter (where {both}), 0)::pg_catalog.int8"));
        if name == "regr_count" {
            return n;
        }
        // Of each side over all its finite values, whatever the other side has there.
        let (sx, sy) = (self.side(&both, x, &decimal(x)), self.side(&both, y, &decimal(y)));
        let sxy = self.sum(format!(
            "coalesce(sum(r.w * {} * {}) filter (where {both} and not ({} or {})), 0)",
            decimal(x),
            decimal(y),
            odd(y),
            odd(x)
        ));
        let covariance = format!("({n} * {sxy} - {sx} * {sy})");
        if name == "corr" {
            return self.correlation(&both, &n, &covariance, [(x, &sx), (y, &sy)]);
        }
        let special = self.count_odd(&both, &format!("({} or {})", odd(y), odd(x)));
        let (least, divisor) = if name == "covar_pop" { (1, n.clone()) } else { (2, format!("({n} - 1)")) };
        format!(
            "(case when {n} < {least} then null when {special} <> 0 then 'NaN'::pg_catalog.float8 \
             else ({covariance} / ({n}::pg_catalog.numeric * {divisor}))::pg_catalog.float8 end)"
        )
    }

    /// A side that never varies leaves no correlation, even where the other side is no number.
    fn correlation(&mut self, both: &str, n: &str, covariance: &str, sides: [(usize, &str); 2]) -> String {
        let [(odd_x, of_x), (odd_y, of_y)] = sides.map(|(e, sum)| {
            let squares = self.side(both, e, &format!("{0} * {0}", decimal(e)));
            (self.count_odd(both, &odd(e)), format!("({n} * {squares} - {sum} * {sum})"))
        });
        format!(
            "(case when {n} = 0 or ({odd_x} = 0 and {of_x} = 0) or ({odd_y} = 0 and {of_y} = 0) then null \
             when {odd_x} <> 0 or {odd_y} <> 0 then 'NaN'::pg_catalog.float8 \
             else (greatest(-1, least(1, {covariance} / sqrt({of_x} * {of_y}))))::pg_catalog.float8 end)"
        )
    }

    /// A sum over the rows of pairs in which one side is finite.
    fn side(&mut self, both: &str, e: usize, of: &str) -> String {
        self.sum(format!("coalesce(sum(r.w * {of}) filter (where {both} and not {}), 0)", odd(e)))
    }

    fn count_odd(&mut self, both: &str, odd: &str) -> String {
        self.sum(format!("coalesce(sum(r.w) filter (where {both} and {odd}), 0)::pg_catalog.int8"))
    }

    /// How many rows have a value.
    fn present(&mut self, x: usize) -> String {
        self.sum(format!("coalesce(sum(r.w) filter (where r.e{x} is not null), 0)::pg_catalog.int8"))
    }

    /// A sum over the finite values of a `double precision`, as an exact decimal.
    fn decimal(&mut self, x: usize, squared: bool) -> String {
        let e = format!("r.e{x}");
        let value = format!("{e}::pg_catalog.numeric");
        let of = if squared { format!("{value} * {value}") } else { value };
        self.sum(format!(
            "coalesce(sum(r.w * {of}) filter (where {e} not in ('NaN', 'Infinity', '-Infinity')), 0)"
        ))
    }

    /// How many NaN and infinities there are: 15 digits of one number for each.
    fn special(&mut self, x: usize, kind: &str) -> String {
        let e = format!("r.e{x}");
        self.sum(format!(
            "coalesce(sum(r.w * case {e} when 'NaN'::{kind} then 1 when 'Infinity'::{kind} then 1e15 else 1e30 end) \
             filter (where {e} in ('NaN', 'Infinity', '-Infinity')), 0)"
        ))
    }

    fn argument(&mut self, expr: Expr) -> usize {
        let known = self.arguments.iter().position(|known| *known == expr);
        known.unwrap_or_else(|| {
            self.arguments.push(expr);
            self.arguments.len() - 1
        })
    }

    fn sum(&mut self, of: String) -> String {
        column(self.state(State::Sum(of)))
    }

    fn state(&mut self, state: State) -> usize {
        let known = self.states.iter().position(|known| *known == state);
        known.unwrap_or_else(|| {
            self.states.push(state);
            self.states.len() - 1
        })
    }
}

/// An argument as an exact decimal.
fn decimal(e: usize) -> String {
    format!("r.e{e}::pg_catalog.numeric")
}

/// Whether an argument is no finite number.
fn odd(e: usize) -> String {
    format!("r.e{e} in ('NaN', 'Infinity', '-Infinity')")
}

/// A state in a value; the alias is filled in later.
fn column(state: usize) -> String {
    format!("{{m}}.a{state}")
}

/// The sum where NaN or an infinity is among the values.
fn unlike(special: &str, kind: &str) -> String {
    format!(
        "(case when mod({special}, 1e15) > 0 or (mod(div({special}, 1e15), 1e15) > 0 and div({special}, 1e30) > 0) \
         then 'NaN' when mod(div({special}, 1e15), 1e15) > 0 then 'Infinity' else '-Infinity' end)::pg_catalog.{kind}"
    )
}

fn base(kind: &str) -> &str {
    kind.split('(').next().unwrap_or_default().trim_end()
}

/// The value where the conditions of FILTER hold, else NULL.
fn filtered(value: &Expr, filter: &[Expr]) -> Expr {
    if filter.is_empty() {
        return value.clone();
    }
    let mut expr = Expr::text("(case when ");
    for (n, condition) in filter.iter().enumerate() {
        expr.push_text(if n == 0 { "" } else { " and " });
        condition.pieces.iter().for_each(|piece| expr.push(piece.clone()));
    }
    expr.push_text(" then ");
    value.pieces.iter().for_each(|piece| expr.push(piece.clone()));
    expr.push_text(" end)");
    expr
}

/// Whether there is a value at all, which for a row of values is not the same as IS NOT NULL.
fn is_present(value: &Expr) -> Expr {
    let mut expr = Expr::text("(num_nonnulls(");
    value.pieces.iter().for_each(|piece: &Piece| expr.push(piece.clone()));
    expr.push_text(") > 0)");
    expr
}
