//! Wake-ups through RabbitMQ: a shared node, and nodes that are killed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use remat::{
    backend::{BackendSettings, EarState, JobBackend, connect},
    error::ErrorKind,
};
use remat_testkit::{OwnRabbitNode, Servers, TcpProxy, wait_until};

use crate::worker::{Worker, hint, hints, refused};

const MOMENT: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(3);
/// More than a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// A corner of a node: queues that no other test uses, and a way into them without remat.
struct Corner {
    prefix: String,
    backend: Arc<dyn JobBackend>,
    channel: Channel,
    _connection: Connection,
}

impl Corner {
    async fn open() -> Self {
        Self::on(&Servers::read().rabbitmq_url()).await
    }

    async fn on(url: &str) -> Self {
        let since = std::time::UNIX_EPOCH.elapsed().expect("a clock of this century").as_nanos();
        let prefix = format!("test-{}-{since}", std::process::id());
        let backend = open(url, &prefix).await;
        let connection = Connection::connect(url, ConnectionProperties::default()).await;
        let connection = connection.expect("the node takes clients");
        let channel = connection.create_channel().await.expect("a new connection has channels");
        Self { prefix, backend, channel, _connection: connection }
    }

    fn queue(&self, queue: &str) -> String {
        format!("{}.{queue}", self.prefix)
    }

    /// How many messages wait.
    async fn depth(&self, queue: &str) -> u32 {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let name = self.queue(queue);
        let found = self.channel.queue_declare(name.as_str().into(), passive, FieldTable::default()).await;
        found.expect("remat made the queue").message_count()
    }
}

