//! The statements of a merge.
//!
//! The query runs once, into a tuple store of the statement that also joins it with the table on the key and keeps only
//! what differs, in a table that lives as long as the merge: whole new rows, so nothing is read twice. Then rows are deleted, updated and
//! inserted by their place. A key that is not unique shows as counts that do not add up, or as a duplicate in the
//! table's own key; a NULL in it as a NOT NULL violation. The columns of that table are numbered, so that no
//! name of the view meets one of ours.
//!
//! That table is not a temporary one, which the server refuses to make where a merge runs; see
//! [`Restricted`](crate::pg::Restricted). Settings that a statement changes end with the merge.
//!
//! Law: pure. Every name that it is given is quoted here.

use std::fmt::Write as _;

use remat_sql::image;
use serde::Serialize;

use crate::{
    name::{Identifier, RelationName},
    pg::catalog::Column,
};

/// The statements of one merge, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Program(pub(super) Vec<Statement>);

impl Program {
    /// Statements whose numbers mean nothing.
    pub(crate) fn of(phase: &'static str, statements: impl IntoIterator<Item = String>) -> Self {
        Self(statements.into_iter().map(|sql| plain(phase, None, sql)).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This, and then that.
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

/// One statement, and what its number means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Statement {
    pub(super) phase: &'static str,
    pub(super) sql: String,
    pub(super) counts: Option<Counts>,
    /// True when the number is what it selects; else it is the count of rows that it touched.
    pub(super) reads: bool,
    /// True when it selects an array of numbers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) lists: bool,
}

/// What the number that a statement gives stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counts {
    /// Rows of the table before.
    Before,
    /// Rows of the query.
    Staged,
    /// Rows that went.
    Deleted,
    /// Rows changed in place.
    Updated,
    /// New rows.
    Inserted,
}

/// Writes the program of a view.
pub(crate) fn program(view_id: i64, table: &RelationName, columns: &[Column], key: &[Identifier]) -> Program {
    let (target, diff) = (table.to_sql(), defining_view(view_id).derived("diff").to_sql());
    let names = each(columns, ", ", |_, name| name.to_owned());
    let values = each(columns, ", ", |n, _| format!("d.c{n}"));
    let set = each(columns, ", ", |n, name| format!("{name} = d.c{n}"));
    let diff_of = |rows: &str| format!("{diff} d where {rows}");
    let mut statements = vec![
        reading("compare", Counts::Before, format!("select count(*) from {target}")),
        plain("compare", None, compare(view_id, &diff, &target, columns, key)),
        reading(
            "compare",
            Counts::Staged,
            format!("select d.staged from {}", diff_of("d.staged is not null")),
        ),
        plain("write", None, BY_PLACE.into()),
    ];
    let gone = diff_of("t.ctid = d.target and d.present is null");
    let changed = diff_of("t.ctid = d.target and d.present");
    let new = diff_of("d.target is null and d.present");
    statements.extend([
        plain("write", Some(Counts::Deleted), format!("delete from {target} t using {gone}")),
        plain("write", Some(Counts::Updated), format!("update {target} t set {set} from {changed}")),
        plain(
            "write",
            Some(Counts::Inserted),
            format!("insert into {target} ({names}) select {values} from {new}"),
        ),
        plain("write", None, format!("drop table {diff}")),
    ]);
    Program(statements)
}

/// The plain view that keeps a managed table's query: it follows renames and guards its sources like any view.
pub(crate) fn defining_view(view_id: i64) -> RelationName {
    RelationName::new("remat_query", format!("v{view_id}")).expect("a number is a legal name")
}

/// The place of a row is known, so it is fetched, whatever the planner thinks of many fetches: a hash join would read
/// the whole table once more.
const BY_PLACE: &str = "select pg_catalog.set_config('enable_hashjoin', 'off', true), \
     pg_catalog.set_config('enable_mergejoin', 'off', true)";

/// Keeps what differs, and one row with the number of rows of the query.
fn compare(view_id: i64, diff: &str, target: &str, columns: &[Column], key: &[Identifier]) -> String {
    let source = defining_view(view_id).to_sql();
    let names = each(columns, ", ", |_, name| name.to_owned());
    let numbered = each(columns, ", ", |n, _| format!("c{n}"));
    let (values, nulls) = (each(columns, ", ", |n, _| format!("s.c{n}")), ", null".repeat(columns.len()));
    let on: Vec<_> = key.iter().filter_map(|key| same_key(columns, key)).collect();
    let on = on.join(" and ");
    let side = |(n, column): (usize, &Column)| {
        (format!("s.c{}", n + 1), format!("t.{}", column.name.to_sql()), column.data_type.clone())
    };
    let sides: Vec<_> = columns.iter().enumerate().map(side).collect();
    let differs = image::differs(sides.iter().map(|(s, t, kind)| (s.clone(), t.clone(), kind.as_str())));
    format!(
        "create unlogged table {diff} (target, staged, present, {numbered}) as
         with s (present, {numbered}) as materialized (select true, {names} from {source})
         select t.ctid, null::pg_catalog.int8, s.present, {values}
         from   s full join {target} t on {on}
         where  s.present is null or t.ctid is null or {differs}
         union  all
         select null, pg_catalog.count(*), null{nulls} from s"
    )
}

fn same_key(columns: &[Column], key: &Identifier) -> Option<String> {
    let n = columns.iter().position(|column| column.name == *key)? + 1;
    Some(format!("s.c{n} = t.{}", key.to_sql()))
}

/// One text per column from its number and its quoted name.
fn each(columns: &[Column], between: &str, text: impl Fn(usize, &str) -> String) -> String {
    let mut joined = String::new();
    for (index, column) in columns.iter().enumerate() {
        let between = if index == 0 { "" } else { between };
        write!(joined, "{between}{}", text(index + 1, &column.name.to_sql()))
            .expect("a String takes every write");
    }
    joined
}

pub(super) fn plain(phase: &'static str, counts: Option<Counts>, sql: String) -> Statement {
    Statement { phase, sql, counts, reads: false, lists: false }
}

/// A statement that selects an array of numbers.
pub(super) fn listing(phase: &'static str, sql: String) -> Statement {
    Statement { phase, sql, counts: None, reads: false, lists: true }
}

/// A statement that selects a number.
pub(super) fn asking(phase: &'static str, sql: String) -> Statement {
    Statement { phase, sql, counts: None, reads: true, lists: false }
}

fn reading(phase: &'static str, counts: Counts, sql: String) -> Statement {
    Statement { phase, sql, counts: Some(counts), reads: true, lists: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_quotes_every_name_it_is_given() {
        let name = |text: &str| Identifier::new(text).unwrap();
        let column = |text: &str| Column { name: name(text), data_type: "integer".into() };
        let table = RelationName::new("s\"x", "t; drop table u").unwrap();
        let program = program(7, &table, &[column("V"), column("k y")], &[name("k y")]);
        let text = serde_json::to_string(&program).unwrap().replace("\\\"", "\"");
        assert!(text.contains(r#"delete from "s""x"."t; drop table u" t"#), "{text}");
        assert!(text.contains(r#"on s.c2 = t."k y""#), "{text}");
        assert!(text.contains(r#"set "V" = d.c1, "k y" = d.c2 from"#), "{text}");
    }
}
