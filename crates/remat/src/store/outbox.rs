//! `remat.deliveries` as an outbox.
//!
//! Law: a message is claimed with a fence, sent, and noted with that fence. Who dies in between leaves a claim that ends
//! by itself, so a message is sent at least once, always under the same id; who was taken for dead notes nothing. Of one
//! alert, a destination hears in the order in which it was written.

use std::time::Duration;

use serde_json::json;
use tokio_postgres::{Row, types::Type};

use crate::{alert::Message, failure::Failure, pg::Session};

/// A message that this process is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// The row's id.
    pub(crate) id: i64,
    /// The proof.
    pub(crate) fence: i64,
    /// Where to.
    pub(crate) destination: String,
    /// What receivers tell repetitions by.
    pub(crate) message_id: String,
    /// What to say; none where this version of remat cannot read it.
    pub(crate) message: Option<Message>,
    /// The number of this attempt, from 1.
    pub(crate) attempt: i32,
}

/// Claims at most so many messages that are due, and those whose claim is older than `lease`.
pub(crate) async fn claim(session: &Session, most: i64, lease: Duration) -> Result<Vec<Claimed>, Failure> {
    let sql = "update remat.deliveries d
               set    status = 'sending', attempts = attempts + 1, fence = fence + 1, claimed_at = pg_catalog.clock_timestamp()
               where  d.id = any (array(
                        select c.id from remat.deliveries c
                        where  (c.status = 'pending' and c.due_at <= pg_catalog.clock_timestamp()
                                or c.status = 'sending'
                                   and c.claimed_at < pg_catalog.clock_timestamp() - $2 * interval '1 second')
                        and    not exists (select from remat.deliveries e
                                           where  e.alert_id = c.alert_id and e.destination = c.destination
                                           and    e.id < c.id and e.status in ('pending', 'sending'))
                        order  by c.due_at, c.id limit $1 for update skip locked))
               returning d.id, d.fence, d.destination, d.message_id::text, d.message, d.attempts";
    let lease = lease.as_secs_f64();
    let rows = session.query(sql, &[(&most, Type::INT8), (&lease, Type::FLOAT8)]).await?;
    Ok(rows.iter().map(claimed).collect())
}

fn claimed(row: &Row) -> Claimed {
    Claimed {
        id: row.get(0),
        fence: row.get(1),
        destination: row.get(2),
        message_id: row.get(3),
        message: serde_json::from_value(row.get(4)).ok(),
        attempt: row.get(5),
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// The receiver has it.
    Sent,
    /// It does not; another attempt after this delay.
    Again(Duration),
    /// It does not, and never will.
    GivenUp,
}

/// Notes what became of an attempt; false when another process has claimed the message meanwhile.
pub(crate) async fn note(
    session: &Session,
    claimed: &Claimed,
    became: Became,
    answer: &str,
) -> Result<bool, Failure> {
    let (status, delay) = match became {
        Became::Sent => ("sent", Duration::ZERO),
        Became::Again(delay) => ("pending", delay),
        Became::GivenUp => ("failed", Duration::ZERO),
    };
    let sql = "update remat.deliveries
               set    status = $3, answer = $4, due_at = pg_catalog.clock_timestamp() + $5 * interval '1 second',
                      ended_at = case when $3 = 'pending' then null else pg_catalog.clock_timestamp() end
               where  id = $1 and fence = $2 and status = 'sending'";
    let delay = delay.as_secs_f64();
    let params = [
        (&claimed.id as _, Type::INT8),
        (&claimed.fence as _, Type::INT8),
        (&status as _, Type::TEXT),
        (&answer as _, Type::TEXT),
        (&delay as _, Type::FLOAT8),
    ];
    Ok(session.execute(sql, &params).await? == 1)
}

/// Writes a test message and claims it for the caller.
pub(crate) async fn claim_test(
    session: &Session,
    destination: &str,
    message: Message,
) -> Result<Claimed, Failure> {
    let sql =
        "insert into remat.deliveries as d (event, destination, message, status, attempts, fence, claimed_at)
               values ('test', $1, $2, 'sending', 1, 1, pg_catalog.clock_timestamp())
               returning d.id, d.fence, d.destination, d.message_id::text, d.message, d.attempts";
    let params = [(&destination as _, Type::TEXT), (&json!(message) as _, Type::JSONB)];
    Ok(claimed(&session.query_one(sql, &params).await?))
}
