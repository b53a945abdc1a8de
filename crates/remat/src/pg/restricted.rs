//! Statements that run with the rights of a role that nobody vouches for, and with no more.
//!
//! `set role` is no fence: whatever runs under it can take the session's own role back, or leave behind what the commit
//! or the next statement runs with that role's rights. So the statements are what the query of a materialized view
//! does, and its refresh is the only thing that runs them: there the server refuses all of that.
//!
//! Law: the caller has become the role. Beside the refresh nothing of the role runs, and nothing is looked up by the
//! search path. What is read has the object id of what was made, whatever the statements did to its name.

use jiff::Timestamp;
use serde::Serialize;

use super::Session;
use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName, list_to_sql, literal},
};

/// Statements and the materialized view that runs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restricted {
    view: RelationName,
    make: String,
}

/// How one statement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// The rows that it touched, or what it selected.
    pub(crate) number: i64,
    /// What it selected, where that is an array.
    pub(crate) numbers: Vec<i64>,
    /// When it ended, by the server's clock.
    pub(crate) ended: Timestamp,
}

impl Restricted {
    /// `program` is a list of objects with `sql`, `reads` and `lists`, as `remat_query.perform` takes it; `path` is set for it.
    /// `relation` is the managed table that it writes, or 0.
    pub(crate) fn new(
        view: RelationName,
        program: &impl Serialize,
        path: &[Identifier],
        relation: u32,
    ) -> Self {
        let program = serde_json::to_string(program).expect("statements always serialize");
        let make = format!(
            "create materialized view {} as select * from remat_query.perform({}::pg_catalog.jsonb, \
             {}::pg_catalog.text, {relation}::pg_catalog.oid) with no data",
            view.to_sql(),
            literal(&program),
            literal(&list_to_sql(path)),
        );
        Self { view, make }
    }

    /// What [`Restricted::run`] does, for a person.
    pub(crate) fn to_sql(&self) -> String {
        [self.make.as_str(), &self.refresh(), &self.drop()].join(";\n")
    }

    /// Runs the statements as the role that acts now, in a transaction.
    pub(crate) async fn run(&self, session: &Session) -> Result<Vec<Ran>, Failure> {
        session.execute(&self.make, &[]).await?;
        let made = self.oid(session).await?;
        session.execute(&self.refresh(), &[]).await?;
        if self.oid(session).await? != made {
            let primary = format!("\"{}\" was replaced while it ran", self.view);
            return Err(Failure::new(FailureKind::PermissionDenied, primary));
        }
        let sql = format!("select number, ended, numbers from {} order by step", self.view.to_sql());
        let rows = session.query(&sql, &[]).await?;
        session.execute(&self.drop(), &[]).await?;
        let number = |row: &tokio_postgres::Row| row.get::<_, Option<i64>>(0).unwrap_or_default();
        let numbers = |row: &tokio_postgres::Row| row.get::<_, Option<Vec<i64>>>(2).unwrap_or_default();
        let ran = |row| Ran { number: number(row), numbers: numbers(row), ended: row.get(1) };
        Ok(rows.iter().map(ran).collect())
    }

    async fn oid(&self, session: &Session) -> Result<Option<u32>, Failure> {
        let name = literal(&self.view.to_sql());
        let sql = format!("select pg_catalog.to_regclass({name})::pg_catalog.oid");
        Ok(session.query_one(&sql, &[]).await?.get(0))
    }

    fn refresh(&self) -> String {
        format!("refresh materialized view {}", self.view.to_sql())
    }

    fn drop(&self) -> String {
        format!("drop materialized view {}", self.view.to_sql())
    }
}
