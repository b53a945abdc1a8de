//! Jobs in Sidekiq queues, of which none may be lost.

use std::time::Duration;

use remat::{
    backend::{EarState, Heard, Request},
    error::ErrorKind,
};
use remat_testkit::{RedisServer, wait_until};
use serde_json::{Value, json};

use crate::worker::{Worker, hint, hints, open};

const MOMENT: Duration = Duration::from_millis(300);
/// More than one look at the broker takes.
const SOON: Duration = Duration::from_secs(3);

async fn push(server: &RedisServer, queue: &str, job: &str) {
    server.ask(&["lpush", &format!("queue:{queue}"), job]).await;
}

fn job(jid: &str) -> String {
    json!({"class": "MatViews::RefreshViewJob", "args": [7], "jid": jid, "queue": "views"}).to_string()
}

fn request(jid: &str) -> Heard {
    Heard::Request(Request {
        job: "MatViews::RefreshViewJob".into(),
        arguments: vec![json!(7)],
        queue: "views".into(),
        key: format!("sidekiq:{jid}"),
    })
}

/// All that the back end keeps of its own: nothing, when nothing is under way.
async fn taken(server: &RedisServer) -> String {
    server.ask(&["keys", "remat:taken*"]).await
}

#[tokio::test]
async fn announced_runs_are_heard_and_leave_nothing_behind() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    backend.announce(&hints(1..=50, "views")).await.unwrap();
    let mut worker = Worker::listen(&backend, &["views"]);
    assert_eq!(worker.runs(50).await, (1..=50).collect::<Vec<_>>());
    worker.hears_nothing_for(MOMENT).await;
    assert_eq!(taken(&server).await, "");
    assert_eq!(server.ask(&["smembers", "queues"]).await, "views");
}

#[tokio::test]
async fn job_that_somebody_pushed_is_heard_in_the_words_of_its_sender() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    let mut worker = Worker::listen(&backend, &["others", "views", "more"]);
    worker.hears_nothing_for(MOMENT).await;
    push(&server, "views", &job("one")).await;
    assert_eq!(worker.next().await, request("one"));
    push(&server, "views", &job("two")).await;
    assert_eq!(worker.next().await, request("two"));
}

#[tokio::test]
async fn without_queues_only_those_of_remat_are_heard() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    push(&server, "mailers", &job("mail")).await;
    server.ask(&["sadd", "queues", "mailers"]).await;
    let mut worker = Worker::listen(&backend, &[]);
    backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [1]);
    worker.hears_nothing_for(MOMENT).await;
    assert_eq!(server.ask(&["llen", "queue:mailers"]).await, "1");
}

#[tokio::test]
async fn job_stays_in_redis_until_it_is_safe() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    push(&server, "views", &job("one")).await;
    let mut worker = Worker::listen(&backend, &["views"]);
    let (heard, safe) = worker.hear().await;
    assert_eq!(heard, request("one"));
    assert_eq!(taken(&server).await.lines().count(), 2);
    safe.send(()).unwrap();
    wait_until("the job is forgotten", async || taken(&server).await.is_empty()).await;
}

#[tokio::test]
async fn jobs_of_a_dead_listener_are_heard_by_another_in_their_order() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    push(&server, "views", &job("one")).await;
    push(&server, "views", &job("two")).await;
    let mut first = Worker::listen(&backend, &["views"]);
    assert_eq!(first.hear().await.0, request("one"));
    first.die();
    let mut second = Worker::listen(&backend, &["views"]);
    assert_eq!(second.next().await, request("two"));
    // Rather than wait until the sign of life expires.
    let sign = server.ask(&["keys", "remat:alive:*"]).await;
    for sign in sign.lines() {
        server.ask(&["del", sign]).await;
    }
    assert_eq!(second.next().await, request("one"));
    wait_until("nothing is left", async || taken(&server).await.is_empty()).await;
}

