//! Brokers that forget everything, die and come back under load.

use std::time::Duration;

use remat::{
    backend::{self, BackendSettings},
    job::JobKind,
};
use remat_testkit::{OwnRabbitNode, RedisServer};
use serde_json::json;

use crate::{
    chance::{Chance, size},
    invariants,
    process::{Orders, Process},
    world::{STRATEGIES, World},
};

struct Load {
    world: World,
    fleet: Vec<Process>,
    kind: &'static str,
    url: String,
}

impl Load {
    async fn start(kind: &'static str, url: &str) -> Self {
        let world = World::new().await;
        world.execute("update pace set ms = 30").await;
        world.ticking(3).await;
        let mut fleet = Vec::new();
        for n in 0..2 {
            let broker = Some((kind.to_owned(), url.to_owned()));
            let orders = Orders { broker, ..Orders::new(&world.url, &format!("w{n}")) };
            fleet.push(Process::ready(&world, &orders).await);
        }
        Self { world, fleet, kind, url: url.into() }
    }

    /// Asks for refreshes as an application does, whatever becomes of the broker.
    async fn ask(&self, times: usize) -> Vec<i64> {
        let settings = BackendSettings { kind: self.kind.into(), url: Some(self.url.clone()), prefix: None };
        let backend = backend::connect(&settings).await.unwrap();
        let mut chance = Chance::of(self.kind);
        let mut promised = Vec::new();
        for _ in 0..times {
            let view = json!(STRATEGIES[chance.below(STRATEGIES.len())].as_str());
            let asked = self.world.remat.enqueue(&*backend, JobKind::Refresh, None, &[view]).await;
            promised.push(asked.unwrap().run_id);
            tokio::time::sleep(chance.millis(40)).await;
        }
        promised
    }

    async fn end(self, promised: &[i64]) {
        self.world.end(self.fleet, promised).await;
        invariants::tell(&self.world, self.kind).await;
    }
}

async fn redis(kind: &'static str) {
    let mut redis = RedisServer::start().await;
    let load = Load::start(kind, &redis.url()).await;
    let faults = size(4, 60);
    let (promised, ()) = tokio::join!(load.ask(faults * 50), async {
        let mut chance = Chance::of("redis, faults");
        for fault in 0..faults {
            tokio::time::sleep(chance.millis(2000)).await;
            if fault % 2 == 0 {
                assert_eq!(redis.ask(&["flushall"]).await, "OK");
            } else {
                redis.kill().await;
                tokio::time::sleep(chance.millis(500)).await;
                redis.start_again().await;
            }
        }
    });
    load.end(&promised).await;
}

#[tokio::test]
async fn a_redis_that_is_emptied_and_restarted_loses_and_doubles_no_run() {
    redis("redis").await;
}

#[tokio::test]
async fn a_redis_under_sidekiq_that_is_emptied_and_restarted_loses_and_doubles_no_run() {
    redis("sidekiq").await;
}

#[tokio::test]
async fn a_rabbitmq_that_is_killed_and_restarted_loses_and_doubles_no_run() {
    let node = OwnRabbitNode::start(Duration::from_mins(30)).await;
    let load = Load::start("rabbitmq", &node.url()).await;
    let faults = size(1, 20);
    let (promised, ()) = tokio::join!(load.ask(faults * 200), async {
        for _ in 0..faults {
            tokio::time::sleep(Duration::from_secs(1)).await;
            node.kill().await;
            node.start_again().await.unwrap();
        }
    });
    load.end(&promised).await;
}
