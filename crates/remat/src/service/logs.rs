//! Keeps the logs of changes small: what every view has read goes, and so does what no view reads.
//!
//! Law: a row of a log goes only when all its readers have stored a state that covers it; see
//! [`capture`](crate::capture). A reader that never comes holds everything up: it is told of once, and whoever pauses or
//! retires it decides. Each step is a short transaction, and none waits long for a lock.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Pass, Service};
use crate::{
    Remat, capture,
    error::Error,
    failure::{Failure, FailureKind},
    maintain,
    pg::Session,
};

/// How long it rests between two rounds.
const EVERY: Duration = Duration::from_secs(30);

/// A log that was never read takes its time.
const LIMIT: Duration = Duration::from_mins(30);

/// A view that has not been filled for so many seconds holds its logs up for longer than anybody means it to.
const PATIENCE_S: i64 = 3_600;

/// The service.
pub struct Logs {
    remat: Remat,
    /// The views that were told of.
    told: BTreeSet<i64>,
}

impl Logs {
    /// A keeper of all logs of the database.
    pub fn new(remat: &Remat) -> Self {
        Self { remat: remat.clone(), told: BTreeSet::new() }
    }

    async fn round(&mut self) -> Result<Pass, Error> {
        let told = std::mem::take(&mut self.told);
        let round = async |session: &Session| match keep(session).await {
            // The logs are kept by a daemon of the role that made them.
            Err(failure) if failure.kind == FailureKind::PermissionDenied => Ok((0, told.clone())),
            kept => Ok(kept?),
        };
        let (rows, waiting) = self.remat.with_session(round).await?;
        for view_id in waiting.difference(&told) {
            tracing::warn!(
                view_id,
                "the view has not been refreshed since its tables are logged; the logs grow until it is"
            );
        }
        self.told = waiting;
        let did = (rows > 0).then(|| format!("deleted {rows} rows of logs that every view has read"));
        Ok(Pass { did, rest: EVERY })
    }
}

/// One round: gives how many rows went, and the views that hold logs up.
async fn keep(session: &Session) -> Result<(i64, BTreeSet<i64>), Failure> {
    maintain::release_unwanted(session).await?;
    maintain::sweep_in_passing(session).await;
    let pruned = capture::prune(session).await?;
    let unfilled = capture::unfilled(session, PATIENCE_S).await?;
    Ok((pruned.rows, unfilled.iter().map(|unfilled| unfilled.view_id).collect()))
}

impl Service for Logs {
    fn name(&self) -> &'static str {
        "logs"
    }

    fn limit(&self) -> Duration {
        LIMIT
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        self.round().boxed()
    }
}
