//! Computes the public table again from inputs that are small.

use serde::{Deserialize, Serialize};

use super::{Plan, Stage, View, apply::Target, cut, knowledge::Knowledge, rows::refused};
use crate::{
    Rejection,
    ir::{self, Query},
};

/// More first rows than these are too many to be computed again.
const MOST_FIRST_ROWS: u32 = 10_000;

/// The first rows of a query, which an index may give at once.
pub(super) fn first_rows(view: View<'_>, query: &Query, known: &Knowledge<'_>) -> Result<Plan, Rejection> {
    let limit = query.limit.as_ref().filter(|_| !query.order.is_empty()).map(|limit| &limit.rows);
    let Some([ir::Piece::Text(rows)]) = limit.map(|rows| rows.pieces.as_slice()) else {
        return Err(refused("the query", "no part of it follows changes"));
    };
    let number = rows.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u32>();
    if number.is_err() || number.is_ok_and(|number| number > MOST_FIRST_ROWS) {
        return Err(refused("LIMIT", "which rows it leaves out depends on all others"));
    }
    let mut crossings = Vec::new();
    cut::rest_is_known(query, known, &mut crossings)?;
    let whole = Whole {
        title: format!("the first {rows} rows, computed again"),
        target: cut::target(view)?,
        query: ir::sql(query),
    };
    Ok(Plan { sources: known.sources(), hidden: Vec::new(), stages: vec![Stage::Whole(whole)], crossings })
}

/// The public table as a query over hidden tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// For a person.
    pub(super) title: String,
    pub(super) target: Target,
    /// The query, with gaps.
    pub(super) query: String,
}

impl Whole {
    pub(super) fn statement(&self) -> String {
        self.target.apply(&[], &self.query, None)
    }
}
