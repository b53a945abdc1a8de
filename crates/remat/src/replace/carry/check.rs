//! Proves that a relation carries what it was given.

use super::{Carried, Column, Grant, Index};

impl Carried {
    /// What `self` has and `given`, a relation built to carry it under derived names, has not.
    pub(crate) fn missing_in(&self, given: &Self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut expect = |what: &str, holds: bool| {
            if !holds {
                missing.push(what.to_owned());
            }
        };
        expect("owner", self.owner == given.owner);
        expect("tablespace", self.tablespace == given.tablespace);
        expect("access method", self.method.is_none() || self.method == given.method);
        expect("storage options", sorted(&self.options) == sorted(&given.options));
        expect("replica identity", self.replica_identity == given.replica_identity);
        expect("row security", self.secures_rows_like(given));
        expect("extensions", self.extensions == given.extensions);
        expect("comment", self.comment == given.comment);
        expect("security labels", self.labels == given.labels);
        expect("privileges", self.grants_equal(given));
        for column in &self.columns {
            let same = given.columns.iter().any(|other| column.is_carried_by(other));
            expect(&format!("properties of column {}", column.name), same);
        }
        for index in &self.indexes {
            let same = given.indexes.iter().any(|other| index.is_carried_by(other));
            expect(&format!("index {}", index.name), same);
        }
        for one in &self.statistics {
            let scratch = one.scratch();
            let same = given.statistics.iter().any(|other| {
                other.schema == scratch.schema && other.name == scratch.name && one.owner == other.owner
            });
            expect(&format!("statistics object {}", one.name), same);
        }
        missing
    }

    fn secures_rows_like(&self, given: &Self) -> bool {
        (self.row_security, self.force_row_security) == (given.row_security, given.force_row_security)
    }

    /// A relation that nobody granted anything on has no list to compare.
    fn grants_equal(&self, given: &Self) -> bool {
        (self.acl_is_default && given.acl_is_default) || as_set(&self.acl) == as_set(&given.acl)
    }
}

impl Column {
    fn is_carried_by(&self, given: &Self) -> bool {
        self.name == given.name
            && self.target == given.target
            && sorted(&self.options) == sorted(&given.options)
            && self.storage == given.storage
            && self.compression == given.compression
            && self.default == given.default
            && self.comment == given.comment
            && self.labels == given.labels
            && as_set(&self.acl) == as_set(&given.acl)
    }
}

impl Index {
    fn is_carried_by(&self, given: &Self) -> bool {
        self.scratch() == given.name
            && self.unique == given.unique
            && given.valid
            && self.tablespace == given.tablespace
            && self.clustered == given.clustered
            && self.replica_identity == given.replica_identity
            && self.comment == given.comment
            && self.targets == given.targets
            && self.constraint == given.constraint
    }
}

fn as_set(grants: &[Grant]) -> Vec<&Grant> {
    let mut set: Vec<_> = grants.iter().collect();
    set.sort();
    set
}

fn sorted(options: &[String]) -> Vec<&String> {
    let mut sorted: Vec<_> = options.iter().collect();
    sorted.sort();
    sorted
}
