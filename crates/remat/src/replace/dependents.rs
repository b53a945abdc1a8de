//! What depends on a relation: views that can follow it, and everything else, which cannot.

use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::types::Type;

use super::{carry::Carried, picture::vanished};
use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName},
    pg::Session,
};

/// A view or materialized view that reads the relation, directly or through others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependent {
    /// Its object id.
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// Its query as the server prints it, without a semicolon.
    pub query: String,
    /// What it reads of the relation and of other dependents.
    pub uses: Vec<Use>,
    /// What it carries.
    pub carried: Carried,
}

/// The columns that a view reads of one relation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Use {
    /// The relation's object id.
    pub relation: u32,
    /// The columns; reading a whole row names none.
    pub columns: Vec<Identifier>,
}

/// An object that does not survive the replacement of what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// The relation that it depends on.
    pub relation: u32,
    /// What the server calls it.
    pub description: String,
}

/// Oid, query and uses of one dependent, before it is known what it carries.
pub(super) type Reading = (u32, String, Vec<Use>);

/// The views over a relation, each after all that it reads; the search path must be empty.
pub(super) async fn read(session: &Session, oid: u32) -> Result<Vec<Reading>, Failure> {
    let rows = session.query(include_str!("dependents.sql"), &[(&oid, Type::OID)]).await?;
    rows.iter()
        .map(|row| {
            let query = row.get::<_, Option<String>>(1).ok_or_else(|| vanished("a dependent view"))?;
            let uses = serde_json::from_value(row.get::<_, Value>(2)).map_err(|error| {
                Failure::new(
                    FailureKind::Other,
                    format!("the dependencies of a view cannot be read: {error}"),
                )
            })?;
            Ok((row.get(0), query.trim_end().trim_end_matches(';').to_owned(), uses))
        })
        .collect()
}

/// What else depends on these relations.
pub(crate) async fn others(session: &Session, oids: &[u32]) -> Result<Vec<Other>, Failure> {
    let rows = session.query(include_str!("others.sql"), &[(&oids, Type::OID_ARRAY)]).await?;
    Ok(rows.iter().map(|row| Other { relation: row.get(0), description: row.get(1) }).collect())
}

/// The refusal that names what stands in the way.
pub(super) fn refusal(name: &RelationName, descriptions: &[String]) -> Failure {
    let mut failure = Failure::new(
        FailureKind::Dependents,
        format!("cannot replace \"{name}\" because other objects depend on it"),
    )
    .with_detail(format!("{}.", descriptions.join("; ")))
    .with_hint("Drop these objects, replace the view, and create them again.");
    failure.complaint.sqlstate = Some("2BP01".into());
    failure
}
