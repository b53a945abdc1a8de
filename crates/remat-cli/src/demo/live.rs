//! The demo that goes on: the application writes every second, every view is refreshed in turn, and the pages show it.
//!
//! It ends by being interrupted only; whoever drops its future ends it.

use std::time::Duration;

use remat::{Remat, error::Error, operation::RefreshOptions, run::Status};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{driver::Driver, succeeded};
use crate::{
    render::{Output, demo::Board},
    serve::Beside,
};

/// Rows that the application changes each second.
const CHANGES_PER_SECOND: i32 = 200;

/// From one refresh of a view to its next, where the server keeps up.
const ROUND: Duration = Duration::from_secs(5);

/// Writes, refreshes and shows the status until it is dropped or something fails.
pub(crate) async fn live(out: &Output, remat: &Remat) -> Result<(), Error> {
    let driver = Driver::open(remat).await?;
    let pages = Beside::prepare(remat).await?;
    let board = Board::start(out, CHANGES_PER_SECOND, &pages.url, &pages.token);
    tokio::try_join!(write(&driver), refresh(out, remat, &board), pages.run())?;
    Ok(())
}

/// Turns that are this far apart, or as far as the work takes.
fn every(period: Duration) -> Interval {
    let mut turns = interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

async fn write(driver: &Driver) -> Result<(), Error> {
    let mut turns = every(Duration::from_secs(1));
    loop {
        turns.tick().await;
        driver.churn(CHANGES_PER_SECOND).await?;
    }
}

async fn refresh(out: &Output, remat: &Remat, board: &Board) -> Result<(), Error> {
    let mut turns = every(ROUND);
    loop {
        turns.tick().await;
        for view in remat.refresh_order(remat.views().await?).await? {
            let run = remat.refresh(&view, RefreshOptions::default()).await?;
            // Somebody at the pages was quicker, or paused it.
            if run.status != Status::Skipped {
                drop(succeeded(run)?);
            }
            board.show(out, &remat.status().await?);
        }
        board.end_of_round();
    }
}
