//! All that the metrics say, read once.

use jiff::Timestamp;

use crate::{
    alert::facts::{ViewFacts, WorkerFacts},
    error::Error,
    pg::Session,
    store::{
        backlog::{self, Backlog},
        facts::{self, Durations},
        readings::{self, LogSize},
        totals::{self, Count},
    },
};

/// What the rows said.
pub(super) struct Reading {
    pub(super) views: Vec<ViewFacts>,
    pub(super) counts: Vec<Count>,
    pub(super) backlog: Backlog,
    pub(super) waiting: Vec<(String, f64)>,
    pub(super) workers: Vec<WorkerFacts>,
    pub(super) loops: Vec<(String, Timestamp)>,
    pub(super) logs: Vec<LogSize>,
    pub(super) firing: Vec<(String, i64)>,
    pub(super) deliveries: (i64, i64),
}

pub(super) async fn read(session: &Session) -> Result<Reading, Error> {
    Ok(Reading {
        views: facts::views(session, Durations::default()).await?,
        counts: totals::counts(session).await?,
        backlog: backlog::read(session).await?,
        waiting: readings::waiting(session).await?,
        workers: facts::workers(session).await?,
        loops: totals::loops(session).await?,
        logs: readings::logs(session).await?,
        firing: readings::firing(session).await?,
        deliveries: readings::deliveries(session).await?,
    })
}
