//! A daemon beside the test.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part of this")]

use std::{sync::Arc, time::Duration};

use remat::{
    Remat,
    backend::{JobBackend, PostgresBackend},
    daemon::{Daemon, DaemonSettings},
    error::Error,
    service::{Stop, worker::WorkerSettings},
};
use tokio::{sync::watch, task::JoinHandle};

pub struct Running {
    pub stop: watch::Sender<Stop>,
    pub ended: JoinHandle<Result<(), Error>>,
}

pub fn settings(slots: usize) -> DaemonSettings {
    let worker = WorkerSettings {
        name: "test".into(),
        queues: Vec::new(),
        slots,
        poll: Duration::from_secs(5),
        grace: Duration::from_secs(30),
    };
    DaemonSettings { worker: Some(worker), schedules: true, retention: None }
}

pub async fn start(remat: &Remat, slots: usize) -> Running {
    start_with(remat, Arc::new(PostgresBackend::new(remat)), &settings(slots)).await
}

pub async fn start_with(remat: &Remat, backend: Arc<dyn JobBackend>, settings: &DaemonSettings) -> Running {
    let daemon = Daemon::prepare(remat, backend, settings).await.expect("the daemon can be prepared");
    let (stop, told) = watch::channel(Stop::No);
    Running { stop, ended: tokio::spawn(daemon.run(told)) }
}

impl Running {
    /// Lets it finish what it has.
    pub async fn drain(self) {
        self.stop.send_replace(Stop::Drain);
        self.ended.await.expect("the daemon does not panic").expect("the daemon ends well");
    }
}
