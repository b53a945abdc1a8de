//! The plan of a view, and what it was made from.

use remat_sql::{
    Code, Rejection,
    ir::quoted,
    maintain::{self, Plan, Types},
};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use super::{
    read::{self, Facts, Reading},
    types,
};
use crate::{
    capture::{self, Snapshot},
    failure::{Failure, FailureKind},
    name::{RelationName, hash},
    pg::{Session, catalog::Relation},
    strategy::merge::defining_view,
    view::{RelationKind, View},
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

impl Planned {
    /// The names of the hidden tables of a view.
    pub(super) fn hidden_tables(&self, view_id: i64) -> Vec<RelationName> {
        let name = |number| RelationName::new("remat_query", format!("v{view_id}_s{number}"));
        (1..=self.plan.hidden.len()).map(|n| name(n).expect("numbers are a legal name")).collect()
    }
}

impl PlannedSource {
    /// The rows of its log that are new since a snapshot, or all of them, under the names of its columns: a query in
    /// parentheses, as a turn of the plan wants it. Where their number is known, it is told to the planner as a limit: it
    /// cannot estimate what a snapshot sees, and would read whole tables to join them.
    pub(super) fn changes(&self, capture_id: i64, since: Option<&Snapshot>, rows: Option<i64>) -> String {
        let column = |(name, number): &(String, i16)| format!(", l.a{number} as {}", quoted(name));
        let columns: Vec<_> = self.columns.iter().map(column).collect();
        let new = since.map_or_else(String::new, |since| format!("{} and ", since.is_new("l")));
        let limit = rows.map_or_else(String::new, |rows| format!(" limit {rows}"));
        format!(
            "(select l.sign::pg_catalog.int4 as remat_w{} from {} l where {new}l.sign operator(pg_catalog.<>) 0{limit})",
            columns.concat(),
            capture::log_of(capture_id).to_sql(),
        )
    }
}

/// A compiled view, or the reason against it, with the text that was read.
#[derive(Debug)]
pub(super) struct Compiled {
    /// The query, as the server prints it.
    #[cfg_attr(not(test), allow(dead_code, reason = "the tests read it"))]
    pub(super) text: String,
    /// The plan, and what was read for it.
    pub(super) outcome: Result<(Planned, Reading), Rejection>,
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
    // Boxed, so that a refresh, which seldom compiles, need not carry it.
    let compiled = Box::pin(compiled(session, view, relation)).await?;
    Ok(compiled.outcome.map(|(planned, _)| planned))
}

/// What a plan was made from, as a hash: the query of the view's managed table and of all views below, the relations that
/// they read, and the compiler's version.
pub(crate) async fn fingerprint(session: &Session, view: &View) -> Result<String, Failure> {
    fingerprint_of(session, view, &defining_view(view.id)).await
}

pub(super) async fn compiled(
    session: &Session,
    view: &View,
    relation: &Relation,
) -> Result<Compiled, Failure> {
    let root = match relation.kind {
        Some(RelationKind::Matview) => relation.name.clone(),
        Some(RelationKind::Table) | None => defining_view(view.id),
    };
    // First: what changes after it was taken makes another one.
    let fingerprint = fingerprint_of(session, view, &root).await?;
    read::full_names(session, async || {
        let facts = read::facts(session, &root, relation.oid).await?;
        let text = facts.as_ref().and_then(Facts::root).and_then(|root| root.query.clone());
        let (Some(facts), Some(text)) = (facts, text) else {
            let primary = format!("the query of view \"{}\" is gone", view.definition.name);
            return Err(Failure::new(FailureKind::UndefinedObject, primary));
        };
        let outcome = match facts.read(&text, relation.oid) {
            Ok(reading) => plan(session, view, reading, fingerprint).await?,
            Err(refused) => Err(refused),
        };
        Ok(Compiled { text, outcome })
    })
    .await
}

async fn plan(
    session: &Session,
    view: &View,
    reading: Reading,
    fingerprint: String,
) -> Result<Result<(Planned, Reading), Rejection>, Failure> {
    let key: Vec<_> = view.definition.key.iter().map(|name| name.as_str().to_owned()).collect();
    let nothing = Types::new();
    let asks = maintain::View {
        query: &reading.query,
        catalog: &reading.catalog,
        columns: &reading.columns,
        key: &key,
        types: &nothing,
    };
    let types = match types::answers(session, asks).await? {
        Ok(types) => types,
        Err(refused) => return Ok(Err(refused)),
    };
    let compiled = maintain::compile(maintain::View { types: &types, ..asks });
    let planned = compiled.and_then(|plan| {
        let sources = sources(&plan, &reading)?;
        Ok(Planned { plan, sources, fingerprint })
    });
    Ok(planned.map(|planned| (planned, reading)))
}

async fn fingerprint_of(session: &Session, view: &View, root: &RelationName) -> Result<String, Failure> {
    let key = view.definition.key.iter().map(crate::name::Identifier::to_sql).collect::<Vec<_>>().join(", ");
    let rest = hash(&format!("{} {key}", maintain::VERSION));
    let params = [(&root.to_sql() as _, Type::TEXT), (&rest as _, Type::TEXT)];
    let row = session.query_one("select remat.plan_fingerprint($1, $2)", &params).await?;
    Ok(row.get::<_, Option<_>>(0).unwrap_or_default())
}

fn sources(plan: &Plan, reading: &Reading) -> Result<Vec<PlannedSource>, Rejection> {
    plan.sources.iter().map(|source| planned_source(source, reading)).collect()
}

fn planned_source(source: &maintain::Source, reading: &Reading) -> Result<PlannedSource, Rejection> {
    let unknown = |what: &str| {
        Rejection::new(Code::UnknownName, format!("\"{what}\""), 0..0)
            .because(format!("\"{what}\" does not exist in the catalog that was read"))
    };
    let name = &source.relation.name;
    let relation = reading.relations.get(&source.relation).ok_or_else(|| unknown(name))?;
    let number = |name: &String| {
        let column =
            relation.columns.iter().find(|column| column.name == *name).ok_or_else(|| unknown(name))?;
        if column.r#virtual {
            return Err(Rejection::new(Code::Uncaptured, format!("column \"{name}\""), 0..0)
                .because(format!("column \"{name}\" is computed when it is read, so no trigger sees it"))
                .hint("Read the columns that it is made of, or store it."));
        }
        Ok((name.clone(), column.number))
    };
    Ok(PlannedSource {
        oid: relation.oid,
        columns: source.columns.iter().map(number).collect::<Result<_, _>>()?,
    })
}
