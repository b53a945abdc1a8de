//! Decides what happens to each view over a relation that is replaced.
//!
//! Law: a plain view whose columns stay as they are keeps its identity and only reads the new relation. A materialized
//! view cannot be pointed elsewhere and is replaced itself, and so is a view whose columns change their types. A plain
//! view that a replaced one reads is replaced, too: read through the old one, the rows would come from the old relation.

use std::collections::{HashMap, HashSet};

use super::{
    carry::{Column, Kind},
    dependents::{Dependent, refusal},
    picture::Picture,
};
use crate::{failure::Failure, name::Identifier};

/// What happens to a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// Nothing: all that it reads directly keeps its identity.
    Stay,
    /// `create or replace view` with its own text.
    Repoint,
    /// A replacement of its own.
    Replace,
}

/// How a replaced relation differs from the old one for its readers.
enum Change {
    /// Not at all, or in these columns.
    Columns(Vec<Identifier>),
    /// In columns that are not known before it is built.
    Unknown,
}

/// One answer per dependent, in their order. `columns` are those of the new relation where they may differ.
pub(super) fn decide(picture: &Picture, columns: Option<&[Column]>) -> Result<Vec<Follow>, Failure> {
    if let Some(columns) = columns {
        refuse_lost_columns(picture, columns)?;
    }
    let changed = columns.map(|new| changed_columns(&picture.carried.columns, new)).unwrap_or_default();
    let mut forced = HashSet::new();
    loop {
        let mut replaced = HashMap::from([(picture.oid, Change::Columns(changed.clone()))]);
        let follows: Vec<_> =
            picture.dependents.iter().map(|view| follow(view, &forced, &mut replaced)).collect();
        let missing = read_through(picture, &replaced);
        if missing.is_empty() {
            refuse_others(picture, &replaced)?;
            return Ok(follows);
        }
        forced.extend(missing);
    }
}

fn follow(view: &Dependent, forced: &HashSet<u32>, replaced: &mut HashMap<u32, Change>) -> Follow {
    let reads: Vec<_> =
        view.uses.iter().filter_map(|used| Some((replaced.get(&used.relation)?, &used.columns))).collect();
    let changes = reads.iter().any(|(change, columns)| match change {
        Change::Columns(changed) => columns.iter().any(|column| changed.contains(column)),
        Change::Unknown => true,
    });
    if reads.is_empty() {
        return Follow::Stay;
    }
    if view.carried.kind == Kind::View && !changes && !forced.contains(&view.oid) {
        return Follow::Repoint;
    }
    replaced.insert(view.oid, if changes { Change::Unknown } else { Change::Columns(Vec::new()) });
    Follow::Replace
}

/// Plain views that are read by a replaced view and are not replaced themselves.
fn read_through(picture: &Picture, replaced: &HashMap<u32, Change>) -> Vec<u32> {
    let is_plain =
        |oid: u32| picture.dependents.iter().any(|view| view.oid == oid && view.carried.kind == Kind::View);
    let readers = picture.dependents.iter().filter(|view| replaced.contains_key(&view.oid));
    let read = readers.flat_map(|view| &view.uses).map(|used| used.relation);
    read.filter(|oid| !replaced.contains_key(oid) && is_plain(*oid)).collect()
}

fn changed_columns(old: &[Column], new: &[Column]) -> Vec<Identifier> {
    let stays = |column: &&Column| {
        !new.iter().any(|other| other.name == column.name && other.data_type == column.data_type)
    };
    old.iter().filter(stays).map(|column| column.name.clone()).collect()
}

fn refuse_lost_columns(picture: &Picture, columns: &[Column]) -> Result<(), Failure> {
    let lost = |name: &&Identifier| columns.iter().all(|column| column.name != **name);
    let mut complaints = Vec::new();
    for dependent in &picture.dependents {
        let uses = dependent.uses.iter().filter(|used| used.relation == picture.oid);
        for column in uses.flat_map(|used| &used.columns).filter(lost) {
            complaints.push(format!("view {} reads column {column}, which is to go", dependent.name));
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(refusal(&picture.name, &complaints)) }
}

fn refuse_others(picture: &Picture, replaced: &HashMap<u32, Change>) -> Result<(), Failure> {
    let in_the_way: Vec<String> = picture
        .others
        .iter()
        .filter(|other| replaced.contains_key(&other.relation))
        .map(|other| other.description.clone())
        .collect();
    if in_the_way.is_empty() { Ok(()) } else { Err(refusal(&picture.name, &in_the_way)) }
}