#[tokio::test]
async fn listener_that_waits_for_the_table_keeps_its_job() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    push(&server, "views", &job("one")).await;
    let mut first = Worker::listen(&backend, &["views"]);
    let (_, safe) = first.hear().await;
    let sign = server.ask(&["keys", "remat:alive:*"]).await;
    assert_eq!(server.ask(&["expire", &sign, "7"]).await, "1");
    let extended = async || server.ask(&["ttl", &sign]).await.parse::<i64>().is_ok_and(|ttl| ttl > 7);
    wait_until("the sign of life is given again", extended).await;
    safe.send(()).unwrap();
    wait_until("the job is forgotten", async || taken(&server).await.is_empty()).await;
}

#[tokio::test]
async fn worker_that_stops_puts_its_job_back() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    push(&server, "views", &job("one")).await;
    let mut worker = Worker::listen(&backend, &["views"]);
    let (_, unsaid) = worker.hear().await;
    worker.is(EarState::Closed);
    drop(unsaid);
    worker.ended_within(SOON).await.unwrap();
    assert_eq!(server.ask(&["lrange", "queue:views", "0", "-1"]).await, job("one"));
    assert_eq!(taken(&server).await, "");
    let mut idle = Worker::listen(&backend, &["others"]);
    idle.hears_nothing_for(MOMENT).await;
    idle.is(EarState::Closed);
    idle.ended_within(SOON).await.unwrap();
}

#[tokio::test]
async fn worker_that_fails_to_store_a_job_ends_listening_and_the_job_is_heard_again() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    push(&server, "views", &job("one")).await;
    let mut worker = Worker::listen(&backend, &["views"]);
    drop(worker.hear().await);
    assert_eq!(worker.ended_within(SOON).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(Worker::listen(&backend, &["views"]).next().await, request("one"));
}

#[tokio::test]
async fn busy_worker_takes_nothing() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    let mut first = Worker::listen(&backend, &["views"]);
    first.hears_nothing_for(MOMENT).await;
    first.is(EarState::Busy);
    push(&server, "views", &job("one")).await;
    first.hears_nothing_for(MOMENT).await;
    assert_eq!(server.ask(&["llen", "queue:views"]).await, "1");
    assert_eq!(Worker::listen(&backend, &["views"]).next().await, request("one"));
}

#[tokio::test]
async fn job_that_cannot_be_read_dies_with_its_complaint_and_holds_nothing_up() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    push(&server, "views", "{ half").await;
    push(&server, "views", r#"{"class":"A","args":"none","jid":"abc"}"#).await;
    push(&server, "views", &job("one")).await;
    let mut worker = Worker::listen(&backend, &["views"]);
    assert_eq!(worker.next().await, request("one"));
    wait_until("the jobs are forgotten", async || taken(&server).await.is_empty()).await;
    let dead = server.ask(&["zrange", "dead", "0", "-1"]).await;
    let dead: Vec<Value> = dead.lines().map(|job| serde_json::from_str(job).unwrap()).collect();
    assert_eq!(dead.len(), 2);
    assert_eq!(dead[0]["args"], json!(["{ half"]));
    assert_eq!((&dead[1]["jid"], &dead[1]["args"]), (&json!("abc"), &json!("none")));
    let message = dead[1]["error_message"].as_str().unwrap();
    assert_eq!(message, "remat cannot read this job: \"args\" is no array");
    assert_eq!(server.ask(&["llen", "queue:views"]).await, "0");
}

#[tokio::test]
async fn killed_redis_ends_listening_and_is_used_again_when_it_is_back() {
    let mut server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    let mut worker = Worker::listen(&backend, &["views", "others"]);
    worker.hears_nothing_for(MOMENT).await;
    server.kill().await;
    assert_eq!(worker.ended_within(SOON).await.unwrap_err().kind(), ErrorKind::Connection);
    assert_eq!(backend.announce(&[hint(2, "views")]).await.unwrap_err().kind(), ErrorKind::Connection);
    server.start_again().await;
    let mut worker = Worker::listen(&backend, &["views", "others"]);
    backend.announce(&[hint(3, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [3]);
}

#[tokio::test]
async fn emptied_redis_does_not_stop_a_listener() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    let mut worker = Worker::listen(&backend, &["views"]);
    backend.announce(&[hint(1, "views")]).await.unwrap();
    let (_, safe) = worker.hear().await;
    server.ask(&["flushall"]).await;
    server.ask(&["script", "flush"]).await;
    safe.send(()).unwrap();
    backend.announce(&[hint(2, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [2]);
}
