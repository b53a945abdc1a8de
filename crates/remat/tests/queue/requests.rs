//! Jobs that a Ruby program pushed: they have no row until a worker hears of them.

use std::{sync::Arc, time::Duration};

use remat::{backend::SidekiqBackend, run::Status, view::Strategy};
use remat_testkit::{RedisServer, wait_until};
use serde_json::json;

use crate::{
    daemon,
    support::{App, PER_USER},
};

fn payload(class: &str, arguments: &serde_json::Value, jid: &str) -> String {
    json!({"class": class, "args": arguments, "jid": jid, "queue": "views", "created_at": 1.0, "enqueued_at": 1.0, "retry": true})
        .to_string()
}

#[tokio::test]
async fn a_pushed_job_is_one_run_however_often_it_comes_and_nonsense_is_buried() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    let redis = RedisServer::start().await;
    let jobs = [
        payload("MatViews::RefreshViewJob", &json!([view.id, "exact"]), "aaaaaaaaaaaaaaaaaaaaaaaa"),
        payload("MatViews::RefreshViewJob", &json!([view.id, "exact"]), "aaaaaaaaaaaaaaaaaaaaaaaa"),
        payload("Shop::SendMailJob", &json!([1]), "bbbbbbbbbbbbbbbbbbbbbbbb"),
        payload("MatViews::RefreshViewJob", &json!([view.id + 1000]), "cccccccccccccccccccccccc"),
    ];
    for job in &jobs {
        redis.ask(&["LPUSH", "queue:views", job]).await;
    }
    let backend = Arc::new(SidekiqBackend::connect(&redis.url(), None).await.unwrap());
    let mut settings = daemon::settings(2);
    let worker = settings.worker.as_mut().unwrap();
    worker.queues = vec!["views".into()];
    worker.poll = Duration::from_mins(1);
    let daemon = daemon::start_with(&app.remat, backend, &settings).await;
    wait_until("two jobs are buried", async || redis.ask(&["ZCARD", "dead"]).await == "2").await;
    wait_until("the queue is empty", async || redis.ask(&["LLEN", "queue:views"]).await == "0").await;
    let runs = "select count(*) from remat.runs where request_key is not null";
    wait_until("the run has ended", async || {
        app.count(&format!("{runs} and status = '{}'", Status::Success)).await == 1
    })
    .await;
    assert_eq!(app.count(runs).await, 1, "the same job twice is one run");
    daemon.drain().await;
}