async fn open(url: &str, prefix: &str) -> Arc<dyn JobBackend> {
    let settings =
        BackendSettings { kind: "rabbitmq".into(), url: Some(url.into()), prefix: Some(prefix.into()) };
    connect(&settings).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn announced_runs_are_heard_once_each() {
    let corner = Corner::open().await;
    corner.backend.announce(&hints(1..=50, "views")).await.unwrap();
    assert_eq!(corner.depth("views").await, 50);
    let mut worker = Worker::listen(&corner.backend, &["views"]);
    assert_eq!(worker.runs(50).await, (1..=50).collect::<Vec<_>>());
    worker.hears_nothing_for(MOMENT).await;
    assert_eq!(corner.depth("views").await, 0);
}

#[tokio::test]
async fn listener_hears_its_queues_only_and_without_queues_all() {
    let corner = Corner::open().await;
    let mut some = Worker::listen(&corner.backend, &["a", "b"]);
    corner.backend.announce(&[hint(1, "a"), hint(2, "b"), hint(3, "c")]).await.unwrap();
    assert_eq!(some.runs(2).await, [1, 2]);
    some.hears_nothing_for(MOMENT).await;
    // Another process, which has announced nothing and knows no queue.
    let stranger = open(&Servers::read().rabbitmq_url(), &corner.prefix).await;
    let mut all = Worker::listen(&stranger, &[]);
    all.hears_nothing_for(MOMENT).await;
    corner.backend.announce(&[hint(4, "c")]).await.unwrap();
    assert_eq!(all.runs(2).await, [3, 4]);
    corner.backend.announce(&[hint(5, "d")]).await.unwrap();
    assert_eq!(all.runs(1).await, [5]);
    all.hears_nothing_for(MOMENT).await;
}

#[tokio::test]
async fn busy_worker_leaves_runs_to_another() {
    let corner = Corner::open().await;
    let mut first = Worker::listen(&corner.backend, &["views"]);
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(first.runs(1).await, [1]);
    first.is(EarState::Busy);
    // The broker sends it to the first, which gives it back.
    corner.backend.announce(&[hint(2, "views")]).await.unwrap();
    first.hears_nothing_for(MOMENT).await;
    let mut second = Worker::listen(&corner.backend, &["views"]);
    assert_eq!(second.runs(1).await, [2]);
    second.is(EarState::Busy);
    first.is(EarState::Open);
    corner.backend.announce(&[hint(3, "views")]).await.unwrap();
    assert_eq!(first.runs(1).await, [3]);
}

#[tokio::test]
async fn worker_that_stops_ends_listening_and_loses_nothing() {
    let corner = Corner::open().await;
    let mut idle = Worker::listen(&corner.backend, &["others"]);
    idle.hears_nothing_for(MOMENT).await;
    idle.is(EarState::Closed);
    idle.ended_within(SOON).await.unwrap();

    let mut stopping = Worker::listen(&corner.backend, &["views"]);
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
    let (_, unsaid) = stopping.hear().await;
    stopping.is(EarState::Closed);
    drop(unsaid);
    stopping.ended_within(SOON).await.unwrap();
    assert_eq!(Worker::listen(&corner.backend, &["views"]).runs(1).await, [1]);
}

#[tokio::test]
async fn hint_of_a_dead_listener_is_heard_by_another() {
    let corner = Corner::open().await;
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
    let mut first = Worker::listen(&corner.backend, &["views"]);
    first.hear().await;
    first.die();
    assert_eq!(Worker::listen(&corner.backend, &["views"]).runs(1).await, [1]);
}

#[tokio::test]
async fn message_that_is_no_hint_is_rejected_and_the_next_is_heard() {
    let corner = Corner::open().await;
    let mut worker = Worker::listen(&corner.backend, &["views"]);
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [1]);
    let (name, options) = (corner.queue("views"), BasicPublishOptions::default());
    let (exchange, properties) = ("".into(), BasicProperties::default());
    let sent =
        corner.channel.basic_publish(exchange, name.as_str().into(), options, b"{ half", properties).await;
    sent.unwrap().await.unwrap();
    corner.backend.announce(&[hint(2, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [2]);
    wait_until("nothing waits", async || corner.depth("views").await == 0).await;
}

#[tokio::test]
async fn queue_of_another_program_is_a_clear_error_and_others_work_on() {
    let corner = Corner::open().await;
    let (name, options) = (corner.queue("views"), QueueDeclareOptions::default());
    corner.channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await.unwrap();
    let announced = corner.backend.announce(&[hint(1, "views")]).await.unwrap_err();
    let listened = Worker::listen(&corner.backend, &["views"]).ended_within(SOON).await.unwrap_err();
    for error in [announced, listened] {
        assert_eq!(error.kind(), ErrorKind::InvalidSettings);
        let text = error.to_string();
        assert!(text.contains(&name) && text.contains("inequivalent") && text.contains("prefix"), "{text}");
    }
    corner.backend.announce(&[hint(1, "others")]).await.unwrap();
}

#[tokio::test]
async fn deleted_queue_ends_listening_and_is_made_again() {
    let corner = Corner::open().await;
    let mut worker = Worker::listen(&corner.backend, &["views", "others"]);
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [1]);
    let name = corner.queue("views");
    corner.channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let error = worker.ended_within(SOON).await.unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
    corner.backend.announce(&[hint(2, "views")]).await.unwrap();
    assert_eq!(Worker::listen(&corner.backend, &["views"]).runs(1).await, [2]);
}

#[tokio::test]
async fn name_that_is_too_long_for_rabbitmq_is_an_error_and_no_panic() {
    let corner = Corner::open().await;
    let error = corner.backend.announce(&[hint(1, &"v".repeat(300))]).await.unwrap_err();
    assert!(error.to_string().contains("255 bytes"), "{error}");
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
}

#[tokio::test]
async fn wrong_password_is_told_without_it() {
    let url = Servers::read().rabbitmq_url().replace("guest:guest", "guest:hunter2");
    let error = refused("rabbitmq", &url).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    let text = error.to_string();
    assert!(text.contains("ACCESS_REFUSED") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn broker_that_stalls_is_an_error_and_no_hang() {
    let servers = Servers::read();
    let proxy = TcpProxy::start(servers.rabbitmq_port).await;
    let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f?heartbeat=1", proxy.port());
    let corner = Corner::on(&url).await;
    let mut worker = Worker::listen(&corner.backend, &["views"]);
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [1]);
    proxy.blackhole();
    let began = Instant::now();
    let (listening, announcing, connecting) = tokio::join!(
        worker.ended_within(PATIENCE),
        async { corner.backend.announce(&[hint(2, "views")]).await },
        refused("rabbitmq", &url),
    );
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    for error in [listening.unwrap_err(), announcing.unwrap_err(), connecting] {
        assert_eq!(error.kind(), ErrorKind::Connection);
    }
    proxy.heal();
    corner.backend.announce(&[hint(3, "views")]).await.unwrap();
    let mut worker = Worker::listen(&corner.backend, &["views"]);
    // Word that the first was safe may have been swallowed, too; then it comes again.
    while worker.runs(1).await != [3] {}
}

#[tokio::test]
async fn killed_node_ends_listening_and_keeps_what_it_confirmed() {
    let node = OwnRabbitNode::start(Duration::from_mins(30)).await;
    let corner = Corner::on(&node.url()).await;
    let mut worker = Worker::listen(&corner.backend, &["views"]);
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
    assert_eq!(worker.runs(1).await, [1]);
    worker.is(EarState::Busy);
    corner.backend.announce(&hints(2..=5, "views")).await.unwrap();
    worker.hears_nothing_for(MOMENT).await;
    worker.is(EarState::Open);
    let (_, safe) = worker.hear().await;
    node.kill().await;
    let _ = safe.send(());
    assert_eq!(worker.ended_within(PATIENCE).await.unwrap_err().kind(), ErrorKind::Connection);
    assert_eq!(corner.backend.announce(&[hint(6, "views")]).await.unwrap_err().kind(), ErrorKind::Connection);

    node.start_again().await.unwrap();
    corner.backend.announce(&[hint(6, "views")]).await.unwrap();
    let mut worker = Worker::listen(&corner.backend, &["views"]);
    assert_eq!(worker.runs(5).await, [2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn hint_that_waits_too_long_for_the_table_is_heard_again() {
    let node = OwnRabbitNode::start(Duration::from_secs(1)).await;
    let corner = Corner::on(&node.url()).await;
    corner.backend.announce(&[hint(1, "views")]).await.unwrap();
    let mut slow = Worker::listen(&corner.backend, &["views"]);
    let (_, safe) = slow.hear().await;
    let mut second = Worker::listen(&corner.backend, &["views"]);
    assert_eq!(second.runs(1).await, [1]);
    safe.send(()).unwrap();
    let error = slow.ended_within(PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
}
