//! Serving copies of views outside PostgreSQL: leaderboards in sorted sets of Redis.
//!
//! Law: a publication replaces the whole board at once. Rows and their `data_as_of` are read in one snapshot, so the
//! copy's is never overstated; readers see the old board or the new one, never a part; an older publication never takes
//! the place of a newer one. PostgreSQL stays the truth: whatever Redis loses, a reader gets from the view itself, in
//! the same order, and is told so; the next pass of [`PublishService`] publishes it again.
//!
//! ```no_run
//! # use remat::{Remat, error::Error, publish::{Board, Publisher}, view::View};
//! # async fn example(remat: Remat, view: View) -> Result<(), Error> {
//! let publisher = Publisher::connect("redis://127.0.0.1:6379/0").await?;
//! publisher.publish(&remat, &view).await?;
//! let top = Board::new(&remat, &publisher, &view)?.top(10).await?;
//! println!("{:?}, by {} as of {:?}", top.value, top.served_by, top.data_as_of);
//! # Ok(())
//! # }
//! ```

mod board;
mod keys;
mod redis;
mod service;
mod source;
mod write;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub use board::Board;
use jiff::Timestamp;
use serde::Serialize;
pub use service::{Passed, PublishService, Report, Reported};

use self::{keys::Keys, redis::Redis};
use crate::{
    error::{Error, ErrorKind},
    name::{RelationName, hash},
    run::words,
    view::{Publish, View},
};

/// How long Redis may take for one step of a publication.
const STEP: Duration = Duration::from_secs(5);

words! {
    /// Where an answer came from.
    ServedBy {
        /// The sorted set.
        Redis = "redis",
        /// The view.
        Postgres = "postgres",
    }
}

words! {
    /// Why Redis did not serve.
    Why {
        /// Nothing was published there yet, or all was lost.
        ColdStart = "cold_start",
        /// What stands there was published from another definition.
        Redefined = "redefined",
        /// Part of the board is missing, or something was added to it.
        Incomplete = "incomplete",
        /// No answer in time.
        Unreachable = "unreachable",
        /// It answered with an error.
        Refused = "refused",
    }
}

words! {
    /// What became of a publication.
    Outcome {
        /// It is what readers see now.
        Replaced = "replaced",
        /// A newer one was there already.
        Newer = "newer",
    }
}

/// One place of a leaderboard.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Place))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The place, beginning with 1.
    pub rank: i64,
    /// The member.
    pub member: String,
    /// Its score.
    pub score: f64,
}

/// An answer, and who gave it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Served<T> {
    /// The answer.
    pub value: T,
    /// Who gave it.
    pub served_by: ServedBy,
    /// The answer is at least as new as this, if it is known.
    pub data_as_of: Option<Timestamp>,
    /// Why it was not Redis.
    pub why: Option<Why>,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published {
    /// The view.
    pub view: RelationName,
    /// The sorted set.
    pub key: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How many members it has.
    pub members: u64,
    /// Its contents are at least as new as this.
    pub data_as_of: Timestamp,
    /// The run that made the contents.
    pub run_id: i64,
    /// How long it took.
    #[serde(rename = "took_ms", serialize_with = "as_millis")]
    pub took: Duration,
}

/// What a reader asks of a board.
#[derive(Clone, Debug)]
enum Question {
    /// The first so many.
    Top(u32),
    /// A member, and so many on each side.
    Around { member: String, radius: u32 },
}

/// Publishes views to one Redis server. Cheap to clone; the clones share one connection.
#[derive(Clone, Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    redis: Redis,
    /// The boards that this process repairs now.
    repairing: Mutex<HashSet<String>>,
    /// When readers may ask again a server that did not answer.
    resting: Mutex<Option<Instant>>,
}

impl Publisher {
    /// Takes the URL; connects when there is something to do. For readers, whom PostgreSQL serves when Redis does not.
    pub fn new(redis_url: &str) -> Result<Self, Error> {
        let shared =
            Shared { redis: Redis::new(redis_url)?, repairing: Mutex::default(), resting: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Connects. Fails when the server does not answer.
    pub async fn connect(redis_url: &str) -> Result<Self, Error> {
        let publisher = Self::new(redis_url)?;
        publisher.check().await?;
        Ok(publisher)
    }

    /// Fails when the server does not answer.
    pub async fn check(&self) -> Result<(), Error> {
        let redis = &self.shared.redis;
        redis.ping(STEP).await.map_err(|trouble| redis.error(trouble))
    }
}

/// Where a view is published, or an error that says how to say it.
fn target_of(view: &View) -> Result<&Publish, Error> {
    view.definition.publish.as_ref().ok_or_else(|| {
        let primary = format!("view \"{}\" is not published", view.definition.name);
        Error::new(ErrorKind::InvalidDefinition, primary)
            .with_hint("Name a key, a member and a score under [publish] of its definition.")
    })
}

/// Changes whenever a board would hold something else with the same contents of the view.
fn fingerprint(view: &View, target: &Publish) -> String {
    let target =
        serde_json::to_string(&(&view.definition.name, target)).expect("texts and numbers serialize");
    hash(&target)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn as_millis<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(took.as_millis().try_into().unwrap_or(u64::MAX))
}
