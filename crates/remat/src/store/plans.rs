//! The plans by which views follow changes, and what a refresh by one begins with.
//!
//! Law: a plan that does not stand any more is not used: its tables, their logs and its own tables are asked for each
//! time. Whether it is still that of the definition and of the tables, its fingerprint tells, which its maker compares.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::{Row, types::Type};

use super::captures::{self, Change, Snapshot};
use crate::{
    error::Complaint,
    failure::Failure,
    name::RelationName,
    pg::{Session, catalog::identifier},
    view::Strategy,
};

/// What is known of a view before its refresh.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The strategy of its definition.
    pub(crate) strategy: Strategy,
    /// True when it has a key and therefore, unless the strategy says otherwise, a table.
    pub(crate) has_key: bool,
    /// False when the role of the session may not keep what a view has read.
    pub(crate) may_keep: bool,
    /// True when it is known what its contents, and its hidden tables, cover.
    pub(crate) is_filled: bool,
    /// Its plan, if one was ever sought.
    pub(crate) plan: Option<Stored>,
}

/// What was found when a plan was sought.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The plan, or why there is none.
    pub(crate) found: Result<Value, Refusal>,
    /// True when everything of it is there.
    pub(crate) stands: bool,
    /// For how many seconds this has been known.
    pub(crate) age_s: i64,
    /// The tables that it reads, by the names that they have now.
    pub(crate) sources: Vec<(u32, RelationName)>,
}

/// Why a view does not follow changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The code of the compiler; none where something else stands in the way, which may pass.
    pub(crate) code: Option<String>,
    /// What.
    pub(crate) primary: String,
    /// More.
    pub(crate) detail: Option<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl From<&Complaint> for Refusal {
    fn from(complaint: &Complaint) -> Self {
        let Complaint { primary, detail, hint, .. } = complaint.clone();
        Self { code: None, primary, detail, hint }
    }
}

/// Reads it; none for a view that is not defined any more.
pub(crate) async fn known(session: &Session, view_id: i64) -> Result<Option<Known>, Failure> {
    let all = known_of(session, &[view_id]).await?;
    Ok(all.into_iter().next().map(|(_, known)| known))
}

/// The same of several views, each with its id.
pub(crate) async fn known_of(session: &Session, view_ids: &[i64]) -> Result<Vec<(i64, Known)>, Failure> {
    let sql = "select strategy, has_key, may_keep, is_filled, was_sought, plan, refusal, stands, age_s, oids, schemas, names,
                      view_id
               from   remat.known_plans($1)";
    let rows = session.query(sql, &[(&view_ids, Type::INT8_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.get(12), from_row(row)?))).collect()
}

fn from_row(row: &Row) -> Result<Known, Failure> {
    let stored = || {
        let found = match (row.get::<_, Option<Value>>(5), row.get::<_, Option<Value>>(6)) {
            (Some(plan), _) => Ok(plan),
            (None, refusal) => Err(refused(refusal)),
        };
        let oids: Vec<u32> = row.get(9);
        let (schemas, names): (Vec<String>, Vec<String>) = (row.get(10), row.get(11));
        let source = |(oid, (schema, name))| {
            Ok((oid, RelationName { schema: identifier(schema)?, name: identifier(name)? }))
        };
        let parts = oids.into_iter().zip(schemas.into_iter().zip(names));
        let sources = parts.map(source).collect::<Result<_, Failure>>()?;
        Ok::<_, Failure>(Stored { found, stands: row.get(7), age_s: row.get(8), sources })
    };
    Ok(Known {
        strategy: row.get::<_, &str>(0).parse()?,
        has_key: row.get(1),
        may_keep: row.get(2),
        is_filled: row.get(3),
        plan: row.get::<_, bool>(4).then(stored).transpose()?,
    })
}

fn refused(stored: Option<Value>) -> Refusal {
    let unreadable =
        || Refusal { code: None, primary: "it is not known why".into(), detail: None, hint: None };
    stored.and_then(|stored| serde_json::from_value(stored).ok()).unwrap_or_else(unreadable)
}

/// What belongs to a plan in the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    /// The tables that it reads.
    pub(crate) sources: &'a [u32],
    /// The tables beside the public one.
    pub(crate) hidden: &'a [u32],
}

