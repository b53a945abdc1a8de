//! What only metrics ask: how long runs wait, how large logs are, how alerts and their messages stand.

use tokio_postgres::Row;

use crate::{error::Error, pg::Session};

/// How long the oldest run that is due has been waiting, by queue, in seconds.
pub(crate) async fn waiting(session: &Session) -> Result<Vec<(String, f64)>, Error> {
    let sql = "select r.queue, extract(epoch from pg_catalog.clock_timestamp() - min(r.due_at))::float8
               from   remat.runs r
               where  r.status = 'pending' and r.due_at <= pg_catalog.clock_timestamp()
               and    (r.waits_for = '{}'
                       or not exists (select from remat.runs u
                                      where  u.id = any(r.waits_for) and u.status in ('pending', 'running', 'unknown')))
               group  by r.queue order by r.queue";
    let rows = session.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// A log of the changes of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogSize {
    pub(crate) table: String,
    /// As the server estimates.
    pub(crate) rows: f64,
    pub(crate) bytes: i64,
}

/// How large each log is.
pub(crate) async fn logs(session: &Session) -> Result<Vec<LogSize>, Error> {
    let sql = "select t.nspname || '.' || r.relname, sum(greatest(c.reltuples, 0))::float8,
                      sum(pg_catalog.pg_total_relation_size(c.oid))::int8
               from   remat.captures k
               join   pg_catalog.pg_class r on r.oid = k.relation
               join   pg_catalog.pg_namespace t on t.oid = r.relnamespace
               join   pg_catalog.pg_namespace n on n.nspname = 'remat_log'
               join   pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname in ('n' || k.id, 'o' || k.id)
               where  k.system = remat.system()
               group  by 1 order by 1";
    let rows = session.query(sql, &[]).await?;
    let log = |row: &Row| LogSize { table: row.get(0), rows: row.get(1), bytes: row.get(2) };
    Ok(rows.iter().map(log).collect())
}

/// Alerts that fire, by rule.
pub(crate) async fn firing(session: &Session) -> Result<Vec<(String, i64)>, Error> {
    let sql = "select rule, count(*) from remat.alerts where resolved_at is null group by rule order by rule";
    let rows = session.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Messages that wait to be sent, and those that were given up within a day.
pub(crate) async fn deliveries(session: &Session) -> Result<(i64, i64), Error> {
    let sql = "select (select count(*) from remat.deliveries where status in ('pending', 'sending')),
                      (select count(*) from remat.deliveries
                       where status = 'failed' and ended_at > (select pg_catalog.clock_timestamp() - interval '1 day'))";
    let row = session.query_one(sql, &[]).await?;
    Ok((row.get(0), row.get(1)))
}
