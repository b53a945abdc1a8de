//! Daemons in processes of their own, which a test may stop, kill and start as it likes.
//!
//! The process is this very test program, told by its environment to be a daemon: so it is built wherever the tests are.

use std::{
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use remat::{
    Remat,
    backend::{self, BackendSettings, JobBackend, PostgresBackend},
    daemon::{Daemon, DaemonSettings},
    pg::Target,
    service::{Stop, worker::WorkerSettings},
};
use remat_testkit::wait_until;
use serde::{Deserialize, Serialize};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::world::World;

const ORDERS: &str = "REMAT_TEST_DAEMON";

/// How a daemon is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) url: String,
    pub(crate) name: String,
    pub(crate) slots: usize,
    pub(crate) schedules: bool,
    /// A back end with a broker, and where that is.
    pub(crate) broker: Option<(String, String)>,
}

impl Orders {
    pub(crate) fn new(url: &str, name: &str) -> Self {
        Self { url: url.into(), name: name.into(), slots: 4, schedules: true, broker: None }
    }
}

/// A daemon that runs; it is killed with the value.
pub(crate) struct Process {
    orders: Orders,
    child: Child,
}

impl Process {
    pub(crate) fn start(orders: &Orders) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::daemon", "--ignored", "--nocapture"])
            .env(ORDERS, serde_json::to_string(orders).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { orders: orders.clone(), child }
    }

    /// Starts one and waits until it has entered itself.
    pub(crate) async fn ready(world: &World, orders: &Orders) -> Self {
        let process = Self::start(orders);
        let name = &orders.name;
        let entered =
            format!("select count(*) from remat.workers where name = '{name}' and state <> 'draining'");
        wait_until("the daemon has entered itself", async || world.count(&entered).await > 0).await;
        process
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it and starts one like it.
    pub(crate) fn replace(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = Self::start(&self.orders).take_child();
    }

    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own kill: not every Debian has the program.
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -$1 $2", "sh", signal, &id]).status().unwrap();
        assert!(sent.success(), "{} is gone", self.orders.name);
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let mut status = None;
        wait_until("the daemon has ended", async || {
            status = child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    pub(crate) async fn drain(mut self) {
        self.signal("TERM");
        let status = self.ended().await;
        assert!(status.success(), "{}: {status}", self.orders.name);
    }

    fn take_child(mut self) -> Child {
        // What is dropped in its place has ended already.
        let spare = Command::new("true").spawn().unwrap();
        std::mem::replace(&mut self.child, spare)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "the daemon of the other tests, which start it in a process of its own"]
fn daemon() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    // The test's end of the pipe closes with the test, also when that was killed.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(3);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(serve(serde_json::from_str(&orders).unwrap()));
}

async fn serve(orders: Orders) {
    let target = Target::resolve(Some(&orders.url), &|_| None).unwrap();
    let remat = Remat::connect(target).await.unwrap();
    let backend: Arc<dyn JobBackend> = match orders.broker {
        Some((kind, url)) => {
            backend::connect(&BackendSettings { kind, url: Some(url), prefix: None }).await.unwrap()
        }
        None => Arc::new(PostgresBackend::new(&remat)),
    };
    let settings = settings(&orders.name, orders.slots, orders.schedules);
    let daemon = Daemon::prepare(&remat, backend, &settings).await.unwrap();
    let (stop, told) = watch::channel(Stop::No);
    tokio::spawn(obey(stop));
    daemon.run(told).await.unwrap();
}

pub(crate) fn settings(name: &str, slots: usize, schedules: bool) -> DaemonSettings {
    let worker = WorkerSettings {
        name: name.into(),
        queues: Vec::new(),
        slots,
        poll: Duration::from_secs(2),
        grace: Duration::from_secs(30),
    };
    DaemonSettings { worker: Some(worker), schedules, retention: None }
}

/// The first TERM drains, the second cancels.
async fn obey(stop: watch::Sender<Stop>) {
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    terminate.recv().await;
    stop.send_replace(Stop::Drain);
    terminate.recv().await;
    stop.send_replace(Stop::Cancel);
    terminate.recv().await;
}
