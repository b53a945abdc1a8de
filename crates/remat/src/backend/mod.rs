//! How a run reaches a worker.
//!
//! Law: the row in `remat.runs` is the truth, and a back end carries only a wake-up. So all back ends have one
//! guarantee, that of the table: a message that is lost, doubled, late or out of order neither loses nor doubles a run,
//! because a worker claims the row by compare-and-set and looks into the table from time to time by itself. A back end is
//! named in the settings; nothing is guessed, and one that cannot be reached is an error that says so.
//!
//! An application adds its own by implementing [`JobBackend`]. This one joins tasks of one process:
//!
//! ```
//! use std::pin::Pin;
//!
//! use remat::{
//!     backend::{Ear, Heard, Hint, JobBackend, Verdict},
//!     error::Error,
//! };
//! use tokio::sync::broadcast;
//!
//! struct InProcess(broadcast::Sender<Hint>);
//!
//! type Work<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;
//!
//! impl JobBackend for InProcess {
//!     fn kind(&self) -> &'static str {
//!         "in-process"
//!     }
//!
//!     fn announce<'a>(&'a self, hints: &'a [Hint]) -> Work<'a> {
//!         Box::pin(async move {
//!             // Nobody may be listening. The row waits until a worker looks by itself.
//!             hints.iter().for_each(|hint| drop(self.0.send(hint.clone())));
//!             Ok(())
//!         })
//!     }
//!
//!     fn listen<'a>(&'a self, queues: &'a [String], ear: &'a Ear) -> Work<'a> {
//!         Box::pin(async move {
//!             let mut hints = self.0.subscribe();
//!             ear.is_reached();
//!             while ear.ready().await {
//!                 let heard = tokio::select! {
//!                     () = ear.closed() => break,
//!                     heard = hints.recv() => heard,
//!                 };
//!                 match heard {
//!                     Ok(hint) if !queues.is_empty() && !queues.contains(&hint.queue) => {}
//!                     Ok(hint) => drop(ear.hear(Heard::Hint(hint)).await?),
//!                     // Hints were lost: which runs wait, the table tells.
//!                     Err(_) => drop(ear.hear(Heard::Something).await?),
//!                 }
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let backend = std::sync::Arc::new(InProcess(broadcast::Sender::new(8)));
//! # let (ear, mut end) = Ear::new();
//! # let listener = std::sync::Arc::clone(&backend);
//! # let listening = tokio::spawn(async move { listener.listen(&["views".to_owned()], &ear).await });
//! # while backend.0.receiver_count() == 0 { tokio::task::yield_now().await; }
//! # let hint = |run_id, queue: &str| Hint { run_id, queue: queue.into() };
//! # backend.announce(&[hint(1, "others"), hint(2, "views")]).await.unwrap();
//! # let (heard, safe) = end.heard.recv().await.unwrap();
//! # assert_eq!(heard, Heard::Hint(hint(2, "views")));
//! # safe.send(Verdict::Safe).unwrap();
//! # end.state.send_replace(remat::backend::EarState::Closed);
//! # listening.await.unwrap().unwrap();
//! # });
//! ```

mod choose;
mod inline;
mod postgres;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_link;
#[cfg(feature = "redis")]
mod sidekiq;

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

pub use choose::{BackendSettings, KINDS, connect};
pub use inline::InlineBackend;
pub use postgres::PostgresBackend;
#[cfg(feature = "rabbitmq")]
pub use rabbitmq::RabbitmqBackend;
#[cfg(feature = "redis")]
pub use redis::RedisBackend;
#[cfg(feature = "redis")]
pub use sidekiq::SidekiqBackend;

use crate::error::{Error, ErrorKind};

/// How long a message that was taken may wait for a busy worker before it is given back.
#[cfg(any(feature = "redis", feature = "rabbitmq"))]
const GRACE: Duration = Duration::from_millis(20);

/// What a back end carries: which run waits, and in which queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The row of `remat.runs`.
    pub run_id: i64,
    /// Its queue.
    pub queue: String,
}

/// What a worker hears through a back end.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A run waits, or did: another worker may have it by now.
    Hint(Hint),
    /// Runs may wait; which ones, the table tells.
    Something,
    /// Somebody asks for a run that has no row yet, in the words of their own job system.
    Request(Request),
}

/// A run that somebody asks for through a back end itself, such as a Ruby program that pushes a Sidekiq job.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The job's class as it was sent; see [`crate::job::JobKind::parse_class`].
    pub job: String,
    /// Its arguments as they were sent; see [`crate::job::Job::from_arguments`].
    pub arguments: Vec<Value>,
    /// The queue.
    pub queue: String,
    /// What the sender calls this request: the same one twice is one run.
    pub key: String,
}

/// Carries wake-ups from whoever enqueues to whoever works.
pub trait JobBackend: Send + Sync {
    /// The name by which settings and rows call it.
    fn kind(&self) -> &'static str;

    /// Tells workers that these runs wait. They are committed already, so a failure loses nothing: workers find
    /// them when they look by themselves.
    fn announce<'a>(&'a self, hints: &'a [Hint]) -> BoxFuture<'a, Result<(), Error>>;

