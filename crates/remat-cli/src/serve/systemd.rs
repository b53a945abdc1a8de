//! What systemd is told: that the service is ready, that it stops, and that it lives.
//!
//! Law: the watchdog hears of the loops, not of the process: when one stalls, it hears nothing more, and the service is
//! started again. Without systemd nothing is sent.

use std::{future::pending, time::Duration};

use remat::service::{Stop, health::Health};
use sd_notify::NotifyState;
use tokio::sync::watch;

/// Tells from now until the process ends.
pub(super) async fn attend(health: Health, stop: watch::Receiver<Stop>) {
    tell(NotifyState::Ready);
    tokio::join!(say_that_it_stops(stop), feed_watchdog(&health));
}

async fn say_that_it_stops(mut stop: watch::Receiver<Stop>) {
    if stop.wait_for(|stop| *stop >= Stop::Drain).await.is_ok() {
        tell(NotifyState::Stopping);
    }
}

/// Runs on while the service drains.
async fn feed_watchdog(health: &Health) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return pending().await };
    let mut due = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        due.tick().await;
        let stalled = health.stalled();
        if stalled.is_empty() {
            tell(NotifyState::Watchdog);
        } else {
            tracing::error!(?stalled, "a loop has stalled; the watchdog is told no more that all is well");
        }
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
