//! Which strategies a view could be refreshed by, and what stands in the way of the others.
//!
//! Law: [`judge`] is pure; it says of every strategy whether it is possible as things stand, why not, and by which statement
//! it would become so. Nothing is proposed that would change what the view contains.

use serde::Serialize;
use tokio_postgres::types::Type;

use crate::{
    failure::Failure,
    maintain::Explanation,
    name::list_to_sql,
    pg::{Session, catalog::Relation},
    view::{Definition, RelationKind, Strategy},
};

/// What is to be known of one strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Eligibility {
    /// The strategy.
    pub strategy: Strategy,
    /// Whether a refresh by it would work as things stand.
    pub possible: bool,
    /// Why, in a sentence.
    pub why: String,
    /// A statement that would make it possible, after what `check` finds no row.
    pub proposal: Option<String>,
    /// A query that gives the rows that stand in the way of the proposal.
    pub check: Option<String>,
}

/// An index and the first test that it fails as one that tells rows apart; none for one that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFault {
    /// Its name.
    pub index: String,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// The indexes of a relation with their faults.
pub async fn index_faults(session: &Session, oid: u32) -> Result<Vec<IndexFault>, Failure> {
    let rows = session.query(include_str!("strategy/unique_indexes.sql"), &[(&oid, Type::OID)]).await?;
    Ok(rows.iter().map(|row| IndexFault { index: row.get(0), fault: row.get(1) }).collect())
}

/// Judges every strategy. `explanation` is that of the view's plan of maintenance, where it could be asked for.
pub fn judge(
    definition: &Definition,
    relation: Option<&Relation>,
    faults: &[IndexFault],
    explanation: Option<&Explanation>,
) -> Vec<Eligibility> {
    let Some(relation) = relation else { return Vec::new() };
    let is_table = relation.kind == Some(RelationKind::Table);
    Strategy::ALL
        .iter()
        .filter(|strategy| **strategy != Strategy::Auto)
        .map(|strategy| match strategy {
            Strategy::Regular => regular(is_table),
            Strategy::Concurrent => concurrent(is_table, definition, relation, faults),
            Strategy::Swap => swap(is_table),
            Strategy::Merge => merge(is_table, definition),
            Strategy::Incremental | Strategy::Auto => incremental(is_table, definition, explanation),
        })
        .collect()
}

fn yes(strategy: Strategy, why: impl Into<String>) -> Eligibility {
    Eligibility { strategy, possible: true, why: why.into(), proposal: None, check: None }
}

fn no(strategy: Strategy, why: impl Into<String>) -> Eligibility {
    Eligibility { possible: false, ..yes(strategy, why) }
}

const IS_TABLE: &str = "What stands there is a managed table; the definition would have to ask for this strategy, and `remat apply` converts the relation.";

fn regular(is_table: bool) -> Eligibility {
    if is_table {
        return no(Strategy::Regular, IS_TABLE);
    }
    yes(Strategy::Regular, "Always possible. Readers wait while the query runs.")
}

fn swap(is_table: bool) -> Eligibility {
    if is_table {
        return no(Strategy::Swap, IS_TABLE);
    }
    yes(
        Strategy::Swap,
        "Possible. Readers wait for the exchange of names only; it takes the room of a second copy.",
    )
}

fn concurrent(
    is_table: bool,
    definition: &Definition,
    relation: &Relation,
    faults: &[IndexFault],
) -> Eligibility {
    let strategy = Strategy::Concurrent;
    if is_table {
        return no(strategy, IS_TABLE);
    }
    if let Some(index) = faults.iter().find(|index| index.fault.is_none()) {
        if !relation.populated {
            return no(strategy, "The view is not populated; fill it once by another strategy.");
        }
        return yes(
            strategy,
            format!("Possible by the unique index \"{}\". Readers never wait.", index.index),
        );
    }
    let told = faults
        .iter()
        .filter_map(|index| Some(format!("index \"{}\" {}", index.index, index.fault.as_deref()?)));
    let mut why = if faults.is_empty() {
        "It has no index.".to_owned()
    } else {
        format!("No index tells all rows apart: {}.", told.collect::<Vec<_>>().join("; "))
    };
    let mut answer = no(strategy, String::new());
    if definition.key.is_empty() {
        why.push_str(" Give the definition a key: columns that are never NULL and never twice the same.");
    } else {
        let (key, name) = (list_to_sql(&definition.key), relation.name.to_sql());
        answer.proposal = Some(format!("create unique index concurrently on {name} ({key})"));
        answer.check = Some(format!("select {key}, count(*) from {name} group by {key} having count(*) > 1"));
    }
    Eligibility { why, ..answer }
}

fn merge(is_table: bool, definition: &Definition) -> Eligibility {
    if definition.key.is_empty() {
        return no(
            Strategy::Merge,
            "The definition has no key. With columns that tell its rows apart, only the difference would be written.",
        );
    }
    if is_table {
        return yes(Strategy::Merge, "Possible. Only rows that differ are written, and readers never wait.");
    }
    no(
        Strategy::Merge,
        "What stands there is a materialized view. With this strategy in the definition, `remat apply` makes it a managed table.",
    )
}

fn incremental(is_table: bool, definition: &Definition, explanation: Option<&Explanation>) -> Eligibility {
    let strategy = Strategy::Incremental;
    match explanation {
        Some(told) if told.incremental => {
            if let Some(obstacle) = &told.obstacle {
                return no(strategy, format!("A plan exists, but: {}.", obstacle.primary));
            }
            if !is_table {
                return no(
                    strategy,
                    "A plan exists. With this strategy and a key in the definition, `remat apply` makes it a managed table.",
                );
            }
            yes(strategy, "Possible. It is brought up to date by what changed in the tables that it reads.")
        }
        Some(told) => {
            let told = told.refusal.as_ref().map_or_else(
                || "its query cannot be followed".into(),
                |refusal| format!("{} ({}): {}", refusal.construct, refusal.code, refusal.reason),
            );
            no(strategy, format!("Not possible. {told}."))
        }
        None if definition.key.is_empty() => no(strategy, "The definition has no key."),
        None => no(strategy, "Its plan could not be made."),
    }
}