    /// Passes on to the ear whatever arrives for these queues (for every queue that it knows when there are none), until
    /// the ear closes, then gives `Ok`. A message may be taken from the broker when [`Ear::ready`] says so, and is
    /// acknowledged after [`Ear::hear`] gave `Ok`. Fails when the connection is lost; the worker then calls it again.
    fn listen<'a>(&'a self, queues: &'a [String], ear: &'a Ear) -> BoxFuture<'a, Result<(), Error>>;
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What it asks for is safe in the table, or is there already.
    Safe,
    /// It asks for what nobody can do, for this reason. To bring it again would not help.
    Refused(String),
}

/// The worker's end of a back end.
#[derive(Clone, Debug)]
pub struct Ear {
    heard: mpsc::Sender<(Heard, oneshot::Sender<Verdict>)>,
    state: watch::Receiver<EarState>,
    reached: watch::Sender<bool>,
}

/// What the worker can do with another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarState {
    /// It has room.
    Open,
    /// All its slots are at work.
    Busy,
    /// It stops.
    Closed,
}

/// What the worker keeps of an [`Ear`].
#[derive(Debug)]
pub struct EarEnd {
    /// What was heard, each with the means to say what became of it; dropped unsaid, the message comes again.
    pub heard: mpsc::Receiver<(Heard, oneshot::Sender<Verdict>)>,
    /// Says whether there is room.
    pub state: watch::Sender<EarState>,
    /// Whether messages reach the ear, as far as is known.
    pub reached: watch::Sender<bool>,
}

impl Ear {
    /// An ear and the end that a worker keeps.
    pub fn new() -> (Self, EarEnd) {
        let (heard, receiver) = mpsc::channel(1);
        let (sender, state) = watch::channel(EarState::Open);
        let reached = watch::Sender::new(false);
        let ear = Self { heard, state, reached: reached.clone() };
        (ear, EarEnd { heard: receiver, state: sender, reached })
    }

    /// An ear of the same worker for a second listener, whose being reached is not what the worker shows.
    pub(crate) fn beside(&self) -> Self {
        Self { reached: watch::Sender::new(false), ..self.clone() }
    }

    /// Says that from now on messages reach the worker, until `listen` ends: a back end calls it when it is connected, or has
    /// proven more than that. Before, the worker is shown as one that polls.
    pub fn is_reached(&self) {
        self.reached.send_replace(true);
    }

    /// Waits until there is room for a message; false when the worker stops.
    pub async fn ready(&self) -> bool {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| *state != EarState::Busy).await;
        settled.is_ok_and(|state| *state == EarState::Open) && !self.is_orphaned()
    }

    /// What the worker can do with a message that was taken already. A full one has this long to get room: its slots
    /// change all the time, and giving a message back costs more than a moment.
    pub async fn room_within(&self, moment: Duration) -> EarState {
        let mut state = self.state.clone();
        match tokio::time::timeout(moment, state.wait_for(|state| *state != EarState::Busy)).await {
            Ok(settled) if !self.is_orphaned() => settled.map_or(EarState::Closed, |state| *state),
            Ok(_) => EarState::Closed,
            Err(_) => EarState::Busy,
        }
    }

    /// A worker that panicked has said nothing; its end is gone all the same.
    fn is_orphaned(&self) -> bool {
        self.state.has_changed().is_err()
    }

    /// Resolves when the worker stops.
    pub async fn closed(&self) {
        let mut state = self.state.clone();
        let _ = state.wait_for(|state| *state == EarState::Closed).await;
    }

    /// Says that there may be work, if there is room for it: a worker that has none looks by itself when it has.
    pub async fn nudge(&self, heard: Heard) -> Result<(), Error> {
        let is_open = *self.state.borrow() == EarState::Open;
        if is_open { self.hear(heard).await.map(drop) } else { Ok(()) }
    }

    /// Hands a message over; resolves when what it asks for is safe in the table, or was refused. Fails when it is
    /// neither: then it must come again.
    pub async fn hear(&self, heard: Heard) -> Result<Verdict, Error> {
        self.is_reached();
        let gone = || Error::new(ErrorKind::Conflict, "the worker has stopped");
        let (safe, is_safe) = oneshot::channel();
        self.heard.send((heard, safe)).await.map_err(|_| gone())?;
        is_safe.await.map_err(|_| gone())
    }
}

/// How `listen` goes on when the worker did not take a message: it ends well where the worker stops.
#[cfg(any(feature = "redis", feature = "rabbitmq"))]
async fn unheard(error: Error, ear: &Ear) -> Result<(), Error> {
    if ear.room_within(GRACE).await == EarState::Closed { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ear_whose_worker_is_gone_is_closed() {
        let (ear, end) = Ear::new();
        assert!(ear.ready().await);
        drop(end);
        assert!(!ear.ready().await);
        assert_eq!(ear.room_within(Duration::from_secs(1)).await, EarState::Closed);
        ear.closed().await;
    }

    #[tokio::test]
    async fn busy_ear_has_no_room_until_it_has() {
        let (ear, end) = Ear::new();
        end.state.send_replace(EarState::Busy);
        assert_eq!(ear.room_within(Duration::from_millis(1)).await, EarState::Busy);
        let (waited, ()) = tokio::join!(ear.room_within(Duration::from_mins(1)), async {
            tokio::task::yield_now().await;
            end.state.send_replace(EarState::Open);
        });
        assert_eq!(waited, EarState::Open);
    }
}
