//! Keeps what monitoring reads: totals of runs, and when the loops of this process turned.
//!
//! Law: it only sums up and copies what others wrote. What it does not come to, the next one does, in whichever process.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Pass, Service, health::Health};
use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    pg::Session,
    store::totals,
};

/// How often it does.
const EVERY: Duration = Duration::from_secs(5);

/// So many ends in one transaction: more than that are left for the next pass, which comes at once.
const MANY: i64 = 10_000;

/// The service.
pub struct Recorder {
    remat: Remat,
    health: Health,
    process: String,
    /// Whether it said that its role may not do this.
    refused: bool,
}

impl Recorder {
    /// `process` is what people call this one.
    pub fn new(remat: &Remat, health: Health, process: String) -> Self {
        Self { remat: remat.clone(), health, process, refused: false }
    }

    async fn round(&mut self) -> Result<Pass, Error> {
        let turns = self.health.loops();
        let loops: Vec<_> = turns.iter().filter_map(|turn| Some((turn.service, turn.ago?))).collect();
        let process = self.process.clone();
        let record = async |session: &Session| Ok(record(session, &process, &loops).await);
        match self.remat.with_session(record).await? {
            Ok(folded) if folded >= MANY => Ok(Pass { did: None, rest: Duration::ZERO }),
            Ok(_) => Ok(Pass { did: None, rest: EVERY }),
            // A daemon of a role that may write the totals does it.
            Err(failure) if failure.kind == FailureKind::PermissionDenied => {
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(error = %failure.complaint, "this daemon keeps no totals for monitoring");
                }
                Ok(Pass { did: None, rest: 10 * EVERY })
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

async fn record(
    session: &Session,
    process: &str,
    loops: &[(&'static str, Duration)],
) -> Result<i64, Failure> {
    totals::turned(session, process, loops).await?;
    totals::fold(session).await
}

impl Service for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        self.round().boxed()
    }
}
