//! Twins: for each view two plain materialized views of the same query with the same indexes, which PostgreSQL's own
//! statements refresh for comparison.
//!
//! Two, because a plain refresh would leave a concurrent one nothing to do.

use remat::{
    error::Error,
    name::{Identifier, RelationName, list_to_sql},
    view::{Definition, View},
};

use super::driver::Driver;
use crate::render::{Output, Stage};

const SCHEMA: &str = "remat_demo_twin";

/// A view and its twins.
pub(super) struct Twins {
    pub(super) view: View,
    pub(super) plain: RelationName,
    pub(super) concurrent: RelationName,
}

/// Makes and analyses the twins of every view.
pub(super) async fn make(out: &Output, driver: &Driver, views: &[View]) -> Result<Vec<Twins>, Error> {
    let stage = Stage::start(out, "making twins to compare with", Some(views.len() as u64));
    driver.session.batch(&format!("create schema {SCHEMA}")).await?;
    let mut twins = Vec::new();
    for view in views {
        let name = &view.definition.name.name;
        let plain = make_one(driver, &view.definition, name.derived("_plain")).await?;
        let concurrent = make_one(driver, &view.definition, name.derived("_concurrent")).await?;
        twins.push(Twins { view: view.clone(), plain, concurrent });
        stage.at(twins.len() as u64);
    }
    stage.finish("made twins to compare with: the same queries and indexes as plain materialized views");
    Ok(twins)
}

async fn make_one(driver: &Driver, definition: &Definition, name: Identifier) -> Result<RelationName, Error> {
    let twin = RelationName { schema: Identifier::new(SCHEMA)?, name };
    let sql = twin.to_sql();
    let mut script = vec![
        format!("create materialized view {sql} as {}", definition.query),
        format!("create unique index on {sql} ({})", list_to_sql(&definition.key)),
    ];
    script.extend(definition.indexes.iter().map(|index| {
        let unique = if index.unique { "unique " } else { "" };
        let (method, columns) = (index.method.to_sql(), list_to_sql(&index.columns));
        format!("create {unique}index on {sql} using {method} ({columns})")
    }));
    driver.session.batch(&script.join(";\n")).await?;
    driver.session.batch(&format!("vacuum (analyze) {sql}")).await?;
    Ok(twin)
}

impl Twins {
    /// `refresh materialized view`.
    pub(super) async fn refresh_plain(&self, driver: &Driver) -> Result<(), Error> {
        Ok(driver.session.batch(&format!("refresh materialized view {}", self.plain.to_sql())).await?)
    }

    /// `refresh materialized view concurrently`.
    pub(super) async fn refresh_concurrent(&self, driver: &Driver) -> Result<(), Error> {
        let name = self.concurrent.to_sql();
        Ok(driver.session.batch(&format!("refresh materialized view concurrently {name}")).await?)
    }
}
