//! Which strategy runs, and why: `auto` and every precondition that changes a choice.
//!
//! Law: pure. What stands in the database decides the possible; the definition decides among that; the reason is a
//! sentence that the run keeps.

use crate::{
    failure::{Failure, FailureKind},
    view::{RelationKind, Strategy},
};

/// A strategy and the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) strategy: Strategy,
    pub(crate) reason: String,
}

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) kind: RelationKind,
    pub(crate) populated: bool,
    pub(crate) bytes: i64,
    /// Whether `refresh … concurrently` is possible.
    pub(crate) has_unique_index: bool,
    /// Why it does not follow changes, where that was asked.
    pub(crate) no_changes_because: Option<&'a str>,
}

/// Below this size a plain refresh of a view ends before a person notices: two megabytes.
const SMALL_BYTES: i64 = 2 << 20;
/// Above this size a concurrent refresh costs several times a rebuild: 64 megabytes.
const LARGE_BYTES: i64 = 64 << 20;

/// Chooses among what stands under the name and what was asked for.
pub(crate) fn choose(asked: Strategy, facts: Facts<'_>) -> Result<Choice, Failure> {
    match (asked, facts.kind) {
        (Strategy::Auto, RelationKind::Table) => Ok(match facts.no_changes_because {
            None => choice(Strategy::Merge, "auto: the view has a key, so only the difference is written"),
            Some(why) => choice(Strategy::Merge, &format!("auto: merge, because {why}")),
        }),
        (Strategy::Incremental, RelationKind::Table) => {
            let why = facts.no_changes_because.unwrap_or("its definition does not ask for more");
            Ok(choice(Strategy::Merge, &format!("merge: {why}")))
        }
        (Strategy::Auto, RelationKind::Matview) => Ok(choose_for_matview(facts)),
        (Strategy::Merge, RelationKind::Table) => Ok(choice(Strategy::Merge, "as defined")),
        (Strategy::Merge | Strategy::Incremental, RelationKind::Matview) => {
            Err(mismatch(asked.as_str(), "a materialized view"))
        }
        (other, RelationKind::Table) => Err(mismatch(other.as_str(), "a managed table")),
        (Strategy::Concurrent | Strategy::Swap, RelationKind::Matview) if !facts.populated => {
            Ok(choice(Strategy::Regular, "the view is not populated, so it is filled plainly first"))
        }
        (other, RelationKind::Matview) => Ok(choice(other, "as defined")),
    }
}

fn choose_for_matview(facts: Facts<'_>) -> Choice {
    if !facts.populated {
        choice(Strategy::Regular, "auto: the view is not populated, so nobody can be reading it")
    } else if facts.bytes <= SMALL_BYTES {
        choice(Strategy::Regular, "auto: the view is small, so readers wait for milliseconds")
    } else if facts.has_unique_index && facts.bytes <= LARGE_BYTES {
        choice(Strategy::Concurrent, "auto: a unique index allows it and readers never wait")
    } else if facts.has_unique_index {
        choice(Strategy::Swap, "auto: the view is large, and comparing it costs more than building it anew")
    } else {
        choice(
            Strategy::Swap,
            "auto: the view has no usable unique index, and a swap makes readers wait for the renames only",
        )
    }
}

fn choice(strategy: Strategy, reason: &str) -> Choice {
    Choice { strategy, reason: reason.into() }
}

fn mismatch(strategy: &str, stands: &str) -> Failure {
    Failure::new(FailureKind::Prerequisite, format!("strategy \"{strategy}\" does not fit {stands}"))
        .with_hint(
            "Change the strategy in the definition and run `remat apply`, which converts the relation.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Facts<'static> = Facts {
        kind: RelationKind::Matview,
        populated: true,
        bytes: 1 << 30,
        has_unique_index: true,
        no_changes_because: None,
    };

    #[test]
    fn a_view_that_nobody_can_read_yet_is_filled_plainly() {
        let facts = Facts { populated: false, ..LARGE };
        assert_eq!(choose(Strategy::Auto, facts).unwrap().strategy, Strategy::Regular);
    }

    #[test]
    fn a_middling_view_with_a_unique_index_is_refreshed_concurrently() {
        let facts = Facts { bytes: 10 << 20, ..LARGE };
        assert_eq!(choose(Strategy::Auto, facts).unwrap().strategy, Strategy::Concurrent);
    }

    #[test]
    fn a_large_view_is_swapped_with_or_without_an_index() {
        assert_eq!(choose(Strategy::Auto, LARGE).unwrap().strategy, Strategy::Swap);
        let facts = Facts { has_unique_index: false, ..LARGE };
        assert_eq!(choose(Strategy::Auto, facts).unwrap().strategy, Strategy::Swap);
    }

    #[test]
    fn a_strategy_that_does_not_fit_the_relation_is_refused() {
        assert!(choose(Strategy::Merge, LARGE).is_err());
        assert!(choose(Strategy::Swap, Facts { kind: RelationKind::Table, ..LARGE }).is_err());
    }
}
