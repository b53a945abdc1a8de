//! The demo that goes on: the application writes every second, and every view is refreshed in turn.
//!
//! It ends by being interrupted only; whoever drops its future ends it.

use std::time::Duration;

use remat::{Remat, error::Error, operation::RefreshOptions};
use tokio::time::{MissedTickBehavior, interval};

use super::{driver::Driver, succeeded};
use crate::render::{Output, demo::Board};

/// Rows that the application changes each second.
const CHANGES_PER_SECOND: i32 = 200;

/// Writes, refreshes and shows the status until it is dropped or something fails.
pub(crate) async fn live(out: &Output, remat: &Remat) -> Result<(), Error> {
    let driver = Driver::open(remat).await?;
    let board = Board::start(out, CHANGES_PER_SECOND);
    tokio::try_join!(write(&driver), refresh(out, remat, &board))?;
    Ok(())
}

async fn write(driver: &Driver) -> Result<(), Error> {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        driver.churn(CHANGES_PER_SECOND).await?;
    }
}

async fn refresh(out: &Output, remat: &Remat, board: &Board) -> Result<(), Error> {
    loop {
        for view in remat.refresh_order(remat.views().await?).await? {
            succeeded(remat.refresh(&view, RefreshOptions::default()).await?)?;
            board.show(out, &remat.status().await?);
        }
        board.end_of_round();
    }
}
