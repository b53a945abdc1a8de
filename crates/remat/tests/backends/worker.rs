//! A worker's end of a back end, as the tests hold it.

use std::{sync::Arc, time::Duration};

use remat::{
    backend::{BackendSettings, Ear, EarEnd, EarState, Heard, Hint, JobBackend, connect},
    error::Error,
};
use tokio::{sync::oneshot, task::JoinHandle};

/// Longer than any message takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Worker {
    end: EarEnd,
    listening: JoinHandle<Result<(), Error>>,
}

impl Worker {
    pub(crate) fn listen(backend: &Arc<dyn JobBackend>, queues: &[&str]) -> Self {
        let (ear, end) = Ear::new();
        let (backend, queues) =
            (Arc::clone(backend), queues.iter().map(ToString::to_string).collect::<Vec<_>>());
        let listening = tokio::spawn(async move { backend.listen(&queues, &ear).await });
        Self { end, listening }
    }

    pub(crate) fn is(&self, state: EarState) {
        self.end.state.send_replace(state);
    }

    /// The next message, with the means to say that it is safe.
    pub(crate) async fn hear(&mut self) -> (Heard, oneshot::Sender<()>) {
        let heard = tokio::time::timeout(DEADLINE, self.end.heard.recv()).await;
        heard.expect("a message arrives in time").expect("the back end listens")
    }

    /// The next message, which is safe.
    pub(crate) async fn next(&mut self) -> Heard {
        let (heard, safe) = self.hear().await;
        safe.send(()).expect("the back end waits for the word");
        heard
    }

    /// The runs of the next so many hints, in order.
    pub(crate) async fn runs(&mut self, count: usize) -> Vec<i64> {
        let mut runs = Vec::new();
        while runs.len() < count {
            match self.next().await {
                Heard::Hint(hint) => runs.push(hint.run_id),
                other => panic!("no hint: {other:?}"),
            }
        }
        runs.sort_unstable();
        runs
    }

    /// What came by itself within a moment.
    pub(crate) async fn hears_nothing_for(&mut self, moment: Duration) {
        let heard = tokio::time::timeout(moment, self.end.heard.recv()).await;
        assert!(heard.is_err(), "heard {:?}", heard.map(|heard| heard.map(|(heard, _)| heard)));
    }

    /// How listening ended.
    pub(crate) async fn ended_within(&mut self, limit: Duration) -> Result<(), Error> {
        let ended = tokio::time::timeout(limit, &mut self.listening).await;
        ended.expect("listening ends in time").expect("listening does not panic")
    }

    /// Stops as a killed process would: nothing is said to anybody.
    pub(crate) fn die(self) {
        self.listening.abort();
    }
}

pub(crate) async fn open(kind: &str, url: &str) -> Arc<dyn JobBackend> {
    try_open(kind, url).await.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn try_open(kind: &str, url: &str) -> Result<Arc<dyn JobBackend>, Error> {
    connect(&BackendSettings { kind: kind.into(), url: Some(url.into()), prefix: None }).await
}

pub(crate) fn hint(run_id: i64, queue: &str) -> Hint {
    Hint { run_id, queue: queue.to_owned() }
}

pub(crate) fn hints(runs: std::ops::RangeInclusive<i64>, queue: &str) -> Vec<Hint> {
    runs.map(|run| hint(run, queue)).collect()
}

/// The error of a connection that should not have been made.
pub(crate) async fn refused(kind: &str, url: &str) -> Error {
    match try_open(kind, url).await {
        Ok(_) => panic!("connected to {url}"),
        Err(error) => error,
    }
}