/// Keeps a plan, in the transaction that made its tables. What was known of the contents is known no more.
pub(crate) async fn save(
    session: &Session,
    view_id: i64,
    fingerprint: &str,
    plan: &Value,
    parts: Parts<'_>,
) -> Result<(), Failure> {
    put(session, view_id, fingerprint, (Some(plan), None), parts).await?;
    forget_state(session, view_id).await
}

/// Keeps why there is no plan.
pub(crate) async fn save_refusal(
    session: &Session,
    view_id: i64,
    fingerprint: &str,
    refusal: &Refusal,
) -> Result<(), Failure> {
    let nothing = Parts { sources: &[], hidden: &[] };
    put(session, view_id, fingerprint, (None, Some(&json!(refusal))), nothing).await
}

async fn put(
    session: &Session,
    view_id: i64,
    fingerprint: &str,
    (plan, refusal): (Option<&Value>, Option<&Value>),
    parts: Parts<'_>,
) -> Result<(), Failure> {
    let sql = "insert into remat.view_plans (view_id, fingerprint, plan, refusal, sources, hidden)
               values ($1, $2, $3, $4, $5, $6)
               on conflict (view_id) do update
               set    fingerprint = excluded.fingerprint, system = excluded.system, plan = excluded.plan,
                      refusal = excluded.refusal, sources = excluded.sources, hidden = excluded.hidden,
                      is_stale = false, follow_rate = null, merge_rate = null, follow_ms = null, merge_from = null,
                      made_at = excluded.made_at";
    let params = [
        (&view_id as _, Type::INT8),
        (&fingerprint as _, Type::TEXT),
        (&plan as _, Type::JSONB),
        (&refusal as _, Type::JSONB),
        (&parts.sources as _, Type::OID_ARRAY),
        (&parts.hidden as _, Type::OID_ARRAY),
    ];
    session.execute(sql, &params).await.map(drop)
}

/// Says that a plan must be made anew before it is used again.
pub(crate) async fn mark_stale(session: &Session, view_id: i64) -> Result<(), Failure> {
    let sql = "update remat.view_plans set is_stale = true where view_id = $1";
    session.execute(sql, &[(&view_id, Type::INT8)]).await.map(drop)
}

/// Forgets what the contents cover.
pub(crate) async fn forget_state(session: &Session, view_id: i64) -> Result<(), Failure> {
    let sql = "delete from remat.view_states where view_id = $1";
    session.execute(sql, &[(&view_id, Type::INT8)]).await.map(drop)
}

/// Forgets the plan, and what the contents cover.
pub(crate) async fn forget(session: &Session, view_id: i64) -> Result<(), Failure> {
    let sql = "with gone as (delete from remat.view_states where view_id = $1)
               delete from remat.view_plans where view_id = $1";
    session.execute(sql, &[(&view_id, Type::INT8)]).await.map(drop)
}

/// The tables in schema `remat_query` that are a view's hidden ones, by their names.
pub(crate) async fn hidden_tables(
    session: &Session,
    view_id: i64,
) -> Result<Vec<(u32, RelationName)>, Failure> {
    let sql = "select c.oid, c.relname::text from pg_catalog.pg_class c
               join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
               where  n.nspname = 'remat_query' and c.relkind = 'r' and c.relname ~ ('^v' || $1::int8 || '_s[0-9]+$')
               order  by c.oid";
    let rows = session.query(sql, &[(&view_id, Type::INT8)]).await?;
    let table = |row: &Row| {
        let schema = identifier("remat_query".into())?;
        Ok((row.get(0), RelationName { schema, name: identifier(row.get(1))? }))
    };
    rows.iter().map(table).collect()
}

