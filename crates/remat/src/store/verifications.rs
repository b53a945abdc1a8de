//! `remat.verifications`: when each view was last asked to be verified, and what was found.
//!
//! Law: who asks holds one lock of the database until the request is committed. So any number of daemons ask for one
//! verification at a time.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::types::Type;

use crate::{failure::Failure, pg::Session, run::Finding};

/// Advisory key under which verifications are asked for: `remx` in ASCII.
const ASKING_KEY: i32 = 0x7265_6d78;

/// The last verification of a view.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = FoundByVerification))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// What it found.
    pub finding: Finding,
    /// When.
    pub at: Timestamp,
    /// The run that made it.
    pub run: i64,
    /// How many rows of each kind, and what else the run says of it.
    pub facts: Value,
}

/// A view that follows changes and is not paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verifiable {
    pub(crate) view_id: i64,
    /// Since when nobody has compared its contents with the query.
    pub(crate) since: Timestamp,
    /// True while a run of it waits or works.
    pub(crate) is_busy: bool,
}

/// What there is to verify, and what is being verified, as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    pub(crate) now: Timestamp,
    pub(crate) views: Vec<Verifiable>,
    /// True while a verification works.
    pub(crate) works: bool,
    /// Since when one waits that was asked for.
    pub(crate) waits_since: Option<Timestamp>,
}

/// Takes the lock of those who ask, for this transaction, unless another one has it.
pub(crate) async fn try_ask(session: &Session) -> Result<bool, Failure> {
    let sql = "select pg_catalog.pg_try_advisory_xact_lock($1, 0)";
    Ok(session.query_one(sql, &[(&ASKING_KEY, Type::INT4)]).await?.get(0))
}

/// Reads what there is to verify.
pub(crate) async fn survey(session: &Session) -> Result<Survey, Failure> {
    let sql = r#"select pg_catalog.clock_timestamp(),
                        exists (select from remat.runs r where r.status in ('running', 'unknown')
                                                         and r.arguments @> '{"verify": true}'),
                        (select max(r.queued_at) from remat.runs r where r.status = 'pending'
                                                                  and r.arguments @> '{"verify": true}')"#;
    let row = session.query_one(sql, &[]).await?;
    let sql = "select view_id, since, is_busy from remat.verifiable() order by since, view_id";
    let views = session.query(sql, &[]).await?;
    let views =
        views.iter().map(|row| Verifiable { view_id: row.get(0), since: row.get(1), is_busy: row.get(2) });
    Ok(Survey { now: row.get(0), views: views.collect(), works: row.get(1), waits_since: row.get(2) })
}

/// Notes that a view was asked to be verified: the interval counts from here.
pub(crate) async fn asked(session: &Session, view_id: i64) -> Result<(), Failure> {
    let sql = "insert into remat.verifications (view_id, asked_at) values ($1, clock_timestamp())
               on conflict (view_id) do update set asked_at = excluded.asked_at";
    session.execute(sql, &[(&view_id, Type::INT8)]).await.map(drop)
}
