//! Deletes old runs, a little at a time.
//!
//! Law: one step per pass, each a short transaction that costs what it deletes; between two rounds it rests. Rows that
//! another pruner has are left to it.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Pass, Service};
use crate::{
    Remat,
    error::Error,
    store::retention::{self, MANY, Position, Pruned, Retention},
};

/// How long it rests between two steps: other work goes first.
const BETWEEN_STEPS: Duration = Duration::from_millis(100);

/// A vacuum of many runs takes its time.
const LIMIT: Duration = Duration::from_mins(30);

/// The service.
pub struct Pruner {
    remat: Remat,
    retention: Retention,
    every: Duration,
    position: Position,
    gone: Pruned,
}

impl Pruner {
    /// `every` is the rest between two rounds.
    pub fn new(remat: &Remat, retention: Retention, every: Duration) -> Self {
        let remat = remat.clone();
        Self { remat, retention, every, position: Position::default(), gone: Pruned::default() }
    }

    async fn step(&mut self) -> Result<Pass, Error> {
        let (retention, position) = (&self.retention, &self.position);
        let (gone, next) = self
            .remat
            .with_session(async |session| Ok(retention::prune_step(session, retention, position).await?))
            .await?;
        self.gone += gone;
        if let Some(next) = next {
            self.position = next;
            return Ok(Pass { did: None, rest: BETWEEN_STEPS });
        }
        self.position = Position::default();
        self.remat.forget_expired().await?;
        let gone = std::mem::take(&mut self.gone);
        if gone.runs >= MANY {
            self.remat.with_session(async |session| Ok(retention::vacuum(session).await?)).await?;
        }
        let did = (gone.total() > 0).then(|| {
            let Pruned { runs, fires, events, workers } = gone;
            format!("deleted {runs} runs, {fires} fires, {events} events, {workers} workers")
        });
        Ok(Pass { did, rest: self.every })
    }
}

impl Service for Pruner {
    fn name(&self) -> &'static str {
        "pruner"
    }

    fn limit(&self) -> Duration {
        LIMIT
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        self.step().boxed()
    }
}
