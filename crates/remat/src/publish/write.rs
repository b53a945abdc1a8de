//! One publication: the view goes into a temporary key in chunks, and that takes the board's key at once.
//!
//! Law: nothing touches the board before the new one is whole. What a crash leaves behind expires.

use std::time::{Duration, Instant};

use redis::Pipeline;

use super::{
    Keys, Outcome, Published, Publisher, STEP, fingerprint,
    redis::{Script, Trouble},
    source::{self, Source},
    target_of,
};
use crate::{
    Remat,
    error::{Error, ErrorKind},
    pg::Session,
    store::fills::Fill,
    view::{Publish, View},
};

/// Members in one command: Redis serves others between two of them.
const MEMBERS: usize = 1_000;

/// How long a temporary key outlives the last chunk that went into it.
const LEFT_BEHIND: Duration = Duration::from_mins(10);

impl Publisher {
    /// Copies a view to its sorted set.
    ///
    /// Fails when the view has no target or was never filled, when a row does not fit into a sorted set, and when Redis
    /// does not answer; the board then stays as it was.
    pub async fn publish(&self, remat: &Remat, view: &View) -> Result<Published, Error> {
        let target = target_of(view)?;
        self.check().await?;
        remat
            .with_session(async |session| {
                let _cancellable = remat.cancellable(session);
                self.copy(session, view, target).await
            })
            .await
    }

    async fn copy(&self, session: &Session, view: &View, target: &Publish) -> Result<Published, Error> {
        let began = Instant::now();
        let keys = Keys::of(&target.key);
        let temporary = keys.temporary();
        let copied = source::in_snapshot(session, view, target, async |source: Source<'_>| {
            let fill = source.fill.ok_or_else(|| age_is_unknown(view))?;
            let members = self.fill(&source, &temporary).await?;
            Ok((fill, members))
        });
        let taken = match copied.await {
            Ok((fill, members)) => {
                let taken = self.take(view, &keys, &temporary, fill, members).await;
                taken.map(|outcome| (fill, members, outcome))
            }
            Err(error) => Err(error),
        };
        if taken.is_err() {
            // It would expire, but may be large.
            let _ = self.shared.redis.send::<()>(STEP, Pipeline::new().unlink(&temporary).ignore()).await;
        }
        let (Fill { run_id, data_as_of }, members, outcome) = taken?;
        let (view, key) = (view.definition.name.clone(), target.key.clone());
        Ok(Published { view, key, outcome, members, data_as_of, run_id, took: began.elapsed() })
    }

    /// Copies the rows into a key that nobody reads; gives how many they are.
    async fn fill(&self, source: &Source<'_>, temporary: &str) -> Result<u64, Error> {
        source.rows().await?;
        let mut members = 0;
        loop {
            let rows = source.next().await?;
            if rows.is_empty() {
                return Ok(members);
            }
            let added =
                self.add(temporary, &rows).await.map_err(|trouble| self.shared.redis.error(trouble))?;
            if added != rows.len() as u64 {
                return Err(source.member_is_repeated());
            }
            members += added;
        }
    }

    async fn add(&self, temporary: &str, rows: &[(String, f64)]) -> Result<u64, Trouble> {
        let mut pipeline = Pipeline::new();
        for chunk in rows.chunks(MEMBERS) {
            let command = pipeline.cmd("ZADD").arg(temporary);
            for (member, score) in chunk {
                command.arg(score).arg(member);
            }
        }
        pipeline.cmd("EXPIRE").arg(temporary).arg(LEFT_BEHIND.as_secs()).ignore();
        let added: Vec<u64> = self.shared.redis.send(STEP, &pipeline).await?;
        Ok(added.iter().sum())
    }

    /// Lets the new board take the key. It is not tried twice: the second time there would be nothing to take.
    async fn take(
        &self,
        view: &View,
        keys: &Keys,
        temporary: &str,
        fill: Fill,
        members: u64,
    ) -> Result<Outcome, Error> {
        let target = target_of(view)?;
        let script = Script {
            text: include_str!("take.lua"),
            keys: &[&keys.board, &keys.meta, temporary],
            arguments: &[
                &fill.data_as_of.as_microsecond().to_string(),
                &fill.data_as_of.to_string(),
                &view.definition.name.to_string(),
                &fingerprint(view, target),
                &members.to_string(),
                &fill.run_id.to_string(),
            ],
        };
        let redis = &self.shared.redis;
        let answer = redis.run_once(STEP, script).await.map_err(|trouble| redis.error(trouble))?;
        match answer.first().map(String::as_str) {
            Some("replaced") => Ok(Outcome::Replaced),
            Some("newer") => Ok(Outcome::Newer),
            _ => Err(was_lost(target)),
        }
    }
}

fn age_is_unknown(view: &View) -> Error {
    let name = &view.definition.name;
    Error::new(ErrorKind::Conflict, format!("nobody knows how old the contents of view \"{name}\" are"))
        .with_hint(format!("Run `remat refresh {name}`."))
}

fn was_lost(target: &Publish) -> Error {
    let primary = format!("Redis lost part of the new board \"{}\" while it was written", target.key);
    Error::new(ErrorKind::Conflict, primary)
        .with_detail("It was emptied or restarted, or removed keys because its memory was full.")
        .with_hint("Publish again.")
}
