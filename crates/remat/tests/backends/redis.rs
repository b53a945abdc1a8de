//! Wake-ups through Redis; each test has a server of its own.

use std::time::{Duration, Instant};

use remat::{
    backend::{EarState, Heard},
    error::ErrorKind,
};
use remat_testkit::{RedisServer, TcpProxy};

use crate::worker::{Worker, hint, hints, open, refused};

const MOMENT: Duration = Duration::from_millis(300);
/// More than one look at the broker takes.
const SOON: Duration = Duration::from_secs(3);
/// More than a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn announced_runs_are_heard_once_each() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    backend.announce(&hints(1..=50, "views")).await.unwrap();
    let mut worker = Worker::listen(&backend, &["views"]);
    assert_eq!(worker.runs(50).await, (1..=50).collect::<Vec<_>>());
    worker.hears_nothing_for(MOMENT).await;
}

#[tokio::test]
async fn run_announced_again_waits_once_and_keeps_its_place() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    backend.announce(&[hint(7, "views"), hint(8, "views")]).await.unwrap();
    backend.announce(&[hint(7, "views")]).await.unwrap();
    let mut worker = Worker::listen(&backend, &["views"]);
    assert_eq!(worker.next().await, Heard::Hint(hint(7, "views")));
    assert_eq!(worker.next().await, Heard::Hint(hint(8, "views")));
    worker.hears_nothing_for(MOMENT).await;
}

#[tokio::test]
async fn listener_hears_its_queues_only_and_without_queues_all() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    let mut some = Worker::listen(&backend, &["a", "b"]);
    backend.announce(&[hint(1, "a"), hint(2, "b"), hint(3, "c")]).await.unwrap();
    assert_eq!(some.runs(2).await, [1, 2]);
    some.hears_nothing_for(MOMENT).await;
    let mut all = Worker::listen(&backend, &[]);
    assert_eq!(all.runs(1).await, [3]);
    backend.announce(&[hint(4, "d")]).await.unwrap();
    assert_eq!(all.runs(1).await, [4]);
}

#[tokio::test]
async fn busy_queue_does_not_starve_the_other() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    backend.announce(&hints(1..=100, "busy")).await.unwrap();
    backend.announce(&[hint(1000, "other")]).await.unwrap();
    let mut worker = Worker::listen(&backend, &["busy", "other"]);
    assert!(worker.runs(2).await.contains(&1000));
}

#[tokio::test]
async fn busy_worker_leaves_runs_to_another() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    let mut first = Worker::listen(&backend, &["views"]);
    backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(first.runs(1).await, [1]);
    // The first is waiting at the broker by now, or will be; it gives back what it gets.
    first.is(EarState::Busy);
    backend.announce(&[hint(2, "views")]).await.unwrap();
    first.hears_nothing_for(MOMENT).await;
    let mut second = Worker::listen(&backend, &["views"]);
    assert_eq!(second.runs(1).await, [2]);
    second.is(EarState::Busy);
    first.is(EarState::Open);
    backend.announce(&[hint(3, "views")]).await.unwrap();
    assert_eq!(first.runs(1).await, [3]);
}

#[tokio::test]
async fn worker_that_stops_ends_listening_and_loses_nothing() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    let mut idle = Worker::listen(&backend, &["views"]);
    let mut waiting = Worker::listen(&backend, &[]);
    idle.is(EarState::Closed);
    waiting.is(EarState::Closed);
    idle.ended_within(SOON).await.unwrap();
    waiting.ended_within(SOON).await.unwrap();

    let mut stopping = Worker::listen(&backend, &["views"]);
    backend.announce(&[hint(1, "views")]).await.unwrap();
    let (_, unsaid) = stopping.hear().await;
    stopping.is(EarState::Closed);
    drop(unsaid);
    stopping.ended_within(SOON).await.unwrap();
    assert_eq!(Worker::listen(&backend, &["views"]).runs(1).await, [1]);
}

