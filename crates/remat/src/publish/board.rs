//! Reading a board: from Redis, or else from the view.
//!
//! Law: a reader gets the same answer from either, and is told which it was. A board that Redis has not, or not whole,
//! is published again beside the reader, by one process at a time; nobody waits for that.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use redis::Pipeline;

use super::{
    Entry, Keys, Publisher, Question, STEP, Served, ServedBy, Why, fingerprint, keys, lock,
    redis::{Script, Trouble},
    source::{self, Source},
    target_of,
};
use crate::{
    Remat,
    error::Error,
    view::{Publish, View},
};

/// How long a reader waits for Redis before the view serves.
const READ: Duration = Duration::from_secs(1);

/// How long readers leave a server alone that did not answer.
const REST: Duration = Duration::from_secs(1);

/// How long nobody else repairs a board; also how long a failed repair is not tried again.
const REPAIR: Duration = Duration::from_secs(30);

/// A published view, to be read.
#[derive(Clone)]
pub struct Board {
    remat: Remat,
    publisher: Publisher,
    view: View,
    target: Publish,
    keys: Keys,
    repairs: bool,
}

impl Remat {
    /// Rows of a published view, whole and in the order of its board, from the view itself. Fails when the view is not
    /// published.
    pub async fn published_rows(
        &self,
        view: &View,
        offset: i64,
        limit: i64,
    ) -> Result<Served<Vec<serde_json::Value>>, Error> {
        let target = target_of(view)?.clone();
        self.with_session(async |session| {
            source::in_snapshot(session, view, &target, async |source: Source<'_>| {
                let value = source.whole_rows(offset, limit).await?;
                let data_as_of = source.fill.as_ref().map(|fill| fill.data_as_of);
                Ok(Served { value, served_by: ServedBy::Postgres, data_as_of, why: None })
            })
            .await
        })
        .await
    }
}

/// What Redis said of a board.
#[derive(Debug)]
pub(super) enum Found {
    /// Part of a whole board.
    Board {
        /// Its contents are at least as new as this.
        data_as_of: Timestamp,
        /// What was asked for.
        entries: Vec<Entry>,
    },
    /// No board that can serve.
    Nothing(Why),
}

impl Board {
    /// The board of a view. Fails when the view is not published.
    pub fn new(remat: &Remat, publisher: &Publisher, view: &View) -> Result<Self, Error> {
        let target = target_of(view)?.clone();
        let keys = Keys::of(&target.key);
        let (remat, publisher, view) = (remat.clone(), publisher.clone(), view.clone());
        Ok(Self { remat, publisher, view, target, keys, repairs: true })
    }

    /// Leaves a board that Redis lacks to others: for a process that may end before it is published again.
    #[must_use]
    pub fn without_repair(self) -> Self {
        Self { repairs: false, ..self }
    }

    /// The first `count` places.
    pub async fn top(&self, count: u32) -> Result<Served<Vec<Entry>>, Error> {
        self.ask(Question::Top(count)).await
    }

    /// The place of a member with up to `radius` places above and below it; nothing when it has none.
    pub async fn around(&self, member: &str, radius: u32) -> Result<Served<Vec<Entry>>, Error> {
        self.ask(Question::Around { member: member.to_owned(), radius }).await
    }

    /// The place of a member.
    pub async fn rank(&self, member: &str) -> Result<Served<Option<Entry>>, Error> {
        let Served { value, served_by, data_as_of, why } = self.around(member, 0).await?;
        Ok(Served { value: value.into_iter().next(), served_by, data_as_of, why })
    }

    async fn ask(&self, question: Question) -> Result<Served<Vec<Entry>>, Error> {
        let why = match self.publisher.read(&self.view, &self.target, &self.keys, &question).await {
            Found::Board { data_as_of, entries } => {
                let (served_by, data_as_of) = (ServedBy::Redis, Some(data_as_of));
                return Ok(Served { value: entries, served_by, data_as_of, why: None });
            }
            Found::Nothing(why) => why,
        };
        if self.repairs && !matches!(why, Why::Unreachable | Why::Refused) {
            self.warm();
        }
        let (value, data_as_of) = self.ask_postgres(&question).await?;
        Ok(Served { value, served_by: ServedBy::Postgres, data_as_of, why: Some(why) })
    }

