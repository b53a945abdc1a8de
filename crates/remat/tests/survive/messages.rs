//! A back end that loses, doubles and reorders what it carries.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use remat::{
    Remat,
    backend::{Ear, Heard, Hint, JobBackend},
    daemon::Daemon,
    error::Error,
    job::JobKind,
    pg::Target,
    service::Stop,
};
use serde_json::json;
use tokio::sync::{broadcast, watch};

use crate::{
    chance::{Chance, size},
    invariants,
    process::settings,
    world::{STRATEGIES, World},
};

/// Carries hints within this process, badly.
struct Unreliable {
    hints: broadcast::Sender<Hint>,
    chance: Mutex<Chance>,
}

impl Unreliable {
    /// How often a hint is delivered, and how late each time.
    fn fate(&self) -> Vec<Duration> {
        let mut chance = self.chance.lock().unwrap();
        let times = match chance.below(100) {
            0..10 => 0,
            10..30 => 2,
            _ => 1,
        };
        (0..times).map(|_| if chance.percent(20) { chance.millis(1500) } else { Duration::ZERO }).collect()
    }
}

impl JobBackend for Unreliable {
    fn kind(&self) -> &'static str {
        "unreliable"
    }

    fn announce<'a>(&'a self, hints: &'a [Hint]) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            for hint in hints {
                for late in self.fate() {
                    let (hints, hint) = (self.hints.clone(), hint.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep(late).await;
                        // Nobody may be listening.
                        let _ = hints.send(hint);
                    });
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn listen<'a>(&'a self, _queues: &'a [String], ear: &'a Ear) -> BoxFuture<'a, Result<(), Error>> {
        async {
            let mut hints = self.hints.subscribe();
            ear.is_reached();
            while ear.ready().await {
                let heard = tokio::select! {
                    () = ear.closed() => break,
                    heard = hints.recv() => heard,
                };
                // What came too fast to be kept is lost as well.
                if let Ok(hint) = heard {
                    ear.hear(Heard::Hint(hint)).await?;
                }
            }
            Ok(())
        }
        .boxed()
    }
}

#[tokio::test]
async fn messages_that_are_lost_doubled_and_late_lose_and_double_no_run() {
    let world = World::new().await;
    world.execute("update pace set ms = 20").await;
    world.ticking(5).await;
    let backend = Arc::new(Unreliable {
        hints: broadcast::Sender::new(16),
        chance: Mutex::new(Chance::of("messages")),
    });
    let mut daemons = Vec::new();
    for n in 0..3 {
        let remat = Remat::connect(Target::resolve(Some(&world.url), &|_| None).unwrap()).await.unwrap();
        let settings = settings(&format!("w{n}"), 3, true);
        let daemon =
            Daemon::prepare(&remat, Arc::clone(&backend) as Arc<dyn JobBackend>, &settings).await.unwrap();
        let (stop, told) = watch::channel(Stop::No);
        daemons.push((stop, tokio::spawn(daemon.run(told))));
    }
    let mut chance = Chance::of("messages, asking");
    let mut promised = Vec::new();
    for _ in 0..size(200, 5000) {
        let view = json!(STRATEGIES[chance.below(STRATEGIES.len())].as_str());
        promised.push(world.remat.enqueue(&*backend, JobKind::Refresh, None, &[view]).await.unwrap().run_id);
        tokio::time::sleep(chance.millis(30)).await;
    }
    world.settle().await;
    for (stop, ended) in daemons {
        stop.send_replace(Stop::Drain);
        ended.await.unwrap().unwrap();
    }
    invariants::check(&world, &promised).await;
    invariants::tell(&world, "messages").await;
}
