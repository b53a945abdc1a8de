//! Runs as spans, told to a collector.

use std::{sync::Arc, time::Duration};

use remat::{
    backend::PostgresBackend,
    daemon::{Daemon, DaemonSettings},
    service::{
        Stop,
        tracer::{Collector, Tracer},
    },
    view::Strategy,
};
use remat_testkit::wait_until;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    daemon,
    fixture::World,
    receiver::{FINE, Receiver},
    support::PER_USER,
};

#[tokio::test]
async fn a_run_of_a_worker_is_told_with_its_phases() {
    let collector = Receiver::start(FINE).await;
    let world = World::new().await;
    let view = world.app.view(Strategy::Swap, PER_USER).await;
    let settings = DaemonSettings { schedules: false, ..daemon::settings(1) };
    let remat = &world.app.remat;
    let mut daemon = Daemon::prepare(remat, Arc::new(PostgresBackend::new(remat)), &settings).await.unwrap();
    let to = Collector {
        url: collector.url("/v1/traces"),
        headers: vec![("x-key".into(), "k".into())],
        service: "remat".into(),
    };
    let (tracer, told) = Tracer::new(remat, to);
    daemon.add(Box::new(tracer));
    daemon.tell_ends(told);
    let (stop, told) = watch::channel(Stop::No);
    let running = tokio::spawn(daemon.run(told));
    let id = world.app.count(&format!("select remat.enqueue_refresh('{}')", view.definition.name)).await;
    let arrived = collector.has(1).await.remove(0);
    assert_eq!((arrived.line.as_str(), arrived.headers["x-key"].as_str()), ("POST /v1/traces HTTP/1.1", "k"));
    let spans = arrived.json()["resourceSpans"][0]["scopeSpans"][0]["spans"].clone();
    let spans = spans.as_array().unwrap();
    let run = &spans[0];
    assert_eq!((&run["name"], &run["status"]["code"]), (&"refresh public.per_user".into(), &1.into()));
    let names: Vec<&str> = spans[1..].iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"build") && names.contains(&"swap"), "{names:?}");
    let nanos = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<i128>().unwrap();
    for pair in spans[1..].windows(2) {
        assert_eq!(nanos(&pair[0], "endTimeUnixNano"), nanos(&pair[1], "startTimeUnixNano"));
    }
    for span in &spans[1..] {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&run["traceId"], &run["spanId"]));
        assert!(nanos(span, "startTimeUnixNano") >= nanos(run, "startTimeUnixNano"));
    }
    assert_eq!((run["traceId"].as_str().unwrap().len(), run["spanId"].as_str().unwrap().len()), (32, 16));
    let row = world.app.remat.run(id).await.unwrap();
    assert_eq!(nanos(run, "startTimeUnixNano"), row.started_at.unwrap().as_nanosecond());
    stop.send_replace(Stop::Drain);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_collector_that_is_not_there_holds_no_run_up() {
    let world = World::new().await;
    let view = world.app.view(Strategy::Regular, PER_USER).await;
    let remat = &world.app.remat;
    let settings = DaemonSettings { schedules: false, ..daemon::settings(1) };
    let mut daemon = Daemon::prepare(remat, Arc::new(PostgresBackend::new(remat)), &settings).await.unwrap();
    let to = Collector { url: "http://127.0.0.1:1/".into(), headers: Vec::new(), service: "remat".into() };
    let (tracer, told) = Tracer::new(remat, to);
    daemon.add(Box::new(tracer));
    daemon.tell_ends(told);
    let (stop, told) = watch::channel(Stop::No);
    let running = tokio::spawn(daemon.run(told));
    for _ in 0..3 {
        let id = world.app.count(&format!("select remat.enqueue_refresh('{}')", view.definition.name)).await;
        let done = format!("select count(*) from remat.runs where id = {id} and status = 'success'");
        wait_until("the run succeeds", async || world.app.count(&done).await == 1).await;
    }
    stop.send_replace(Stop::Drain);
    tokio::time::timeout(Duration::from_secs(20), running).await.unwrap().unwrap().unwrap();
}
