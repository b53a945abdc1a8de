//! Loads the application: its tables, its users, and the analyses slice by slice.

use remat::error::Error;
use tokio_postgres::types::Type;

use super::{driver::Driver, project};
use crate::render::{Output, Stage, text};

/// Analyses per user, on which the example's spread over time rests.
const ANALYSES_PER_USER: u32 = 20;

/// Rows of one statement: a fraction of a second each, so that progress is seen.
const SLICE: u32 = 4_000;

/// Makes the tables and loads so many analyses.
pub(super) async fn application(out: &Output, driver: &Driver, rows: u32) -> Result<(), Error> {
    let what = format!("{} analyses", text::count(rows.into()));
    let stage = Stage::start(out, &format!("loading {what}"), Some(rows.into()));
    for (_, script) in project::SCRIPTS {
        driver.session.batch(script).await?;
    }
    users(driver, rows.div_ceil(ANALYSES_PER_USER)).await?;
    for first in (1..=rows).step_by(SLICE as usize) {
        let last = rows.min(first.saturating_add(SLICE - 1));
        analyses(driver, first, last).await?;
        stage.at(last.into());
    }
    driver.session.batch("vacuum (analyze)").await?;
    stage.finish(&format!("loaded {what}"));
    Ok(())
}

async fn users(driver: &Driver, users: u32) -> Result<(), Error> {
    driver
        .session
        .query("select skyflow_seed_users($1::bigint::integer)", &[(&i64::from(users), Type::INT8)])
        .await?;
    Ok(())
}

async fn analyses(driver: &Driver, first: u32, last: u32) -> Result<(), Error> {
    let params = [(&i64::from(first) as _, Type::INT8), (&i64::from(last) as _, Type::INT8)];
    driver.session.query("select skyflow_seed_analyses($1, $2)", &params).await?;
    Ok(())
}
