//! The plan of a view, and what it was made from.

use remat_sql::{Code, Rejection, maintain::Plan};
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    pg::{Session, catalog::Relation},
    view::View,
};

/// A plan with what the server knows its sources by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// As `plan.sources` has them.
    pub(crate) sources: Vec<PlannedSource>,
    /// Changes whenever the plan could be another one.
    pub(crate) fingerprint: String,
}

/// A relation whose changes a plan must be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlannedSource {
    /// Its object id.
    pub(crate) oid: u32,
    /// The names and numbers of its columns, as the plan's source has them.
    pub(crate) columns: Vec<(String, i16)>,
}

/// Compiles a view as it stands: the query of its managed table, or of the materialized view itself.
///
/// The session is in a transaction and has the settings that a refresh of the view pins; the search path is another one
/// only while this runs.
pub(crate) async fn planned(
    session: &Session,
    view: &View,
    relation: &Relation,
) -> Result<Result<Planned, Rejection>, Failure> {
    let _ = (session, view, relation);
    Ok(Err(Rejection::new(Code::NotMaintained, "query", 0..0).because("nothing is maintained yet")))
}

/// What a plan was made from, as a hash: the text of the view and of all views below, the relations that they read, and
/// the compiler's version. The session has the settings that a refresh of the view pins.
pub(crate) async fn fingerprint(session: &Session, view: &View) -> Result<String, Failure> {
    let _ = (session, view);
    Ok(String::new())
}
