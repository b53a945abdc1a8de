//! Which run's contents readers see now: the answer of `remat.data_as_of`, with the run.

use jiff::Timestamp;
use tokio_postgres::{Row, types::Type};

use crate::{failure::Failure, pg::Session};

/// The run that filled a view last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The row of `remat.runs`.
    pub run_id: i64,
    /// The contents are at least as new as this.
    pub data_as_of: Timestamp,
}

/// The fill of a view; none while there is nothing to read.
pub async fn of_view(session: &Session, view_id: i64) -> Result<Option<Fill>, Failure> {
    let sql = "select f.id, f.data_as_of from remat.last_fill($1) f where remat.data_as_of($1) is not null";
    let row = session.query_opt(sql, &[(&view_id, Type::INT8)]).await?;
    Ok(row.as_ref().map(from_row))
}

/// The fills of views that have one, with the ids of the views.
pub async fn of_views(session: &Session, view_ids: &[i64]) -> Result<Vec<(i64, Fill)>, Failure> {
    let sql = "select f.id, f.data_as_of, v.id
               from   unnest($1::int8[]) v (id) cross join remat.last_fill(v.id) f
               where  remat.data_as_of(v.id) is not null";
    let rows = session.query(sql, &[(&view_ids, Type::INT8_ARRAY)]).await?;
    Ok(rows.iter().map(|row| (row.get(2), from_row(row))).collect())
}

fn from_row(row: &Row) -> Fill {
    Fill { run_id: row.get(0), data_as_of: row.get(1) }
}