#[tokio::test]
async fn killed_redis_ends_listening_and_is_used_again_when_it_is_back() {
    let mut server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    backend.announce(&[hint(1, "views")]).await.unwrap();
    let mut worker = Worker::listen(&backend, &["views"]);
    assert_eq!(worker.runs(1).await, [1]);
    server.kill().await;
    let error = worker.ended_within(SOON).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    let error = backend.announce(&[hint(2, "views")]).await.unwrap_err();
    assert!(error.to_string().starts_with("could not connect to Redis at 127.0.0.1:"), "{error}");

    server.start_again().await;
    let mut worker = Worker::listen(&backend, &["views"]);
    backend.announce(&[hint(3, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [3]);
}

#[tokio::test]
async fn restart_that_nobody_noticed_does_not_fail_an_announcement() {
    let mut server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    server.kill().await;
    server.start_again().await;
    backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(Worker::listen(&backend, &["views"]).runs(1).await, [1]);
}

#[tokio::test]
async fn emptied_redis_loses_hints_and_nothing_else() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    let mut worker = Worker::listen(&backend, &[]);
    backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [1]);
    worker.is(EarState::Busy);
    backend.announce(&[hint(2, "views")]).await.unwrap();
    server.ask(&["flushall"]).await;
    worker.is(EarState::Open);
    worker.hears_nothing_for(MOMENT).await;
    backend.announce(&[hint(2, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [2]);
}

#[tokio::test]
async fn message_that_is_no_hint_is_dropped_and_the_next_is_heard() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    server.ask(&["zadd", "remat:queue:views", "1", "{ half"]).await;
    backend.announce(&[hint(1, "views")]).await.unwrap();
    let mut worker = Worker::listen(&backend, &["views"]);
    assert_eq!(worker.runs(1).await, [1]);
    assert_eq!(server.ask(&["zcard", "remat:queue:views"]).await, "0");
}

#[tokio::test]
async fn key_of_another_program_is_a_clear_error() {
    let server = RedisServer::start().await;
    let backend = open("redis", &server.url()).await;
    server.ask(&["set", "remat:queue:views", "mine"]).await;
    let error = backend.announce(&[hint(1, "views")]).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    let error = Worker::listen(&backend, &["views"]).ended_within(SOON).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    backend.announce(&[hint(1, "others")]).await.unwrap();
}

#[tokio::test]
async fn redis_that_stalls_is_an_error_and_no_hang() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::start(server.port()).await;
    let url = format!("redis://127.0.0.1:{}/0", proxy.port());
    for kind in ["redis", "sidekiq"] {
        let backend = open(kind, &url).await;
        let mut worker = Worker::listen(&backend, &["views"]);
        backend.announce(&[hint(1, "views")]).await.unwrap();
        assert_eq!(worker.runs(1).await, [1]);
        proxy.blackhole();
        let began = Instant::now();
        let (listening, announcing, connecting) = tokio::join!(
            worker.ended_within(PATIENCE),
            async { backend.announce(&[hint(2, "views")]).await },
            refused(kind, &url),
        );
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        for error in [listening.unwrap_err(), announcing.unwrap_err(), connecting] {
            assert_eq!(error.kind(), ErrorKind::Connection);
        }
        // A session that swallows what it gets is not used again.
        proxy.heal();
        backend.announce(&[hint(3, "views")]).await.unwrap();
        assert!(Worker::listen(&backend, &["views"]).runs(1).await == [3]);
    }
}

#[tokio::test]
async fn wrong_or_missing_password_is_told_without_it() {
    let server = RedisServer::start_with_password("hunter2").await;
    let port = server.port();
    open("redis", &format!("redis://:hunter2@127.0.0.1:{port}/0")).await;
    for kind in ["redis", "sidekiq"] {
        let wrong = refused(kind, &format!("redis://:hunter3@127.0.0.1:{port}/0")).await;
        assert!(wrong.kind() == ErrorKind::Connection && !wrong.to_string().contains("hunter"), "{wrong}");
        let missing = refused(kind, &server.url()).await;
        assert!(missing.to_string().contains("NOAUTH"), "{missing}");
    }
}
