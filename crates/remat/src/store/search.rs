//! Looking for runs, page by page.
//!
//! Law: a page costs the same however many runs are kept. Where an index has what is looked for, it is read from there; else
//! a page looks at no more than [`SPAN`] ids and says where it stopped, so that whoever looks for what is rare goes on
//! from there.

use tokio_postgres::types::Type;

use super::runs;
use crate::{
    error::Error,
    pg::Session,
    run::{Operation, Run, Status, Trigger},
};

/// How many ids one page looks at where no index helps.
pub const SPAN: i64 = 20_000;

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Only this view.
    pub view_id: Option<i64>,
    /// Only views of these schemas, and nothing that is about no view.
    pub schemas: Option<Vec<String>>,
    /// Only this status.
    pub status: Option<Status>,
    /// Only this operation.
    pub operation: Option<Operation>,
    /// Only what this asked for.
    pub trigger: Option<Trigger>,
    /// Only this scheduled job.
    pub job: Option<String>,
    /// Only this queue.
    pub queue: Option<String>,
    /// Only runs with a smaller id.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: usize,
}

/// A page of runs, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The runs.
    pub runs: Vec<Run>,
    /// Where the next page begins; none where there is none.
    pub next: Option<i64>,
}

/// One page.
pub async fn page(session: &Session, search: &Search) -> Result<Page, Error> {
    let limit = i64::try_from(search.limit).unwrap_or(i64::MAX);
    let has_index = search.view_id.is_some()
        || matches!(
            search.status,
            Some(Status::Failed | Status::Cancelled | Status::Pending | Status::Running | Status::Unknown)
        );
    let top = match search.before {
        Some(before) => before,
        None => newest(session).await? + 1,
    };
    let floor = if has_index { 0 } else { (top - SPAN).max(0) };
    let ids = ids(session, search, (floor, top), limit).await?;
    let next = match (ids.last(), ids.len() == search.limit) {
        (Some(last), true) => Some(*last),
        _ => (floor > 1).then_some(floor),
    };
    Ok(Page { runs: runs::get_all(session, &ids).await?, next })
}

async fn newest(session: &Session) -> Result<i64, Error> {
    Ok(session.query_one("select coalesce(max(id), 0) from remat.runs", &[]).await?.get(0))
}

async fn ids(
    session: &Session,
    search: &Search,
    (floor, top): (i64, i64),
    limit: i64,
) -> Result<Vec<i64>, Error> {
    let (status, operation) = (search.status.map(Status::as_str), search.operation.map(Operation::as_str));
    let trigger = search.trigger.map(Trigger::as_str);
    let params = [
        (&search.view_id as _, Type::INT8),
        (&status as _, Type::TEXT),
        (&operation as _, Type::TEXT),
        (&trigger as _, Type::TEXT),
        (&search.job as _, Type::TEXT),
        (&search.queue as _, Type::TEXT),
        (&floor as _, Type::INT8),
        (&top as _, Type::INT8),
        (&limit as _, Type::INT8),
        (&search.schemas as _, Type::TEXT_ARRAY),
    ];
    let sql = format!(
        "select r.id from remat.runs r
         where  {} and r.id >= $7 and r.id < $8
         and    ($1::int8 is null or r.view_id = $1) and ($2::text is null or r.status = $2)
         and    ($3::text is null or r.operation = $3) and ($4::text is null or r.trigger = $4)
         and    ($5::text is null or r.job_name = $5) and ($6::text is null or r.queue = $6)
         and    ($10::text[] is null
                 or exists (select from remat.views v where v.id = r.view_id and v.schema_name = any ($10)))
         order  by r.id desc limit $9",
        within(search.status)
    );
    Ok(session.query(&sql, &params).await?.iter().map(|row| row.get(0)).collect())
}

/// The condition of the index that has this status, said so that the planner sees it.
fn within(status: Option<Status>) -> &'static str {
    match status {
        Some(Status::Failed | Status::Cancelled) => "r.status in ('failed', 'cancelled')",
        Some(Status::Pending) => "r.status = 'pending'",
        Some(Status::Running | Status::Unknown) => "r.status in ('running', 'unknown')",
        Some(Status::Success | Status::Skipped) | None => "true",
    }
}
