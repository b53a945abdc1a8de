//! Gives back runs whose worker is gone.
//!
//! Law: silence proves only that we heard nothing. So a run is lost when its worker's heartbeat is stale *and* nobody holds
//! the lock of its transaction; how it ended, the row says then. Whether it is tried again, its budget decides.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Pass, Service, counted};
use crate::{Remat, error::Error, store::runs};

/// How often lost runs are looked for.
const EVERY: Duration = Duration::from_secs(2);

/// The runs that a worker holds: what it claimed and has not finished.
#[derive(Clone, Debug, Default)]
pub struct Held {
    runs: Arc<Mutex<HashSet<i64>>>,
}

impl Held {
    /// Holds a run until the value is dropped, also by a panic.
    pub(super) fn hold(&self, run_id: i64) -> Holding {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(run_id);
        Holding { held: self.clone(), run_id }
    }

    fn all(&self) -> Vec<i64> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

/// One run that is held.
#[derive(Debug)]
pub(super) struct Holding {
    held: Held,
    run_id: i64,
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run_id);
    }
}

/// The service.
pub struct Rescuer {
    remat: Remat,
    me: Option<(i64, Held)>,
}

impl Rescuer {
    /// `me` is the worker of this process, if it has one, and what it holds: a run that says it is this worker's and that
    /// it does not hold is lost as well.
    pub fn new(remat: &Remat, me: Option<(i64, Held)>) -> Self {
        Self { remat: remat.clone(), me }
    }

    async fn rescue(&self) -> Result<Pass, Error> {
        // Read before the question: what is claimed afterwards is too young to be asked about.
        let held = self.me.as_ref().map(|(_, held)| held.all()).unwrap_or_default();
        let me = self.me.as_ref().map(|(id, _)| *id);
        let lost = self
            .remat
            .with_session(async |session| Ok(runs::resolve_lost(session, me, &held).await?))
            .await?;
        let did = (!lost.is_empty()).then(|| format!("ended {}: {lost:?}", counted(lost.len(), "lost run")));
        Ok(Pass { did, rest: EVERY })
    }
}

impl Service for Rescuer {
    fn name(&self) -> &'static str {
        "rescuer"
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        self.rescue().boxed()
    }
}
