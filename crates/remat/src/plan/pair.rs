//! Which desired view is which view of the database.
//!
//! Law: views are paired by their names, or by `renamed_from` as long as the old name is there and the new one is not.
//! Names that leave a doubt are refused: pairing wrongly would drop a view and build another.

use std::collections::BTreeMap;

use super::{ActualView, Existence};
use crate::{
    error::{Error, ErrorKind},
    name::RelationName,
    view::Definition,
};

/// Desired views with what they were, and views that are no longer desired.
pub(super) struct Pairs<'a> {
    pub(super) kept: Vec<(&'a Definition, Option<&'a ActualView>)>,
    pub(super) gone: Vec<&'a ActualView>,
}

pub(super) fn pairs<'a>(desired: &'a [Definition], actual: &'a [ActualView]) -> Result<Pairs<'a>, Error> {
    let wanted = by_name(desired)?;
    let mut left: BTreeMap<_, _> = actual.iter().map(|found| (&found.view.definition.name, found)).collect();
    let renamed = renamed(desired, &wanted, &left)?;
    for (old, _) in renamed.values() {
        left.remove(old);
    }
    let kept = wanted.values().map(|definition| {
        let from = renamed.get(&definition.name).map(|(_, found)| *found);
        (*definition, from.or_else(|| left.remove(&definition.name)))
    });
    let kept: Vec<_> = kept.collect();
    for (definition, from) in &kept {
        if from.is_none() {
            name_is_free(definition, actual)?;
        }
    }
    Ok(Pairs { kept, gone: left.into_values().collect() })
}

type ByName<'a, T> = BTreeMap<&'a RelationName, T>;

fn by_name(desired: &[Definition]) -> Result<ByName<'_, &Definition>, Error> {
    let mut names = BTreeMap::new();
    for definition in desired {
        if names.insert(&definition.name, definition).is_some() {
            return Err(conflict(format!("view {} is defined twice", definition.name))
                .with_hint("Remove one of the definitions, or give it another name."));
        }
    }
    Ok(names)
}

/// For each view that gets a new name: the old one, and the view.
fn renamed<'a>(
    desired: &'a [Definition],
    wanted: &ByName<'a, &Definition>,
    actual: &ByName<'a, &'a ActualView>,
) -> Result<ByName<'a, (&'a RelationName, &'a ActualView)>, Error> {
    let mut claims = BTreeMap::new();
    let mut renamed = BTreeMap::new();
    for definition in desired {
        let Some(old) = &definition.renamed_from else { continue };
        if let Some(other) = claims.insert(old, &definition.name) {
            return Err(conflict(format!("both {other} and {} are renamed from {old}", definition.name)));
        }
        let Some(found) = actual.get(old) else { continue };
        match (actual.contains_key(&definition.name), wanted.contains_key(old)) {
            (false, _) => {
                renamed.insert(&definition.name, (old, *found));
            }
            // Both exist and both are wanted: the renaming was done before, and the old name was given away again.
            (true, true) => {}
            (true, false) => {
                return Err(conflict(format!("cannot rename {old} to {}", definition.name))
                    .with_detail("Views of both names are in the database.")
                    .with_hint("Leave renamed_from out to keep the one and remove the other."));
            }
        }
    }
    Ok(renamed)
}

/// A new view must not meet a relation of ours that somebody moved there.
fn name_is_free(definition: &Definition, actual: &[ActualView]) -> Result<(), Error> {
    let moved_here =
        |found: &&ActualView| matches!(&found.existence, Existence::Renamed { to } if *to == definition.name);
    let Some(found) = actual.iter().find(moved_here) else { return Ok(()) };
    let (old, new) = (&found.view.definition.name, &definition.name);
    Err(conflict(format!("the relation of view {old} already stands at {new}"))
        .with_detail("It was renamed outside remat.")
        .with_hint(format!("Say renamed_from in the definition of {new}, or rename the relation back.")))
}

fn conflict(primary: String) -> Error {
    Error::new(ErrorKind::Conflict, primary)
}
