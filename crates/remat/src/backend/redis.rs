//! Wake-ups through Redis: a sorted set of waiting hints per queue.
//!
//! Law: a hint is in its set once, however often it was announced, so announcing again while nobody listens
//! does not make the set grow. Whoever pops a hint has it alone; if it dies then, the hint is lost, and a worker finds
//! the run when it looks by itself.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use redis::{Pipeline, aio::MultiplexedConnection};

use super::{
    Ear, EarState, GRACE, Heard, Hint, JobBackend, redis_link::LOOK_SECONDS, redis_link::Link, unheard,
};
use crate::error::{Error, ErrorKind};

/// Redis as a back end.
pub struct RedisBackend {
    link: Link,
    prefix: String,
}

/// What was popped: the set, the hint as it was written, and its place in the set.
type Popped = (String, Vec<u8>, f64);

impl RedisBackend {
    /// Connects; `prefix` (`remat` without one) keeps several programs on one Redis apart.
    pub async fn connect(url: &str, prefix: Option<&str>) -> Result<Self, Error> {
        Ok(Self { link: Link::connect(url).await?, prefix: prefix.unwrap_or("remat").to_owned() })
    }

    fn key(&self, queue: &str) -> String {
        format!("{}:queue:{queue}", self.prefix)
    }

    /// The set of all queues that anybody announced for.
    fn known(&self) -> String {
        format!("{}:queues", self.prefix)
    }

    fn announcement(&self, hints: &[Hint]) -> Result<Pipeline, Error> {
        let mut commands = redis::pipe();
        let now = Timestamp::now().as_microsecond();
        for (place, hint) in (now..).zip(hints) {
            let text = serde_json::to_vec(hint).map_err(|error| {
                Error::new(ErrorKind::InvalidDefinition, format!("a hint cannot be written: {error}"))
            })?;
            commands.sadd(self.known(), &hint.queue).ignore();
            // NX: what waits already keeps its place.
            commands.cmd("ZADD").arg(self.key(&hint.queue)).arg("NX").arg(place).arg(text).ignore();
        }
        Ok(commands)
    }

    /// The sets to look into, beginning with another one each time: the server serves the first that is not empty.
    async fn keys(
        &self,
        session: &mut MultiplexedConnection,
        queues: &[String],
        turn: usize,
    ) -> Result<Vec<String>, Error> {
        let mut queues = queues.to_vec();
        if queues.is_empty() {
            let known = redis::cmd("SMEMBERS").arg(self.known()).query_async(session).await;
            queues = known.map_err(|error| self.link.failed(&error))?;
            queues.sort();
        }
        let first = turn % queues.len().max(1);
        queues.rotate_left(first);
        Ok(queues.iter().map(|queue| self.key(queue)).collect())
    }

    async fn pop(
        &self,
        session: &mut MultiplexedConnection,
        keys: &[String],
    ) -> Result<Option<Popped>, Error> {
        let mut look = redis::cmd("BZPOPMIN");
        look.arg(keys).arg(LOOK_SECONDS);
        look.query_async(session).await.map_err(|error| self.link.failed(&error))
    }

    /// Hands a hint to the worker, or puts it back for another one.
    async fn pass_on(&self, popped: Popped, ear: &Ear) -> Result<(), Error> {
        let Ok(hint) = serde_json::from_slice(&popped.1) else {
            tracing::warn!(key = popped.0, "dropped a message that is no hint of remat");
            return Ok(());
        };
        if ear.room_within(GRACE).await != EarState::Open {
            return self.put_back(&popped).await;
        }
        match ear.hear(Heard::Hint(hint)).await {
            Ok(_) => Ok(()),
            Err(error) => {
                self.put_back(&popped).await?;
                unheard(error, ear).await
            }
        }
    }

    async fn put_back(&self, (key, text, place): &Popped) -> Result<(), Error> {
        let mut commands = redis::pipe();
        commands.cmd("ZADD").arg(key).arg("NX").arg(*place).arg(text).ignore();
        self.link.send(&commands).await
    }
}

impl JobBackend for RedisBackend {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn announce<'a>(&'a self, hints: &'a [Hint]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async {
            if hints.is_empty() {
                return Ok(());
            }
            self.link.send(&self.announcement(hints)?).await
        })
    }

    fn listen<'a>(&'a self, queues: &'a [String], ear: &'a Ear) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async {
            let mut session = self.link.session().await?;
            ear.is_reached();
            let mut turn = 0;
            while ear.ready().await {
                let keys = self.keys(&mut session, queues, turn).await?;
                turn = turn.wrapping_add(1);
                if keys.is_empty() {
                    // Nobody has announced anything yet.
                    let _ = tokio::time::timeout(Duration::from_secs_f64(LOOK_SECONDS), ear.closed()).await;
                } else if let Some(popped) = self.pop(&mut session, &keys).await? {
                    self.pass_on(popped, ear).await?;
                }
            }
            Ok(())
        })
    }
}
