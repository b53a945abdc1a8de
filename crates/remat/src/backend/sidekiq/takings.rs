//! One listener's jobs between queue and table.

use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _, select_all};
use redis::{RedisResult, Script, ScriptInvocation, aio::MultiplexedConnection};

use super::{SidekiqBackend, now, payload};
use crate::{
    backend::{Ear, redis_link::LOOK_SECONDS, unheard},
    error::Error,
};

/// How long a list is left alone after its listener gave its last sign of life.
const LIFE_SECONDS: u64 = 15;

/// How often a listener that waits for the table gives one.
const BEAT: Duration = Duration::from_secs(5);

/// How often lists of dead listeners are looked for.
const SEARCH: Duration = Duration::from_secs(5);

/// How long Sidekiq keeps the dead: six months.
const DEAD_SECONDS: f64 = 180.0 * 24.0 * 60.0 * 60.0;

/// A listener.
pub(super) struct Takings<'a> {
    backend: &'a SidekiqBackend,
    /// What tells its list from others.
    token: String,
    session: MultiplexedConnection,
    looks: Looks,
    searched: Option<Instant>,
    turn: usize,
    take: Script,
    done: Script,
    give_back: Script,
}

/// A job in the list.
struct Taken {
    queue: String,
    text: Vec<u8>,
}

/// Commands that wait until a queue has something and leave it there: a job is moved from the tail to the tail of the
/// same list. One waits per session, and goes on waiting while another queue's job is passed on.
#[derive(Default)]
struct Looks {
    waiting: Vec<Look>,
    idle: Vec<(String, MultiplexedConnection)>,
    keys: Vec<String>,
}

type Look = BoxFuture<'static, (String, MultiplexedConnection, RedisResult<()>)>;

impl<'a> Takings<'a> {
    pub(super) async fn open(backend: &'a SidekiqBackend, token: String) -> Result<Self, Error> {
        Ok(Self {
            backend,
            token,
            session: backend.link.session().await?,
            looks: Looks::default(),
            searched: None,
            turn: 0,
            take: Script::new(include_str!("take.lua")),
            done: Script::new(include_str!("done.lua")),
            give_back: Script::new(include_str!("give_back.lua")),
        })
    }

    pub(super) async fn listen(&mut self, queues: &[String], ear: &Ear) -> Result<(), Error> {
        while ear.ready().await {
            self.search().await?;
            let queues = self.queues(queues).await?;
            if let Some(taken) = self.take(&queues).await? {
                self.pass_on(taken, ear).await?;
                continue;
            }
            tokio::select! {
                () = ear.closed() => {}
                waited = self.wait(&queues) => waited?,
            }
        }
        Ok(())
    }

    /// The queues to take from, each first in its turn.
    async fn queues(&mut self, named: &[String]) -> Result<Vec<String>, Error> {
        let mut queues = named.to_vec();
        if queues.is_empty() {
            let known = redis::cmd("SMEMBERS").arg(self.backend.known()).query_async(&mut self.session).await;
            queues = known.map_err(|error| self.backend.link.failed(&error))?;
        }
        let first = self.turn % queues.len().max(1);
        self.turn = self.turn.wrapping_add(1);
        queues.rotate_left(first);
        Ok(queues)
    }

    async fn take(&mut self, queues: &[String]) -> Result<Option<Taken>, Error> {
        let mut call = self.take.prepare_invoke();
        call.key(self.sign_of_life(&self.token)).key(self.lists()).arg(LIFE_SECONDS);
        for queue in queues {
            call.key(self.backend.queue(queue))
                .key(self.list(&self.token, queue))
                .arg(name(&self.token, queue));
        }
        let taken: Option<(usize, Vec<u8>)> = invoke(self.backend, &mut self.session, &call).await?;
        Ok(taken.map(|(index, text)| Taken { queue: queues[index].clone(), text }))
    }

    /// Hands a job to the worker and forgets it; buries one that cannot be read.
    async fn pass_on(&mut self, taken: Taken, ear: &Ear) -> Result<(), Error> {
        let heard = match payload::read(&taken.text, &taken.queue) {
            Ok(heard) => heard,
            Err(why) => return self.bury(&taken, &why).await,
        };
        let mut hearing = Box::pin(ear.hear(heard));
        let heard = loop {
            tokio::select! {
                heard = &mut hearing => break heard,
                () = tokio::time::sleep(BEAT) => self.live().await?,
            }
        };
        if let Err(error) = heard {
            self.hand_back(&taken.queue).await?;
            return unheard(error, ear).await;
        }
        let mut call = self.done.prepare_invoke();
        self.about(&mut call, &taken);
        invoke(self.backend, &mut self.session, &call).await
    }

