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
    unimplemented!()
}
