//! What fires by the clock, and `remat.fires`, where each nominal time is dealt with once.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{Row, types::Type};

use super::queue::and_tell;
use crate::{error::Error, failure::Failure, pg::Session, run::Status, schedule::Dispatch};

/// Something that fires: a scheduled job, or a view with a schedule or a freshness target of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Which it is.
    pub subject: Subject,
    /// When it fires.
    pub timing: Timing,
    /// The newest nominal time that was dealt with, or when the schedule was written, if that is later.
    pub last: Timestamp,
    /// Its policies.
    pub dispatch: Dispatch,
}

/// What fires.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A scheduled job by name.
    Job(String),
    /// A view by id.
    View(i64),
}

/// When something fires.
#[derive(Clone, Debug, PartialEq)]
pub enum Timing {
    /// A cron line and its zone.
    Cron {
        /// The line.
        line: String,
        /// The zone.
        zone: String,
    },
    /// Early enough that the contents never get older than this.
    Lag {
        /// Seconds.
        target_s: i64,
        /// How old the contents are as of now; none when there are none.
        data_as_of: Option<Timestamp>,
        /// What a refresh usually takes, in milliseconds.
        usual_ms: i64,
    },
}

/// Everything that fires, and the server's clock.
pub async fn sources(session: &Session) -> Result<(Timestamp, Vec<Source>), Failure> {
    let rows = session.query(include_str!("sources.sql"), &[]).await?;
    Ok((now(session).await?, rows.iter().map(source).collect()))
}

/// The server's clock.
pub async fn now(session: &Session) -> Result<Timestamp, Failure> {
    Ok(session.query_one("select pg_catalog.clock_timestamp()", &[]).await?.get(0))
}

/// One nominal time to deal with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire<'a> {
    /// What fires.
    pub subject: &'a Subject,
    /// The nominal time.
    pub at: Timestamp,
    /// How many earlier times it answers.
    pub missed: i64,
    /// How long its runs wait before they fall due, in milliseconds.
    pub delay_ms: i64,
    /// Why nothing runs, if nothing does.
    pub skip: Option<&'static str>,
    /// `schedule` or `lag`.
    pub trigger: &'static str,
}

/// Deals with nominal times, each in the same transaction as its runs, and gives the ids of all runs. Times that another
/// scheduler has dealt with give none.
pub async fn fire(session: &Session, fires: &[Fire<'_>], backend: &str) -> Result<Vec<i64>, Failure> {
    let wanted: Vec<Value> = fires.iter().map(to_json).collect();
    let wanted = Value::Array(wanted);
    let sql = "select remat.fire(f.job, f.view, f.at, f.missed, f.delay, f.skip, f.trigger, $2)
               from pg_catalog.jsonb_to_recordset($1)
                 as f(job text, view int8, at timestamptz, missed int4, delay int8, skip text, trigger text)";
    let params = [(&wanted as _, Type::JSONB), (&backend as _, Type::TEXT)];
    let rows = and_tell(session, backend, session.query(sql, &params)).await?;
    Ok(rows.iter().filter_map(|row| row.get::<_, Option<Vec<i64>>>(0)).flatten().collect())
}

fn to_json(fire: &Fire<'_>) -> Value {
    let (job, view) = match fire.subject {
        Subject::Job(name) => (Some(name), None),
        Subject::View(id) => (None, Some(id)),
    };
    serde_json::json!({
        "job": job, "view": view, "at": fire.at, "missed": fire.missed, "delay": fire.delay_ms, "skip": fire.skip,
        "trigger": fire.trigger,
    })
}

fn source(row: &Row) -> Source {
    let subject = match row.get::<_, Option<String>>(0) {
        Some(name) => Subject::Job(name),
        None => Subject::View(row.get(1)),
    };
    let timing = match row.get::<_, Option<String>>(2) {
        Some(line) => Timing::Cron { line, zone: row.get(3) },
        None => Timing::Lag { target_s: row.get(4), data_as_of: row.get(5), usual_ms: row.get(6) },
    };
    // What an older or newer remat wrote and this one cannot read must not stop the clock.
    let dispatch = serde_json::from_value(row.get(8)).unwrap_or_default();
    Source { subject, timing, last: row.get(7), dispatch }
}

/// How the newest nominal time of something was dealt with.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastFire {
    /// The nominal time.
    pub at: Timestamp,
    /// `enqueued`, `joined` (runs that waited already do for it) or `skipped`.
    pub outcome: String,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// How many earlier times it answered.
    pub missed: i32,
    /// The runs that answer it, as far as they are kept.
    pub runs: Vec<Answer>,
}

/// A run that answers a fire.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = FireAnswer))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The run.
    pub id: i64,
    /// How it stands.
    pub status: Status,
}

/// The newest fire of each scheduled job and of each view that has fired.
pub async fn last(session: &Session) -> Result<Vec<(Subject, LastFire)>, Error> {
    let rows = session.query(include_str!("last_fires.sql"), &[]).await?;
    rows.iter().map(last_fire).collect()
}

fn last_fire(row: &Row) -> Result<(Subject, LastFire), Error> {
    let subject = match row.get::<_, Option<String>>(0) {
        Some(name) => Subject::Job(name),
        None => Subject::View(row.get(1)),
    };
    let (ids, statuses): (Vec<i64>, Vec<&str>) = (row.get(6), row.get(7));
    let answer = |(id, status): (i64, &str)| Ok(Answer { id, status: status.parse()? });
    let runs = ids.into_iter().zip(statuses).map(answer).collect::<Result<_, Error>>()?;
    let (outcome, reason, missed) = (row.get(3), row.get(4), row.get(5));
    Ok((subject, LastFire { at: row.get(2), outcome, reason, missed, runs }))
}
