//! The proof: after the last round the rows of each view, and of its twin that was refreshed by what changed, equal its query's.
//!
//! A window that ends at `now()` loses rows while nobody writes, so a view that differs is refreshed once more and
//! compared at once. That happens at most [`ATTEMPTS`] times, and the report says for how many views it did.

use remat::{Remat, error::Error, operation::RefreshOptions, view::View};

use super::{driver::Driver, succeeded, twin::Twins};
use crate::render::{Output, Stage};

/// Two in a row that both meet a row leaving a window are rare; three are a fault.
const ATTEMPTS: u32 = 3;

/// How the comparison of one view ended.
pub(crate) struct Check {
    pub(crate) rows: i64,
    pub(crate) equal: bool,
    /// How often it was refreshed again because it differed.
    pub(crate) refreshed_again: u32,
}

/// Compares every view.
pub(super) async fn all(
    out: &Output,
    remat: &Remat,
    driver: &Driver,
    twins: &[Twins],
) -> Result<Vec<Check>, Error> {
    let stage = Stage::start(out, "comparing every view with its query", Some(twins.len() as u64));
    let mut checks = Vec::new();
    for twins in twins {
        let (own, twin) =
            (one(remat, driver, &twins.view).await?, one(remat, driver, &twins.incremental).await?);
        checks.push(Check {
            rows: own.rows,
            equal: own.equal && twin.equal,
            refreshed_again: own.refreshed_again.max(twin.refreshed_again),
        });
        stage.next();
    }
    stage.finish("compared every view with its query");
    Ok(checks)
}

async fn one(remat: &Remat, driver: &Driver, view: &View) -> Result<Check, Error> {
    let mut refreshed_again = 0;
    let mut equal = remat.verify(view).await?.equal;
    while !equal && refreshed_again < ATTEMPTS {
        refreshed_again += 1;
        // A swap leaves another relation, so the view is read again.
        let view = remat.view(&view.definition.name).await?;
        drop(succeeded(remat.refresh(&view, RefreshOptions::default()).await?)?);
        equal = remat.verify(&view).await?.equal;
    }
    Ok(Check { rows: driver.count(&view.definition.name).await?, equal, refreshed_again })
}
