//! The old relation and all that depends on it, as the catalog has them at one moment.
//!
//! Law: a picture is taken before the build and again under the lock. If they differ, somebody changed something
//! meanwhile and the replacement, made from the first, would undo it: so it is not made.

use super::{
    carry::{self, Carried},
    dependents::{self, Dependent, Other},
};
use crate::{
    failure::{Failure, FailureKind},
    name::RelationName,
    pg::{Session, catalog::print_full_names},
};

/// What stands under the name, and what reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// The relation's object id.
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// What it carries.
    pub carried: Carried,
    /// The views over it, each after all that it reads.
    pub dependents: Vec<Dependent>,
    /// What cannot follow a replacement, of the relation and of the views over it.
    pub others: Vec<Other>,
}

impl Picture {
    /// Reads it; empties the search path of the transaction.
    pub(super) async fn take(session: &Session, oid: u32) -> Result<Self, Failure> {
        print_full_names(session).await?;
        let readings = dependents::read(session, oid).await?;
        let oids: Vec<u32> = std::iter::once(oid).chain(readings.iter().map(|(oid, ..)| *oid)).collect();
        let mut carried = carry::read(session, &oids).await?;
        if carried.len() != oids.len() {
            return Err(vanished("the relation to be replaced or a view over it"));
        }
        let (_, name, own) = carried.remove(0);
        let dependents = readings
            .into_iter()
            .zip(carried)
            .map(|((oid, query, uses), (_, name, carried))| Dependent { oid, name, query, uses, carried });
        let dependents = dependents.collect();
        let others = dependents::others(session, &oids).await?;
        Ok(Self { oid, name, carried: own, dependents, others })
    }

    /// Fails if the catalog no longer looks like this, apart from the relations `built` meanwhile.
    pub(super) async fn check_unchanged(&self, session: &Session, built: &[u32]) -> Result<(), Failure> {
        let mut now = Self::take(session, self.oid).await?;
        now.dependents.retain(|dependent| !built.contains(&dependent.oid));
        now.others.retain(|other| !built.contains(&other.relation));
        if now == *self {
            return Ok(());
        }
        let primary =
            format!("\"{}\" or a view over it was altered while its replacement was built", self.name);
        Err(Failure::new(FailureKind::Serialization, primary).with_hint("Try again."))
    }
}

/// Another transaction dropped it between two looks.
pub(super) fn vanished(what: &str) -> Failure {
    Failure::new(FailureKind::Serialization, format!("{what} was dropped meanwhile")).with_hint("Try again.")
}