    async fn ask_postgres(&self, question: &Question) -> Result<(Vec<Entry>, Option<Timestamp>), Error> {
        self.remat
            .with_session(async |session| {
                source::in_snapshot(session, &self.view, &self.target, async |source: Source<'_>| {
                    let entries = source.answer(question).await?;
                    Ok((entries, source.fill.map(|fill| fill.data_as_of)))
                })
                .await
            })
            .await
    }

    /// Publishes the board again beside the reader.
    fn warm(&self) {
        let Some(turn) = Turn::take(&self.publisher, &self.keys.board) else { return };
        let board = self.clone();
        tokio::spawn(async move {
            let _turn = turn;
            if let Err(error) = board.repair().await {
                let view = &board.view.definition.name;
                tracing::warn!(%view, %error, "a leaderboard could not be published again");
            }
        });
    }

    async fn repair(&self) -> Result<(), Error> {
        let looked = self.publisher.look(&self.view, &self.target, &self.keys, &Question::Top(0), STEP).await;
        if let Ok(Found::Board { .. }) = looked {
            // Somebody was quicker.
            return Ok(());
        }
        let view = self.remat.view(&self.view.definition.name).await?;
        // A reader with an outdated definition must not take the board from those that have the new one.
        if view.definition.publish.as_ref() == Some(&self.target) {
            self.publisher.publish_alone(&self.remat, &view).await?;
        }
        Ok(())
    }
}

impl Publisher {
    /// Asks Redis. A server that did not answer is left alone for a moment, so that not every reader waits for it.
    async fn read(&self, view: &View, target: &Publish, keys: &Keys, question: &Question) -> Found {
        if lock(&self.shared.resting).is_some_and(|until| Instant::now() < until) {
            return Found::Nothing(Why::Unreachable);
        }
        match self.look(view, target, keys, question, READ).await {
            Ok(found) => found,
            Err(trouble) => {
                let why = match trouble {
                    Trouble::Refused(_) => Why::Refused,
                    Trouble::Gone(_) | Trouble::Late(_) => {
                        *lock(&self.shared.resting) = Some(Instant::now() + REST);
                        Why::Unreachable
                    }
                };
                let error = self.shared.redis.error(trouble);
                tracing::warn!(view = %view.definition.name, %error, "the view serves its leaderboard");
                Found::Nothing(why)
            }
        }
    }

    /// What Redis has of a board.
    pub(super) async fn look(
        &self,
        view: &View,
        target: &Publish,
        keys: &Keys,
        question: &Question,
        limit: Duration,
    ) -> Result<Found, Trouble> {
        let (word, what, radius) = match question {
            Question::Top(count) => ("top", count.to_string(), String::new()),
            Question::Around { member, radius } => ("around", member.clone(), radius.to_string()),
        };
        let script = Script {
            text: include_str!("read.lua"),
            keys: &[&keys.board, &keys.meta],
            arguments: &[&fingerprint(view, target), word, &what, &radius],
        };
        let answer = self.shared.redis.run(limit, script).await?;
        understand(&answer).ok_or_else(|| Trouble::Refused("what it has of the board cannot be read".into()))
    }

    /// Publishes unless another process does, or failed to a moment ago. None when that is so.
    pub(super) async fn publish_alone(
        &self,
        remat: &Remat,
        view: &View,
    ) -> Result<Option<super::Published>, Error> {
        let keys = Keys::of(&target_of(view)?.key);
        let mine = keys::unique();
        let mut acquire = Pipeline::new();
        acquire.cmd("SET").arg(&keys.lock).arg(&mine).arg("NX").arg("PX").arg(millis(REPAIR));
        let redis = &self.shared.redis;
        let [acquired]: [Option<String>; 1] =
            redis.send(STEP, &acquire).await.map_err(|trouble| redis.error(trouble))?;
        if acquired.is_none() {
            return Ok(None);
        }
        let published = self.publish(remat, view).await?;
        let release = Script { text: RELEASE, keys: &[&keys.lock], arguments: &[&mine] };
        if let Err(trouble) = redis.run(STEP, release).await {
            // It ends by itself.
            tracing::debug!(?trouble, "the lock of a leaderboard was not released");
        }
        Ok(Some(published))
    }
}

/// Another may hold it by now.
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return {}";

/// The right of one task in this process to repair a board.
struct Turn {
    publisher: Publisher,
    board: String,
}

impl Turn {
    fn take(publisher: &Publisher, board: &str) -> Option<Self> {
        let first = lock(&publisher.shared.repairing).insert(board.to_owned());
        first.then(|| Self { publisher: publisher.clone(), board: board.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.publisher.shared.repairing).remove(&self.board);
    }
}

/// Reads the answer of `read.lua`.
fn understand(answer: &[String]) -> Option<Found> {
    let (word, rest) = answer.split_first()?;
    if word != "ok" {
        return word.parse().ok().map(Found::Nothing);
    }
    let [as_of, first, places @ ..] = rest else { return None };
    let data_as_of = Timestamp::from_microsecond(as_of.parse().ok()?).ok()?;
    let first: i64 = first.parse().ok()?;
    let entry = |(rank, place): (i64, &[String])| {
        let [member, score] = place else { return None };
        Some(Entry { rank, member: member.clone(), score: score.parse().ok()? })
    };
    let entries = (first..).zip(places.chunks(2)).map(entry).collect::<Option<_>>()?;
    Some(Found::Board { data_as_of, entries })
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
