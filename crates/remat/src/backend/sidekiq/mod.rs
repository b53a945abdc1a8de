//! Wake-ups through Sidekiq's queues, and jobs that Ruby programs push there.
//!
//! Law: a job that somebody else pushed has no row yet, so the message must not be lost. It is moved, never popped: into a
//! list of this listener, and out of that only when it is safe in the table. A listener that dies leaves a list without
//! a sign of life; whoever listens then puts its jobs back. So a job may be heard twice, and its key tells. One that
//! nobody can read goes to Sidekiq's dead set, where Sidekiq's pages show it.

mod payload;
mod takings;

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use redis::Pipeline;

use super::{Ear, Hint, JobBackend, redis_link::Link};
use crate::error::Error;
use takings::Takings;

/// Sidekiq's Redis as a back end.
pub struct SidekiqBackend {
    link: Link,
    prefix: String,
}

impl SidekiqBackend {
    /// Connects; `prefix` is the namespace of a Sidekiq that has one.
    pub async fn connect(url: &str, prefix: Option<&str>) -> Result<Self, Error> {
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).map(|prefix| format!("{prefix}:"));
        Ok(Self { link: Link::connect(url).await?, prefix: prefix.unwrap_or_default() })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn queue(&self, queue: &str) -> String {
        format!("{}queue:{queue}", self.prefix)
    }

    /// The queues that remat itself announced for; others hold the jobs of other programs.
    fn known(&self) -> String {
        self.key("remat:queues")
    }

    fn announcement(&self, hints: &[Hint]) -> Pipeline {
        let now = now();
        let mut by_queue: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for hint in hints {
            by_queue.entry(&hint.queue).or_default().push(payload::write(hint, &random_hex(), now));
        }
        let mut commands = redis::pipe();
        for (queue, jobs) in by_queue {
            commands.sadd(self.key("queues"), queue).ignore();
            commands.sadd(self.known(), queue).ignore();
            commands.lpush(self.queue(queue), jobs).ignore();
        }
        commands
    }
}

impl JobBackend for SidekiqBackend {
    fn kind(&self) -> &'static str {
        "sidekiq"
    }

    fn announce<'a>(&'a self, hints: &'a [Hint]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async {
            if hints.is_empty() {
                return Ok(());
            }
            self.link.send(&self.announcement(hints)).await
        })
    }

    fn listen<'a>(&'a self, queues: &'a [String], ear: &'a Ear) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async {
            // Another list for each call: what an earlier one left behind must lose its sign of life.
            let mut takings = Takings::open(self, random_hex()).await?;
            ear.is_reached();
            takings.listen(queues, ear).await
        })
    }
}

/// Sidekiq's times: seconds with a fraction.
fn now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}

/// 24 hexadecimal digits that nobody else has: the standard library seeds each of its hashers at random.
fn random_hex() -> String {
    let random = || RandomState::new().hash_one(());
    format!("{:016x}{:08x}", random(), random() >> 32)
}