    async fn bury(&mut self, taken: &Taken, why: &str) -> Result<(), Error> {
        tracing::warn!(queue = taken.queue, why, "moved a job that cannot be read to Sidekiq's dead set");
        let now = now();
        let mut call = self.done.prepare_invoke();
        self.about(&mut call, taken);
        call.arg(now).arg(now - DEAD_SECONDS).arg(payload::dead(&taken.text, &taken.queue, why, now));
        invoke(self.backend, &mut self.session, &call).await
    }

    fn about(&self, call: &mut ScriptInvocation<'_>, taken: &Taken) {
        call.key(self.list(&self.token, &taken.queue)).key(self.lists()).key(self.backend.key("dead"));
        call.arg(&taken.text[..]).arg(name(&self.token, &taken.queue));
    }

    async fn live(&mut self) -> Result<(), Error> {
        let mut beat = redis::cmd("SET");
        beat.arg(self.sign_of_life(&self.token)).arg(1).arg("EX").arg(LIFE_SECONDS);
        let beaten = beat.query_async(&mut self.session).await;
        beaten.map_err(|error| self.backend.link.failed(&error))
    }

    /// Puts back what this listener took.
    async fn hand_back(&mut self, queue: &str) -> Result<(), Error> {
        let gone = redis::cmd("DEL").arg(self.sign_of_life(&self.token)).exec_async(&mut self.session).await;
        gone.map_err(|error| self.backend.link.failed(&error))?;
        self.restore(&self.token.clone(), queue).await.map(drop)
    }

    /// Now and then, puts back what dead listeners took.
    async fn search(&mut self) -> Result<(), Error> {
        if self.searched.is_some_and(|searched| searched.elapsed() < SEARCH) {
            return Ok(());
        }
        self.searched = Some(Instant::now());
        let names = redis::cmd("SMEMBERS").arg(self.lists()).query_async(&mut self.session).await;
        let names: Vec<String> = names.map_err(|error| self.backend.link.failed(&error))?;
        for (token, queue) in names.iter().filter_map(|name| name.split_once(':')) {
            let count = self.restore(token, queue).await?;
            if count > 0 {
                tracing::warn!(queue, count, "put back the jobs of a listener that is gone");
            }
        }
        Ok(())
    }

    async fn restore(&mut self, token: &str, queue: &str) -> Result<u64, Error> {
        let mut call = self.give_back.prepare_invoke();
        call.key(self.sign_of_life(token)).key(self.list(token, queue)).key(self.backend.queue(queue));
        call.key(self.lists()).arg(name(token, queue));
        invoke(self.backend, &mut self.session, &call).await
    }

    /// Waits until one of the queues has something, or for a moment.
    async fn wait(&mut self, queues: &[String]) -> Result<(), Error> {
        if queues.is_empty() {
            tokio::time::sleep(Duration::from_secs_f64(LOOK_SECONDS)).await;
            return Ok(());
        }
        let keys: Vec<String> = queues.iter().map(|queue| self.backend.queue(queue)).collect();
        for key in keys {
            if !self.looks.keys.contains(&key) {
                let session = self.backend.link.session().await?;
                self.looks.keys.push(key.clone());
                self.looks.idle.push((key, session));
            }
        }
        self.looks.first().await.map_err(|error| self.backend.link.failed(&error))
    }

    fn sign_of_life(&self, token: &str) -> String {
        self.backend.key(&format!("remat:alive:{token}"))
    }

    fn lists(&self) -> String {
        self.backend.key("remat:taken")
    }

    fn list(&self, token: &str, queue: &str) -> String {
        self.backend.key(&format!("remat:taken:{}", name(token, queue)))
    }
}

impl Looks {
    /// Waits for the first answer, and keeps the others waiting.
    async fn first(&mut self) -> RedisResult<()> {
        let idle = std::mem::take(&mut self.idle);
        self.waiting.extend(idle.into_iter().map(|(key, session)| look(key, session)));
        // Polled in place: were this future dropped, the looks would wait on.
        let ((key, session, answer), at, _) = select_all(self.waiting.iter_mut()).await;
        drop(self.waiting.swap_remove(at));
        self.idle.push((key, session));
        answer
    }
}

fn look(key: String, mut session: MultiplexedConnection) -> Look {
    async move {
        let mut command = redis::cmd("BLMOVE");
        command.arg(&key).arg(&key).arg("RIGHT").arg("RIGHT").arg(LOOK_SECONDS);
        let answer: RedisResult<redis::Value> = command.query_async(&mut session).await;
        (key, session, answer.map(drop))
    }
    .boxed()
}

/// The name of a listener's list for a queue.
fn name(token: &str, queue: &str) -> String {
    format!("{token}:{queue}")
}

async fn invoke<T: redis::FromRedisValue>(
    backend: &SidekiqBackend,
    session: &mut MultiplexedConnection,
    call: &ScriptInvocation<'_>,
) -> Result<T, Error> {
    call.invoke_async(session).await.map_err(|error| backend.link.failed(&error))
}
