//! Which relations a maintained query may read.
//!
//! Law: pure. What passes here is a table all of whose changes triggers can log, a table that only remat writes, or a plain
//! view that can be expanded. Capture refuses the same tables once more, under its locks.

use std::ops::Range;

use remat_sql::{Code, Reference, Rejection};

use super::read::{FIRST_OF_USERS, Facts, Relation};

/// Refuses the first relation whose changes cannot be captured; `text` is the query of the root.
pub(super) fn check(facts: &Facts, text: &str) -> Result<(), Rejection> {
    let owner = facts.root().map(|root| root.owner);
    for relation in facts.relations().filter(|relation| relation.read) {
        if let Some((reason, hint)) = obstacle(relation, owner) {
            let name = relation.qualified();
            let construct = format!("{} \"{}.{}\"", kind(relation), name.schema, name.name);
            return Err(Rejection::new(Code::Uncaptured, construct, place(relation, text))
                .because(reason)
                .hint(hint));
        }
    }
    Ok(())
}

const BY_MERGE: &str = "The strategy merge serves views that read it.";

fn obstacle(relation: &Relation, owner: Option<u32>) -> Option<(String, String)> {
    let because = |reason: String, hint: &str| Some((reason, hint.to_owned()));
    let name = format!("\"{}.{}\"", relation.schema, relation.name);
    if relation.oid < FIRST_OF_USERS {
        return because(format!("{name} belongs to the server, which tells nobody of its changes"), BY_MERGE);
    }
    match (relation.kind.as_str(), relation.persistence.as_str()) {
        ("v", _) if Some(relation.owner) != owner && !relation.invoker => because(
            format!("view {name} reads with the rights of another role"),
            "Give both views one owner, or create the view below with security_invoker.",
        ),
        ("v", _) => None,
        ("m", _) if relation.managed => because(
            format!("the rows of materialized view {name} do not change one by one"),
            "Give that view the strategy merge: then it is a table.",
        ),
        ("m", _) => because(
            format!("nothing tells when materialized view {name} is refreshed"),
            "Let remat keep that view too, with the strategy merge.",
        ),
        ("f", _) => because(format!("the rows of foreign table {name} are changed elsewhere"), BY_MERGE),
        ("r" | "p", "t") => because(format!("table {name} is temporary"), "Read a permanent table."),
        ("r" | "p", "u") => because(
            format!("a crash empties unlogged table {name} without a word"),
            "Set the table to LOGGED.",
        ),
        ("r" | "p", _) if relation.row_security => because(
            format!("the policies of table {name} hide rows by conditions that are not in the query"),
            "Read a table without row security.",
        ),
        ("r" | "p", _) if relation.inherits => because(
            format!("table {name} stands below another, whose statements change it without its triggers"),
            "Read the table above, with a condition.",
        ),
        ("r" | "p", _) => level_obstacle(relation),
        _ => because(format!("{name} is no table"), "Read tables and plain views only."),
    }
}

/// What stands below a table is changed by statements of its own.
fn level_obstacle(relation: &Relation) -> Option<(String, String)> {
    relation.levels.iter().find_map(|level| {
        let name = &level.name;
        let is_root = *name == format!("{}.{}", relation.schema, relation.name);
        let reason = match (level.kind.as_str(), level.persistence.as_str()) {
            ("f", _) => format!("the rows of foreign table \"{name}\" below it are changed elsewhere"),
            ("r" | "p", "p") if level.replicated => {
                format!("\"{name}\" is written by a subscription, which fires no statement triggers")
            }
            ("r" | "p", "p") if is_root || level.partition => return None,
            ("r" | "p", "p") => format!("\"{name}\" inherits from it without being a partition"),
            _ => format!("a crash empties unlogged table \"{name}\" below it without a word"),
        };
        Some((reason, BY_MERGE.to_owned()))
    })
}

fn kind(relation: &Relation) -> &'static str {
    match relation.kind.as_str() {
        "v" => "view",
        "m" => "materialized view",
        "f" => "foreign table",
        "S" => "sequence",
        _ => "table",
    }
}

/// Where the query names it; nowhere if a view below does. What belongs to the server itself is printed without its schema.
fn place(relation: &Relation, text: &str) -> Range<usize> {
    let names = remat_sql::relations(text).unwrap_or_default();
    let is_it = |reference: &Reference| {
        reference.name == relation.name
            && reference.schema.as_deref().unwrap_or("pg_catalog") == relation.schema
    };
    names.into_iter().find(is_it).map_or(0..0, |reference| reference.span)
}
