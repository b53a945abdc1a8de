//! `remat.deliveries`: messages as they are written and as they stand. How they are sent: [`super::outbox`].

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::{Row, types::Type};

use crate::{
    alert::{Event, Message},
    error::Error,
    failure::Failure,
    pg::Session,
};

/// A message to one destination, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// The row's id.
    pub id: i64,
    /// What it tells of.
    pub event: Event,
    /// Where to.
    pub destination: String,
    /// What receivers tell repetitions by.
    pub message_id: String,
    /// Its subject.
    pub subject: String,
    /// `pending`, `sending`, `sent`, or `failed` when it was given up.
    pub status: String,
    /// How often it was tried.
    pub attempts: i32,
    /// What the receiver answered last, or why it could not be asked.
    pub answer: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it is tried next, while it is pending.
    pub due_at: Timestamp,
    /// When it was sent or given up.
    pub ended_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "d.id, d.event, d.destination, d.message_id::text, d.message, d.status, d.attempts, d.answer,
    d.created_at, d.due_at, d.ended_at, d.alert_id";
/// Where the alert's id is among these.
const ALERT_ID: usize = 11;

/// A message that is to be written.
pub(crate) struct Written<'a> {
    pub(crate) alert_id: i64,
    pub(crate) destination: &'a str,
    pub(crate) message: Message,
}

/// Writes messages; one that is there already stays as it is.
pub(crate) async fn write(session: &Session, written: &[Written<'_>]) -> Result<u64, Failure> {
    let rows: Vec<Value> = written
        .iter()
        .map(|one| {
            json!({ "alert_id": one.alert_id, "event": one.message.event, "destination": one.destination,
                    "message": one.message })
        })
        .collect();
    let sql = "insert into remat.deliveries (alert_id, event, destination, message)
               select w.alert_id, w.event, w.destination, w.message
               from   pg_catalog.jsonb_to_recordset($1) as w(alert_id int8, event text, destination text, message jsonb)
               on conflict do nothing";
    session.execute(sql, &[(&Value::Array(rows), Type::JSONB)]).await
}

/// The messages of these alerts, each with its alert's id, the oldest first.
pub(crate) async fn of_alerts(session: &Session, ids: &[i64]) -> Result<Vec<(i64, Delivery)>, Error> {
    let sql = format!("select {COLUMNS} from remat.deliveries d where d.alert_id = any($1) order by d.id");
    let rows = session.query(&sql, &[(&ids, Type::INT8_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.get(ALERT_ID), from_row(row)?))).collect()
}

/// The newest messages first, at most so many; only this one, if one is named.
pub(crate) async fn newest(session: &Session, id: Option<i64>, limit: i64) -> Result<Vec<Delivery>, Error> {
    let sql = format!(
        "select {COLUMNS} from remat.deliveries d where $1::int8 is null or d.id = $1 order by d.id desc limit $2"
    );
    session.query(&sql, &[(&id, Type::INT8), (&limit, Type::INT8)]).await?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Delivery, Error> {
    let message: Option<Message> = serde_json::from_value(row.get(4)).ok();
    Ok(Delivery {
        id: row.get(0),
        event: row.get::<_, &str>(1).parse()?,
        destination: row.get(2),
        message_id: row.get(3),
        subject: message.map(|message| message.subject()).unwrap_or_default(),
        status: row.get(5),
        attempts: row.get(6),
        answer: row.get(7),
        created_at: row.get(8),
        due_at: row.get(9),
        ended_at: row.get(10),
    })
}
