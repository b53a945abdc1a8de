//! `remat.alerts`, and the rules, mutes and destinations around them.
//!
//! Law: an open alert is one row per rule and subject; whoever comes second inserts nothing. What is told of an alert is
//! written in the transaction that says it was told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::{Row, types::Type};

use crate::{
    alert::{
        self, Destination, Finding, MAIN, Message, Mute, Open, Reads, Rule, RuleKind, Rules, Severity,
        Standing,
    },
    error::Error,
    failure::Failure,
    name::RelationName,
    pg::Session,
    store::deliveries::{self, Delivery},
};

/// Advisory key under which alerts are judged: `rema` in ASCII.
const JUDGING_KEY: i32 = 0x7265_6d61;

/// Takes the lock of those who judge, for this transaction, unless another one has it.
pub(crate) async fn try_judge(session: &Session) -> Result<bool, Failure> {
    let sql = "select pg_catalog.pg_try_advisory_xact_lock($1, 0)";
    Ok(session.query_one(sql, &[(&JUDGING_KEY, Type::INT4)]).await?.get(0))
}

/// The rules as they were written, with the defaults below. What another version of remat wrote and this one cannot
/// read has its defaults.
pub(crate) async fn rules(session: &Session) -> Result<Rules, Failure> {
    let (mut all, mut written) = (alert::All::default(), Vec::new());
    for (name, settings) in written_rules(session).await? {
        if name == MAIN {
            all = serde_json::from_value(settings).unwrap_or_default();
        } else if let Ok(rule) = serde_json::from_value::<Rule>(settings) {
            written.push((name, rule));
        }
    }
    Ok(Rules::new(all, written))
}

