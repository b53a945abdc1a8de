//! Makes rows of the public table what they should be, and writes only what differs.
//!
//! Law: the rows that should stand and the rows that stand are joined on the key; each row is written at most once. Five
//! numbers come out: if rows after are not rows before, less deleted, plus inserted, then two rows had one key.

use serde::{Deserialize, Serialize};

use super::PUBLIC;
use crate::{catalog::Column, image};

/// The public table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    /// Its columns, quoted, with their types.
    columns: Vec<(String, String)>,
    /// The places of its key columns.
    key: Vec<usize>,
}

impl Target {
    pub(super) fn new(columns: &[Column], key: &[String]) -> Option<Self> {
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let key = key.iter().map(place).collect::<Option<Vec<_>>>()?;
        let quoted = |column: &Column| (crate::ir::quoted(&column.name), column.type_name.clone());
        Some(Self { columns: columns.iter().map(quoted).collect(), key })
    }

    /// A column by its place, quoted.
    pub(super) fn column(&self, place: usize) -> &str {
        &self.columns[place].0
    }

    /// The places of the key columns.
    pub(super) fn key(&self) -> &[usize] {
        &self.key
    }

    /// `with` holds common table expressions without the word, or nothing. `rows` is a query of the rows that should
    /// stand, in the order of the columns; `reach` a condition on the public table `t` outside of which nothing changes,
    /// or nothing.
    pub(super) fn apply(&self, with: &[String], rows: &str, reach: Option<&str>) -> String {
        let n = self.columns.len();
        let list = |text: &dyn Fn(usize) -> String| (0..n).map(text).collect::<Vec<_>>().join(", ");
        let numbered = list(&|i| format!("c{}", i + 1));
        let standing = list(&|i| format!("t.{} as c{}", self.columns[i].0, i + 1));
        let on: Vec<_> = self.key.iter().map(|i| format!("s.c{0} = t.c{0}", i + 1)).collect();
        let sides = self.columns.iter().enumerate();
        let differs = image::differs(
            sides.map(|(i, (_, kind))| (format!("s.c{}", i + 1), format!("t.c{}", i + 1), kind.as_str())),
        );
        let reach = reach.map_or_else(String::new, |reach| format!(" where {reach}"));
        let mut parts = with.to_vec();
        parts.push(format!(
            "remat_new (present, {numbered}) as materialized (select true, q.* from ({rows}) q)"
        ));
        parts.push(format!(
            "remat_old as materialized (select t.ctid as place, {standing} from {PUBLIC} t{reach})"
        ));
        parts.push(format!(
            "remat_diff as materialized (select t.place, s.* from remat_new s full join remat_old t on {} \
             where s.present is null or t.place is null or {differs})",
            on.join(" and ")
        ));
        parts.push(format!(
            "remat_gone as (delete from {PUBLIC} t using remat_diff j where {} and j.present is null returning 1)",
            at_places("t", "remat_diff", "j", "j.present is null")
        ));
        parts.push(format!(
            "remat_changed as (update {PUBLIC} t set {} from remat_diff j where {} and j.present returning 1)",
            list(&|i| format!("{} = j.c{}", self.columns[i].0, i + 1)),
            at_places("t", "remat_diff", "j", "j.present")
        ));
        parts.push(format!(
            "remat_added as (insert into {PUBLIC} ({}) select {} from remat_diff j where j.place is null and j.present returning 1)",
            list(&|i| self.columns[i].0.clone()),
            list(&|i| format!("j.c{}", i + 1))
        ));
        let counts = ["remat_old", "remat_new", "remat_gone", "remat_changed", "remat_added"]
            .map(|part| format!("(select pg_catalog.count(*) from {part})"));
        format!("with {} select array[{}]", parts.join(", "), counts.join(", "))
    }
}

/// The condition that a row of a table is the one whose place stands in a row of a part. The array makes the server fetch
/// rows by their places whatever it estimates; a hash join would read the whole table.
pub(super) fn at_places(table: &str, part: &str, alias: &str, which: &str) -> String {
    format!(
        "{table}.ctid = any (array(select {alias}.place from {part} {alias} where {alias}.place is not null and {which})) \
         and {table}.ctid = {alias}.place"
    )
}
