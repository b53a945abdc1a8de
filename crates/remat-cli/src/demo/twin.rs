//! Twins: for each view two plain materialized views of the same query with the same indexes, which PostgreSQL's own
//! statements refresh for comparison, and one that remat refreshes by what changed.
//!
//! Two, because a plain refresh would leave a concurrent one nothing to do.

use remat::{
    Remat,
    error::Error,
    name::{Identifier, RelationName, list_to_sql},
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    view::{Definition, Strategy, View},
};

use super::{driver::Driver, succeeded};
use crate::render::{Output, Stage};

const SCHEMA: &str = "remat_demo_twin";

/// A view and its twins.
pub(super) struct Twins {
    pub(super) view: View,
    pub(super) plain: RelationName,
    pub(super) concurrent: RelationName,
    /// With strategy `incremental`.
    pub(super) incremental: View,
}

/// Makes and analyses the twins of every view.
pub(super) async fn make(
    out: &Output,
    remat: &Remat,
    driver: &Driver,
    views: &[View],
) -> Result<Vec<Twins>, Error> {
    let stage = Stage::start(out, "making views to compare with", Some(views.len() as u64));
    driver.session.batch(&format!("create schema {SCHEMA}")).await?;
    let mut twins = Vec::new();
    for view in views {
        let name = &view.definition.name.name;
        let plain = make_one(driver, &view.definition, name.derived("_plain")).await?;
        let concurrent = make_one(driver, &view.definition, name.derived("_concurrent")).await?;
        let incremental = make_incremental(remat, &view.definition, name.derived("_incremental")).await?;
        twins.push(Twins { view: view.clone(), plain, concurrent, incremental });
        stage.at(twins.len() as u64);
    }
    stage.finish("made views of the same queries to compare with");
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

/// A view of the same query that remat refreshes by what changed, filled and ready for the first change.
async fn make_incremental(remat: &Remat, definition: &Definition, name: Identifier) -> Result<View, Error> {
    let definition = Definition {
        name: RelationName { schema: Identifier::new(SCHEMA)?, name },
        strategy: Strategy::Incremental,
        schedule: None,
        target_lag_s: None,
        tags: Vec::new(),
        publish: None,
        ..definition.clone()
    };
    let view = remat.define(&definition).await?;
    drop(succeeded(remat.create(&view, CreateOptions::default()).await?)?);
    let view = remat.view(&definition.name).await?;
    drop(succeeded(remat.refresh(&view, RefreshOptions::default()).await?)?);
    Ok(view)
}

/// Takes away the twins that remat refreshes; what is left is the application and its views.
pub(super) async fn forget(remat: &Remat, twins: &[Twins]) -> Result<(), Error> {
    for twins in twins {
        drop(succeeded(remat.delete(&twins.incremental, DeleteOptions::default()).await?)?);
        remat.retire(&twins.incremental).await?;
    }
    Ok(())
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
