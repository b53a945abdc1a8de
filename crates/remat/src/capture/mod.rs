//! Change capture: a log of every change of a table, for the views that are brought up to date by it.
//!
//! Law: writers never fail because of remat, and no change passes unlogged and unnoticed. Statement triggers on a table
//! and on each of its partitions write old and new images to one log. They take columns by their place, and only while
//! each stands in its place; else they log that anything may have changed. Where the log is gone they log nothing, and the
//! fingerprint of the capture shows the gap. So whoever reads a log first asks what it can tell ([`changes`]), and reads the
//! whole table where it cannot.
//!
//! No writer is missed. Creating a trigger waits, under SHARE ROW EXCLUSIVE on the table and all its partitions, for the end of
//! every transaction that has written to any of them; whoever writes later finds the triggers. So a snapshot that sees
//! the triggers sees all that was written without them, and the log has all else. Nothing is logged twice: a statement
//! fires the triggers of the one table that it names.
//!
//! A partition that comes later is a stranger: the statement triggers above it log its rows as if it had always been
//! there. While it stays, the fingerprint shows it; that it was there, and was written to, a row trigger logs, which it gets from
//! above as it comes.
//!
//! A reader is one REPEATABLE READ transaction: [`changes`], the rows that are [new](Snapshot::is_new), and
//! [`store_state`]. It takes no lock on a table and holds up no writer.
//!
//! A log is short where writers write, because it has no index there: see [`prune`].
//!
//! What becomes of the rows, and when a log is read, is not decided here.

mod install;
mod prune;
mod script;
mod table;

use std::collections::BTreeMap;

pub use install::{install, remove, sweep};
pub use prune::{Pruned, prune};

use crate::name::RelationName;
pub use crate::store::captures::{
    Answer, Change, Gap, Snapshot, Unfilled, changes, snapshot, store_state, unfilled,
};

/// What a view needs to know of a table's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The object id of the table.
    pub table: u32,
    /// The numbers of its columns; none where the number of rows is all.
    pub columns: Vec<i16>,
}

/// The log of a capture: columns `xid`, `sign` (-1 an old image, 1 a new one, 0 all rows went), and `a<number>` for each
/// captured column of the table. It is a view of both parts of the log.
pub fn log_of(capture_id: i64) -> RelationName {
    in_log(format!("t{capture_id}"))
}

/// The tables of which a log consists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Where writers write. It has no index and is short: pruning takes out of it whatever a prompt reader has read.
    New,
    /// What only the slow readers still need. It has an index.
    Old,
}

impl Part {
    pub(crate) const ALL: [Self; 2] = [Self::New, Self::Old];

    /// The letter of its name.
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::New => "n",
            Self::Old => "o",
        }
    }
}

fn part_of(capture_id: i64, part: Part) -> RelationName {
    in_log(format!("{}{capture_id}", part.letter()))
}

fn in_log(name: String) -> RelationName {
    RelationName::new("remat_log", name).expect("a word and a number are a legal name")
}

/// The needs by table, in ascending order, so that two that install never wait for each other crosswise.
fn by_table(needs: &[Need]) -> BTreeMap<u32, Vec<i16>> {
    let mut tables: BTreeMap<u32, Vec<i16>> = BTreeMap::new();
    for need in needs {
        tables.entry(need.table).or_default().extend(&need.columns);
    }
    for columns in tables.values_mut() {
        columns.sort_unstable();
        columns.dedup();
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_of_one_table_become_one() {
        let need = |table, columns: &[i16]| Need { table, columns: columns.to_vec() };
        let needs = by_table(&[need(9, &[3]), need(7, &[]), need(9, &[1, 3])]);
        assert_eq!(needs.into_iter().collect::<Vec<_>>(), [(7, vec![]), (9, vec![1, 3])]);
    }
}
