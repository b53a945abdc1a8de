//! placeholder until the branch lands
#![allow(dead_code, missing_docs, unused_variables, clippy::unused_async)]
use crate::{
    failure::Failure,
    name::{Identifier, RelationName},
    pg::{Session, catalog::Relation},
    view::{IndexSpec, RelationKind, Settings},
};
use std::time::Duration;
pub enum Source {
    Query(String),
    Deployed(u32),
}
pub struct NewRelation {
    pub name: RelationName,
    pub kind: RelationKind,
    pub source: Source,
    pub owner: Option<Identifier>,
    pub key: Vec<Identifier>,
    pub indexes: Vec<IndexSpec>,
    pub with_data: bool,
}
pub struct Replaced {
    pub rows: Option<i64>,
    pub lock_wait: Duration,
    pub notes: Vec<String>,
}
pub async fn replace(
    session: &Session,
    settings: &Settings,
    old: Option<&Relation>,
    new: &NewRelation,
    view_id: i64,
) -> Result<Replaced, Failure> {
    assert!(old.is_none());
    let Source::Query(q) = &new.source else { unimplemented!() };
    let data = if new.with_data { "with data" } else { "with no data" };
    let n = new.name.to_sql();
    let key = crate::name::list_to_sql(&new.key);
    let rows = match new.kind {
        RelationKind::Matview => {
            session.execute(&format!("create materialized view {n} as\n{q}\n{data}"), &[]).await?
        }
        RelationKind::Table => {
            session.execute(&format!("create view remat_query.v{view_id} as\n{q}"), &[]).await?;
            session
                .execute(&format!("create table {n} as select * from remat_query.v{view_id} {data}"), &[])
                .await?
        }
    };
    if !new.key.is_empty() {
        let sql = match new.kind {
            RelationKind::Matview => format!("create unique index on {n} ({key})"),
            RelationKind::Table => format!("alter table {n} add primary key ({key})"),
        };
        session.batch(&sql).await?;
    }
    Ok(Replaced { rows: new.with_data.then_some(rows as i64), lock_wait: Duration::ZERO, notes: vec![] })
}
