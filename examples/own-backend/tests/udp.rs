//! A daemon with a back end of one's own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use own_backend::UdpBackend;
use remat::{
    Remat,
    daemon::{Daemon, DaemonSettings},
    job::JobKind,
    name::RelationName,
    operation::CreateOptions,
    pg::Target,
    run::Status,
    service::{Stop, worker::WorkerSettings},
    view::Definition,
};
use remat_testkit::TestDb;
use serde_json::json;
use tokio::{net::UdpSocket, sync::watch};

#[tokio::test]
async fn a_run_is_done_soon_though_hints_are_doubled_and_some_are_nonsense() {
    let db = TestDb::create().await;
    let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    remat.migrate().await.unwrap();
    let name = RelationName::new("public", "numbers").unwrap();
    let view = remat.define(&Definition::new(name, "select n from generate_series(1, 3) n")).await.unwrap();
    remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();

    let workers = Arc::new(UdpBackend::of_worker().await.unwrap());
    let ours = UdpBackend::to(workers.address()).await.unwrap();
    // The worker looks by itself only after a minute: what is done sooner, a hint brought about.
    let settings = WorkerSettings {
        name: "example".into(),
        queues: Vec::new(),
        slots: 1,
        poll: Duration::from_mins(1),
        grace: Duration::from_secs(10),
    };
    let settings = DaemonSettings { worker: Some(settings), schedules: false, retention: None };
    let daemon = Daemon::prepare(&remat, workers.clone(), &settings).await.unwrap();
    let (stop, told) = watch::channel(Stop::No);
    let daemon = tokio::spawn(daemon.run(told));

    let nonsense = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    nonsense.send_to(b"hello", workers.address()).await.unwrap();
    for _ in 0..3 {
        let enqueued = remat.enqueue(&ours, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap();
        let again = remat.enqueue(&ours, JobKind::Refresh, None, &[json!("numbers")]).await.unwrap();
        for run in [enqueued, again] {
            let run = tokio::time::timeout(Duration::from_secs(30), remat.wait_for_run(run.run_id));
            assert_eq!(run.await.expect("a hint wakes the worker").unwrap().status, Status::Success);
        }
    }
    stop.send_replace(Stop::Drain);
    daemon.await.unwrap().unwrap();
}
