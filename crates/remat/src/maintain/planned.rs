//! A stand-in until the compiler is here: every view is computed again as a whole when one of its tables changed.

use remat_sql::{Rejection, maintain::Plan};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use crate::{
    failure::Failure,
    pg::{Session, catalog::Relation},
    strategy::merge::defining_view,
    view::View,
};

/// A plan with what the server knows its sources by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// As `plan.sources` has them.
    pub(crate) sources: Vec<PlannedSource>,
    /// Changes whenever the plan could be another one.
    pub(crate) fingerprint: String,
}

/// A relation whose changes a plan must be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlannedSource {
    /// Its object id.
    pub(crate) oid: u32,
    /// The names and numbers of its columns, as the plan's source has them.
    pub(crate) columns: Vec<(String, i16)>,
}

pub(crate) async fn planned(
    session: &Session,
    view: &View,
    relation: &Relation,
) -> Result<Result<Planned, Rejection>, Failure> {
    let sql = "with recursive below(relation) as (
                 select remat.relation_at('remat_query', 'v' || $1::int8)
                 union
                 select d.refobjid from below b
                 join pg_rewrite w on w.ev_class = b.relation
                 join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass)
               select c.oid, n.nspname::text, c.relname::text, array_agg(a.attname::text order by a.attnum), array_agg(a.attnum order by a.attnum)
               from below b join pg_class c on c.oid = b.relation and c.relkind in ('r', 'p')
               join pg_namespace n on n.oid = c.relnamespace
               join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
               group by 1, 2, 3 order by 1";
    let rows = session.query(sql, &[(&view.id, Type::INT8)]).await?;
    let mut sources = Vec::new();
    let mut told = Vec::new();
    for row in &rows {
        let (names, numbers): (Vec<String>, Vec<i16>) = (row.get(3), row.get(4));
        told.push(json!({"relation": {"schema": row.get::<_, String>(1), "name": row.get::<_, String>(2)}, "columns": names}));
        sources.push(PlannedSource { oid: row.get(0), columns: names.into_iter().zip(numbers).collect() });
    }
    let columns: Vec<_> = relation.columns.iter().map(|c| (c.name.to_sql(), c.data_type.clone())).collect();
    let key: Vec<_> = view.definition.key.iter().map(|k| relation.columns.iter().position(|c| c.name == *k)).collect();
    let query = format!("select * from {}", defining_view(view.id).to_sql());
    let timed = view.definition.query.contains("now()");
    let crossings: Vec<&str> = if timed { vec!["pg_catalog.now() > \u{1}since\u{2}"] } else { vec![] };
    let hidden: Vec<_> = rows.iter().map(|row| json!({
        "query": format!("select 1 as one, count(*) as n from {:?}.{:?}", row.get::<_, String>(1), row.get::<_, String>(2)),
        "key": ["one"], "indexes": [],
    })).collect();
    let plan = json!({"sources": told, "hidden": hidden, "crossings": crossings,
        "stages": [{"whole": {"title": "everything", "target": {"columns": columns, "key": key}, "query": query}}]});
    let plan: Plan = serde_json::from_value(plan).expect("a plan");
    Ok(Ok(Planned { plan, sources, fingerprint: fingerprint(session, view).await? }))
}

pub(crate) async fn fingerprint(session: &Session, view: &View) -> Result<String, Failure> {
    let sql = "select md5(remat.printed_query(remat.relation_at('remat_query', 'v' || $1::int8)))";
    Ok(session.query_one(sql, &[(&view.id, Type::INT8)]).await?.get::<_, Option<String>>(0).unwrap_or_default())
}
