//! The services of the daemon, one loop per file, all of one shape.
//!
//! Law: a service does its work in [`Service::run_once`], which decides nothing about time but says how long it may rest;
//! [`repeat`] only waits, logs and goes on. A service that fails tries again and never takes another one down. What a
//! service does is safe beside any number of its kind in other processes: they agree by rows, not by a leader.

pub mod alerter;
mod clock;
#[cfg(feature = "alerts")]
pub mod deliverer;
pub mod health;
pub mod logs;
mod own_session;
pub mod pruner;
#[cfg(feature = "redis")]
mod publisher;
pub mod recorder;
pub mod rescuer;
pub mod scheduler;
#[cfg(feature = "otel")]
pub mod tracer;
pub mod verifier;
pub mod worker;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::{sync::watch, time::timeout};

use crate::error::{Error, ErrorKind};

/// What a person wants of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// To go on.
    No,
    /// To begin nothing new and to finish what is at work.
    Drain,
    /// To cancel what is at work.
    Cancel,
}

/// One pass of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// What it did, for the log; nothing when there was nothing to do.
    pub did: Option<String>,
    /// How long it may rest.
    pub rest: Duration,
}

/// One loop of the daemon.
pub trait Service: Send {
    /// What the log calls it.
    fn name(&self) -> &'static str;

    /// How long one pass may take before it is given up.
    fn limit(&self) -> Duration {
        PASS_MAX
    }

    /// Does what there is to do now.
    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>>;
}

/// How long a service rests after a failure: the server may be restarting.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long one pass may take before it counts as stalled and is given up, unless a service says otherwise: a query that
/// hangs must not stop the clock.
const PASS_MAX: Duration = Duration::from_mins(1);

/// Repeats a service until the daemon stops.
pub async fn repeat(mut service: Box<dyn Service>, mut stop: watch::Receiver<Stop>) {
    let mut failing = false;
    loop {
        let pass = timeout(service.limit(), service.run_once()).await.unwrap_or_else(|_| Err(stalled()));
        let rest = match pass {
            Ok(pass) => {
                report(service.name(), pass.did, &mut failing);
                pass.rest
            }
            Err(error) => {
                // Said once, not every second of an outage.
                if !failing {
                    tracing::warn!(service = service.name(), %error, "the service failed and tries again");
                }
                failing = true;
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = told(&mut stop, Stop::Drain) => return,
        }
    }
}

/// Resolves when somebody wants at least this; also when nobody is left who could say so.
pub(crate) async fn told(stop: &mut watch::Receiver<Stop>, wanted: Stop) {
    let _ = stop.wait_for(|stop| *stop >= wanted).await;
}

fn report(service: &str, did: Option<String>, failing: &mut bool) {
    if std::mem::take(failing) {
        tracing::info!(service, "the service is well again");
    }
    if let Some(did) = did {
        tracing::info!(service, "{did}");
    }
}

fn stalled() -> Error {
    Error::new(ErrorKind::Connection, "the server did not answer in time")
}

/// `1 run`, `2 runs`.
fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Gives an answer up that takes too long.
pub(crate) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, answer).await.unwrap_or_else(|_| Err(stalled()))
}