/// The views that have a plan or read a log although their definition wants no more of that, or they have no table any more.
pub(crate) async fn unwanted(session: &Session) -> Result<Vec<i64>, Failure> {
    let sql = "select v.id from remat.views v
               where  (v.relation_oid is null
                       or not (v.strategy = 'incremental' or (v.strategy = 'auto' and v.key_columns <> '{}')))
               and    (exists (select from remat.view_plans p where p.view_id = v.id)
                       or exists (select from remat.capture_consumers k where k.view_id = v.id))
               order  by v.id";
    Ok(session.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// What a refresh by changes begins with.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The time of the transaction, which is what `now()` is for the query.
    pub(crate) now: Timestamp,
    /// Since when the changes are told; none before the first fill.
    pub(crate) since: Option<Since>,
    /// What each log says.
    pub(crate) changes: Vec<Change>,
    /// Rows of each of these tables, as the server estimates them.
    pub(crate) estimates: Vec<f64>,
    /// What refreshes took.
    pub(crate) learned: Learned,
}

/// What the refreshes of a view by its plan took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    /// Milliseconds for each unit of cost, by the server's estimate, when changes were followed.
    pub(crate) follow_rate: Option<f64>,
    /// The same of a merge.
    pub(crate) merge_rate: Option<f64>,
    /// Milliseconds of the last refresh that followed changes.
    pub(crate) follow_ms: Option<f64>,
    /// So many changes, or more, are merged without asking what it would cost.
    pub(crate) merge_from: Option<i64>,
}

/// Keeps what refreshes took; what is none here stays as it was.
pub(crate) async fn learn(session: &Session, view_id: i64, learned: Learned) -> Result<(), Failure> {
    let sql = "update remat.view_plans
               set    follow_rate = coalesce($2, follow_rate), merge_rate = coalesce($3, merge_rate),
                      follow_ms = coalesce($4, follow_ms), merge_from = coalesce($5, merge_from)
               where  view_id = $1";
    let params = [
        (&view_id as _, Type::INT8),
        (&learned.follow_rate as _, Type::FLOAT8),
        (&learned.merge_rate as _, Type::FLOAT8),
        (&learned.follow_ms as _, Type::FLOAT8),
        (&learned.merge_from as _, Type::INT8),
    ];
    session.execute(sql, &params).await.map(drop)
}

/// The state of a view.
#[derive(Clone, Debug)]
pub(crate) struct Since {
    /// What the contents cover.
    pub(crate) snapshot: Snapshot,
    /// Whether the hidden tables cover the same.
    pub(crate) filled: bool,
    /// As of when, as text of type `timestamptz`.
    pub(crate) as_of: String,
}

/// Reads it. The transaction must be REPEATABLE READ.
pub(crate) async fn told(session: &Session, view_id: i64) -> Result<Told, Failure> {
    let sql = "select capture_id, relation, because, changed, pg_catalog.now(), seen, stored_by, as_of, filled, estimate,
                      follow_rate, merge_rate, follow_ms, merge_from
               from   remat.told($1)";
    let rows = session.query(sql, &[(&view_id, Type::INT8)]).await?;
    let Some(first) = rows.first() else {
        return Err(Failure::new(crate::failure::FailureKind::Other, "the state of a view cannot be read"));
    };
    let covers = first.get::<_, Option<String>>(5).zip(first.get::<_, Option<String>>(6));
    let told = rows.iter().filter(|row| row.get::<_, Option<i64>>(0).is_some());
    let (changes, estimates) = told.map(|row| (captures::change(row), row.get::<_, f64>(9))).unzip();
    Ok(Told {
        now: first.get(4),
        since: covers.map(|(seen, stored_by)| Since {
            snapshot: Snapshot::of(seen, stored_by),
            as_of: first.get(7),
            filled: first.get(8),
        }),
        changes,
        estimates,
        learned: Learned {
            follow_rate: first.get(10),
            merge_rate: first.get(11),
            follow_ms: first.get(12),
            merge_from: first.get(13),
        },
    })
}

/// Fails with 40001 when the contents of one of these views, or its state, were changed by a transaction that this one does
/// not see. Whoever changes the contents counts that in a row. The locks of the views must be held.
pub(crate) async fn guard_contents(session: &Session, view_ids: &[i64]) -> Result<(), Failure> {
    let sql = "with c as (select 1 from remat.contents where view_id = any($1) for no key update),
                    s as (select 1 from remat.view_states where view_id = any($1) for no key update)
               select (select count(*) from c) + (select count(*) from s)";
    session.query(sql, &[(&view_ids, Type::INT8_ARRAY)]).await.map(drop)
}