/// The rules that somebody wrote, by name.
pub(crate) async fn written_rules(session: &Session) -> Result<Vec<(String, Value)>, Failure> {
    let rows = session.query("select name, settings from remat.alert_rules order by name", &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The names of the rules and of the destinations that a project wrote.
pub(crate) async fn of_project(session: &Session, project: &str) -> Result<[Vec<String>; 2], Failure> {
    let names = async |sql: &str| {
        let rows = session.query(sql, &[(&project, Type::TEXT)]).await?;
        Ok::<Vec<String>, Failure>(rows.iter().map(|row| row.get(0)).collect())
    };
    Ok([
        names("select name from remat.alert_rules where project = $1 order by name").await?,
        names("select name from remat.destinations where project = $1 order by name").await?,
    ])
}

/// Writes a rule, or what concerns all rules under the name `*`.
pub(crate) async fn save_rule(
    session: &Session,
    name: &str,
    settings: &Value,
    project: Option<&str>,
) -> Result<(), Failure> {
    let sql = "insert into remat.alert_rules as r (name, settings, project) values ($1, $2, $3)
               on conflict (name) do update set settings = excluded.settings, project = coalesce(excluded.project, r.project)";
    let params = [(&name as _, Type::TEXT), (settings as _, Type::JSONB), (&project as _, Type::TEXT)];
    session.execute(sql, &params).await.map(drop)
}

/// Takes a rule back to its defaults.
pub(crate) async fn remove_rule(session: &Session, name: &str) -> Result<(), Failure> {
    session.execute("delete from remat.alert_rules where name = $1", &[(&name, Type::TEXT)]).await.map(drop)
}

/// Every destination by name.
pub(crate) async fn destinations(session: &Session) -> Result<Vec<Destination>, Failure> {
    let rows =
        session.query("select name, kind, settings from remat.destinations order by name", &[]).await?;
    let read = rows.iter().filter_map(|row| {
        let (name, kind, mut settings): (String, String, Value) = (row.get(0), row.get(1), row.get(2));
        let fields = settings.as_object_mut()?;
        fields.insert("name".into(), name.into());
        fields.insert("kind".into(), kind.into());
        serde_json::from_value(settings).ok()
    });
    Ok(read.collect())
}

/// Writes a destination: inserts it or changes the one of that name.
pub(crate) async fn save_destination(
    session: &Session,
    destination: &Destination,
    project: Option<&str>,
) -> Result<(), Failure> {
    let mut settings = json!(destination.route);
    if let Some(fields) = settings.as_object_mut() {
        fields.remove("kind");
    }
    let sql = "insert into remat.destinations as d (name, kind, settings, project) values ($1, $2, $3, $4)
               on conflict (name) do update
               set kind = excluded.kind, settings = excluded.settings, project = coalesce(excluded.project, d.project)";
    let kind = destination.route.kind().as_str();
    let params = [
        (&destination.name as _, Type::TEXT),
        (&kind as _, Type::TEXT),
        (&settings as _, Type::JSONB),
        (&project as _, Type::TEXT),
    ];
    session.execute(sql, &params).await.map(drop)
}

/// Removes a destination.
pub(crate) async fn remove_destination(session: &Session, name: &str) -> Result<(), Failure> {
    session.execute("delete from remat.destinations where name = $1", &[(&name, Type::TEXT)]).await.map(drop)
}

/// Alerts that are open and mutes that hold.
pub(crate) async fn standing(session: &Session) -> Result<Standing, Error> {
    let sql =
        "select a.id, a.dedupe_key, a.rule, a.kind, a.view_id, a.announced_at is not null, a.caused_by is not null,
                      c.resolved_at
               from   remat.alerts a left join remat.alerts c on c.id = a.caused_by
               where  a.resolved_at is null order by a.id";
    let open = session.query(sql, &[]).await?;
    let sql = "select rule, view_id from remat.mutes
               where  ended_at is null and (until is null or until > pg_catalog.clock_timestamp())";
    let mutes = session.query(sql, &[]).await?;
    let open = open.iter().map(|row| {
        Ok(Open {
            id: row.get(0),
            key: row.get(1),
            rule: row.get(2),
            kind: row.get::<_, &str>(3).parse()?,
            view_id: row.get(4),
            is_announced: row.get(5),
            is_explained: row.get(6),
            cause_ended_at: row.get(7),
        })
    });
    let mutes = mutes.iter().map(|row| Mute { rule: row.get(0), view_id: row.get(1) });
    Ok(Standing {
        open: open.collect::<Result<_, Error>>()?,
        mutes: mutes.collect(),
        reads: Reads::default(),
    })
}

/// Which view reads which, at any distance. The server takes its time to tell, where there are many.
pub(crate) async fn reads(session: &Session) -> Result<Reads, Failure> {
    let mut reads = Reads::default();
    for row in session.query("select view_id, reads_id from remat.reads()", &[]).await? {
        reads.entry(row.get(0)).or_default().insert(row.get(1));
    }
    Ok(reads)
}

/// Of which views a slow refresh is being told.
pub(crate) async fn known_as_slow(session: &Session) -> Result<Vec<i64>, Failure> {
    let sql = "select view_id from remat.alerts where resolved_at is null and kind = 'slow' and view_id is not null";
    Ok(session.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Opens an alert for each of these that has none; gives how many it opened.
pub(crate) async fn fire(session: &Session, findings: &[Finding]) -> Result<u64, Failure> {
    let rows: Vec<Value> = findings
        .iter()
        .map(|found| {
            json!({
                "rule": found.rule, "kind": found.kind, "key": found.key(), "view_id": found.subject.view_id(),
                "subject": found.subject.to_string(), "severity": found.severity, "reason": found.reason,
                "advice": found.advice, "run_id": found.run_id,
            })
        })
        .collect();
    let sql = "insert into remat.alerts (rule, kind, dedupe_key, view_id, subject, severity, reason, advice, run_id)
               select f.rule, f.kind, f.key, f.view_id, f.subject, f.severity, f.reason, f.advice, f.run_id
               from   pg_catalog.jsonb_to_recordset($1)
                      as f(rule text, kind text, key text, view_id int8, subject text, severity text, reason text,
                           advice text, run_id int8)
               order  by f.key
               on conflict do nothing";
    session.execute(sql, &[(&Value::Array(rows), Type::JSONB)]).await
}

/// Says which open alert explains which, by their keys. One that nothing explains any more keeps the last explanation:
/// it may be what is left of it.
pub(crate) async fn explain(session: &Session, causes: &BTreeMap<String, String>) -> Result<(), Failure> {
    let (keys, roots): (Vec<&str>, Vec<&str>) =
        causes.iter().map(|(key, cause)| (key.as_str(), cause.as_str())).unzip();
    let sql = "update remat.alerts a set caused_by = c.id
               from   unnest($1, $2) as e (key, cause)
               join   remat.alerts c on c.dedupe_key = e.cause and c.resolved_at is null
               where  a.dedupe_key = e.key and a.resolved_at is null and a.caused_by is distinct from c.id";
    session.execute(sql, &[(&keys, Type::TEXT_ARRAY), (&roots, Type::TEXT_ARRAY)]).await.map(drop)
}

/// An alert that is to be told.
pub(crate) struct Announced {
    pub(crate) id: i64,
    pub(crate) key: String,
    pub(crate) fired_at: Timestamp,
}

/// Notes that these open alerts are told now, and gives those that had not been.
pub(crate) async fn announce(session: &Session, keys: &BTreeSet<String>) -> Result<Vec<Announced>, Failure> {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let sql = "update remat.alerts set announced_at = pg_catalog.clock_timestamp()
               where  dedupe_key = any($1) and resolved_at is null and announced_at is null
               returning id, dedupe_key, fired_at";
    let rows = session.query(sql, &[(&keys, Type::TEXT_ARRAY)]).await?;
    Ok(rows.iter().map(|row| Announced { id: row.get(0), key: row.get(1), fired_at: row.get(2) }).collect())
}

/// Ends these alerts and gives those that were open, with what was told of them.
pub(crate) async fn resolve(session: &Session, ids: &[i64]) -> Result<Vec<(i64, Timestamp)>, Failure> {
    let sql = "update remat.alerts set resolved_at = greatest(pg_catalog.clock_timestamp(), fired_at)
               where id = any($1) and resolved_at is null returning id, resolved_at";
    let rows = session.query(sql, &[(&ids, Type::INT8_ARRAY)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What each of these alerts was told with, once for each destination that it was not given up for.
pub(crate) async fn told(session: &Session, ids: &[i64]) -> Result<Vec<(i64, String, Message)>, Failure> {
    let sql = "select alert_id, destination, message from remat.deliveries
               where  alert_id = any($1) and event = 'firing' and status <> 'failed' order by id";
    let rows = session.query(sql, &[(&ids, Type::INT8_ARRAY)]).await?;
    let told = rows.iter().filter_map(|row| {
        Some((row.get(0), row.get(1), serde_json::from_value::<Message>(row.get(2)).ok()?))
    });
    Ok(told.collect())
}

/// The database, for people.
pub(crate) async fn database(session: &Session) -> Result<(String, Timestamp), Failure> {
    let row = session.query_one("select current_database()::text, pg_catalog.clock_timestamp()", &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Deletes alerts that ended long ago, with their messages, and messages of no alert; some of each.
pub(crate) async fn forget(session: &Session, days: i32) -> Result<u64, Failure> {
    let sql = "with old as (
                 delete from remat.alerts where id = any (array(
                   select id from remat.alerts where resolved_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => $1)
                   order by resolved_at limit 1000)) returning 1)
               select count(*)::int8 from old";
    let gone: i64 = session.query_one(sql, &[(&days, Type::INT4)]).await?.get(0);
    let sql = "delete from remat.deliveries where alert_id is null
               and created_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => $1)";
    session.execute(sql, &[(&days, Type::INT4)]).await?;
    Ok(u64::try_from(gone).unwrap_or_default())
}

/// Which alerts to list.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Only those that fire, or only those that ended.
    pub is_open: Option<bool>,
    /// Only of this view.
    pub view_id: Option<i64>,
    /// Only of this rule.
    pub rule: Option<String>,
    /// Only this alert.
    pub id: Option<i64>,
    /// Only those before this one, for the next page.
    pub before: Option<i64>,
    /// At most so many; 50 when none is given.
    pub limit: Option<i64>,
}

/// A row of `remat.alerts`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alert {
    /// The row's id.
    pub id: i64,
    /// The name of the rule.
    pub rule: String,
    /// What the rule looks for.
    pub kind: RuleKind,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, such as `view public.sales`.
    pub subject: String,
    /// The view, if it is about one.
    pub view: Option<RelationName>,
    /// What is the matter: what follows the subject in a sentence.
    pub reason: String,
    /// What to do.
    pub advice: String,
    /// The run that shows it.
    pub run_id: Option<i64>,
    /// The alert that explains this one, and in whose message it is named.
    pub caused_by: Option<i64>,
    /// Whether a mute hides it now.
    pub is_muted: bool,
    /// Since when.
    pub fired_at: Timestamp,
    /// When it was told; none while it is muted or explained by another.
    pub announced_at: Option<Timestamp>,
    /// Until when; none while it fires.
    pub resolved_at: Option<Timestamp>,
    /// The messages that tell of it.
    pub deliveries: Vec<Delivery>,
}

/// Alerts that match, with their messages, the newest first.
pub(crate) async fn list(session: &Session, filter: &AlertFilter) -> Result<Vec<Alert>, Error> {
    let sql = "select a.id, a.rule, a.kind, a.severity, a.subject, v.schema_name, v.view_name, a.reason, a.advice, a.run_id,
                      a.caused_by, a.fired_at, a.announced_at, a.resolved_at,
                      exists (select from remat.mutes m
                              where  m.ended_at is null and (m.until is null or m.until > pg_catalog.clock_timestamp())
                              and    m.rule in ('*', a.rule) and (m.view_id is null or m.view_id = a.view_id))
               from   remat.alerts a left join remat.views v on v.id = a.view_id
               where  ($1::bool is null or $1 = (a.resolved_at is null)) and ($2::int8 is null or a.view_id = $2)
               and    ($3::text is null or a.rule = $3) and ($4::int8 is null or a.id = $4) and ($5::int8 is null or a.id < $5)
               order  by a.id desc limit $6";
    let limit = filter.limit.unwrap_or(50);
    let params = [
        (&filter.is_open as _, Type::BOOL),
        (&filter.view_id as _, Type::INT8),
        (&filter.rule as _, Type::TEXT),
        (&filter.id as _, Type::INT8),
        (&filter.before as _, Type::INT8),
        (&limit as _, Type::INT8),
    ];
    let rows = session.query(sql, &params).await?;
    let mut alerts: Vec<Alert> = rows.iter().map(from_row).collect::<Result<_, Error>>()?;
    let ids: Vec<i64> = alerts.iter().map(|alert| alert.id).collect();
    for (alert_id, delivery) in deliveries::of_alerts(session, &ids).await? {
        if let Some(alert) = alerts.iter_mut().find(|alert| alert.id == alert_id) {
            alert.deliveries.push(delivery);
        }
    }
    Ok(alerts)
}

fn from_row(row: &Row) -> Result<Alert, Error> {
    Ok(Alert {
        id: row.get(0),
        rule: row.get(1),
        kind: row.get::<_, &str>(2).parse()?,
        severity: row.get::<_, &str>(3).parse()?,
        subject: row.get(4),
        view: name(row, 5)?,
        reason: row.get(7),
        advice: row.get(8),
        run_id: row.get(9),
        caused_by: row.get(10),
        fired_at: row.get(11),
        announced_at: row.get(12),
        resolved_at: row.get(13),
        is_muted: row.get(14),
        deliveries: Vec::new(),
    })
}

fn name(row: &Row, at: usize) -> Result<Option<RelationName>, Error> {
    let (schema, name): (Option<String>, Option<String>) = (row.get(at), row.get(at + 1));
    schema.zip(name).map(|(schema, name)| RelationName::new(schema, name)).transpose()
}

/// What somebody does not want to hear of, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Muted {
    /// The row's id.
    pub id: i64,
    /// The name of the rule; `*` for every rule.
    pub rule: String,
    /// The view; everything when none is named.
    pub view: Option<RelationName>,
    /// When it ends by itself; none when somebody must end it.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// Who muted it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

/// Mutes; gives the row's id, or none where the mute would have ended already.
pub(crate) async fn mute(
    session: &Session,
    mute: &Mute,
    until: Option<Timestamp>,
    reason: Option<&str>,
    by: &str,
) -> Result<Option<i64>, Failure> {
    let sql = "insert into remat.mutes (rule, view_id, until, reason, muted_by)
               select $1, $2, $3, $4, $5 where $3 is null or $3 > pg_catalog.clock_timestamp()
               returning id";
    let params = [
        (&mute.rule as _, Type::TEXT),
        (&mute.view_id as _, Type::INT8),
        (&until as _, Type::TIMESTAMPTZ),
        (&reason as _, Type::TEXT),
        (&by as _, Type::TEXT),
    ];
    Ok(session.query_opt(sql, &params).await?.map(|row| row.get(0)))
}

/// Ends the mutes of exactly this rule and view; gives how many held.
pub(crate) async fn unmute(session: &Session, mute: &Mute) -> Result<u64, Failure> {
    let sql = "update remat.mutes set ended_at = pg_catalog.clock_timestamp()
               where  ended_at is null and rule = $1 and view_id is not distinct from $2
               and    (until is null or until > pg_catalog.clock_timestamp())";
    session.execute(sql, &[(&mute.rule, Type::TEXT), (&mute.view_id, Type::INT8)]).await
}

/// The mutes that hold, the newest first.
pub(crate) async fn mutes(session: &Session) -> Result<Vec<Muted>, Error> {
    let sql = "select m.id, m.rule, v.schema_name, v.view_name, m.until, m.reason, m.muted_by, m.created_at
               from   remat.mutes m left join remat.views v on v.id = m.view_id
               where  m.ended_at is null and (m.until is null or m.until > pg_catalog.clock_timestamp())
               order  by m.id desc";
    let rows = session.query(sql, &[]).await?;
    let muted = rows.iter().map(|row| {
        Ok(Muted {
            id: row.get(0),
            rule: row.get(1),
            view: name(row, 2)?,
            until: row.get(4),
            reason: row.get(5),
            by: row.get(6),
            since: row.get(7),
        })
    });
    muted.collect()
}
