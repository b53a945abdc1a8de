//! The comparison: remat's refresh of a view, as it is defined and by what changed, against PostgreSQL's two ways to refresh a
//! twin.
//!
//! Law: one clock for all four, around the whole call, so that remat's own run rows and vacuum count against it. Each
//! round begins with a change that all four then bring in from the same contents; over the rounds each of them is
//! once in each place. Medians are shown, of every view.

use std::time::{Duration, Instant};

use remat::{Remat, error::Error, name::RelationName, operation::RefreshOptions, run::Run};

use super::{driver::Driver, succeeded, twin::Twins};
use crate::render::{Output, Stage, text};

/// How often everything is measured: each of the four competitors has each place in the order once.
pub(crate) const ROUNDS: usize = 4;

/// How many rows change before each round.
pub(crate) const CHANGES_PER_ROUND: i32 = 1_000;

/// What the rounds gave for one view.
pub(crate) struct Measured {
    pub(crate) view: RelationName,
    pub(crate) strategy: String,
    /// Inserted, updated and deleted in one round; nothing where the strategy does not know.
    pub(crate) rows_changed: Option<i64>,
    pub(crate) remat: Duration,
    pub(crate) plain: Duration,
    pub(crate) concurrent: Duration,
    pub(crate) incremental: Duration,
    /// The strategy that the twin with strategy `incremental` took last: another one where that was cheaper.
    pub(crate) incremental_by: String,
}

#[derive(Clone, Copy)]
enum Way {
    Remat,
    Plain,
    Concurrent,
    Incremental,
}

const ORDERS: [[Way; 4]; ROUNDS] = [
    [Way::Remat, Way::Plain, Way::Concurrent, Way::Incremental],
    [Way::Concurrent, Way::Remat, Way::Incremental, Way::Plain],
    [Way::Plain, Way::Incremental, Way::Remat, Way::Concurrent],
    [Way::Incremental, Way::Concurrent, Way::Plain, Way::Remat],
];

/// What one round gave for one view.
#[derive(Default)]
struct Sample {
    run: Option<Run>,
    remat: Duration,
    plain: Duration,
    concurrent: Duration,
    incremental: Duration,
    incremental_by: String,
}

/// Changes data and refreshes every view in all four ways, [`ROUNDS`] times.
pub(super) async fn rounds(
    out: &Output,
    remat: &Remat,
    driver: &Driver,
    twins: &[Twins],
) -> Result<Vec<Measured>, Error> {
    let changes = text::count(CHANGES_PER_ROUND.into());
    let what = format!("changing {changes} rows and refreshing every view, {ROUNDS} times");
    let stage = Stage::start(out, &what, Some((ROUNDS * twins.len()) as u64));
    let mut samples: Vec<Vec<Sample>> = twins.iter().map(|_| Vec::new()).collect();
    for order in ORDERS {
        driver.churn(CHANGES_PER_ROUND).await?;
        for (twins, samples) in twins.iter().zip(&mut samples) {
            samples.push(sample(remat, driver, twins, order).await?);
            stage.next();
        }
    }
    stage.finish(&format!("changed {changes} rows and refreshed every view in four ways, {ROUNDS} times"));
    Ok(twins.iter().zip(&samples).map(|(twins, samples)| measured(twins, samples)).collect())
}

async fn sample(remat: &Remat, driver: &Driver, twins: &Twins, order: [Way; 4]) -> Result<Sample, Error> {
    let mut sample = Sample::default();
    // A swap leaves another relation under the name.
    let view = remat.view(&twins.view.definition.name).await?;
    for way in order {
        let began = Instant::now();
        match way {
            Way::Remat => {
                let run = remat.refresh(&view, RefreshOptions::default()).await?;
                sample.remat = began.elapsed();
                sample.run = Some(succeeded(run)?);
            }
            Way::Plain => {
                twins.refresh_plain(driver).await?;
                sample.plain = began.elapsed();
            }
            Way::Concurrent => {
                twins.refresh_concurrent(driver).await?;
                sample.concurrent = began.elapsed();
            }
            Way::Incremental => {
                let run = remat.refresh(&twins.incremental, RefreshOptions::default()).await?;
                sample.incremental = began.elapsed();
                sample.incremental_by = succeeded(run)?.strategy.unwrap_or_default();
            }
        }
    }
    Ok(sample)
}

fn measured(twins: &Twins, samples: &[Sample]) -> Measured {
    let last = samples.iter().rev().find_map(|sample| sample.run.as_ref());
    Measured {
        view: twins.view.definition.name.clone(),
        strategy: last.and_then(|run| run.strategy.clone()).unwrap_or_default(),
        rows_changed: median(samples.iter().filter_map(|sample| sample.run.as_ref().and_then(changed))),
        remat: median(samples.iter().map(|sample| sample.remat)).unwrap_or_default(),
        plain: median(samples.iter().map(|sample| sample.plain)).unwrap_or_default(),
        concurrent: median(samples.iter().map(|sample| sample.concurrent)).unwrap_or_default(),
        incremental: median(samples.iter().map(|sample| sample.incremental)).unwrap_or_default(),
        incremental_by: samples.last().map(|sample| sample.incremental_by.clone()).unwrap_or_default(),
    }
}

fn changed(run: &Run) -> Option<i64> {
    Some(run.rows_inserted? + run.rows_updated? + run.rows_deleted?)
}

fn median<T: Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    let middle = values.len() / 2;
    values.into_iter().nth(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_three_is_the_middle_one() {
        assert_eq!(median([9, 1, 5].into_iter()), Some(5));
        assert_eq!(median(std::iter::empty::<i64>()), None);
    }

    #[test]
    fn each_way_has_each_place_once() {
        for place in 0..4 {
            let mut ways = ORDERS.map(|order| order[place] as u8);
            ways.sort_unstable();
            assert_eq!(ways, [0, 1, 2, 3]);
        }
    }
}
