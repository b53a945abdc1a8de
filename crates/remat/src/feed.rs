//! What changes, as it changes, for whoever watches.
//!
//! Law: it is derived from the rows and writes none, so watching costs the work nothing. A notification only says that
//! looking is worth while; without any, it looks once a second. One feed serves a whole process: whoever wants it many
//! times passes it on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use crate::{
    Remat,
    error::Error,
    pg::Listener,
    run::Run,
    store::{
        changes::{self, EventRow},
        runs,
    },
};

/// How often it looks when nothing is heard.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it waits for more of what comes in crowds.
const CROWD: Duration = Duration::from_millis(100);
/// How many runs that wait it follows; further ones are noticed when they begin.
const FOLLOWED: i64 = 1_000;
/// And so many when it made room for what came later.
const FOLLOWED_MAX: usize = 4_000;
/// How many rows of each kind it takes at a time.
const STEP: i64 = 500;
/// So far back it looks for rows that were committed late.
const LATE: i64 = 100;

/// Something that changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A run was made, or stands otherwise than before.
    Run(Box<Run>),
    /// Something was done to a view, or found out about it.
    Event(EventRow),
}

/// What changes in one database.
pub struct Feed {
    remat: Remat,
    listener: Option<Listener>,
    /// Runs that have not ended, as they stood last.
    known: BTreeMap<i64, String>,
    /// Runs that were told of and have ended, as far back as it looks.
    ended: BTreeSet<i64>,
    newest_run: i64,
    newest_event: i64,
    told_events: BTreeSet<i64>,
}

impl Feed {
    /// Begins with what is there now, of which nothing is told.
    pub async fn open(remat: &Remat) -> Result<Self, Error> {
        let (newest, known) = remat
            .with_session(async |session| {
                let newest = changes::newest(session).await?;
                let active = changes::active(session, FOLLOWED).await?;
                let recent = changes::standing(session, &[], newest.0 - LATE, LATE).await?;
                Ok((newest, [active, recent].concat()))
            })
            .await?;
        let is_over = |status: &str| !matches!(status, "pending" | "running" | "unknown");
        let (ended, known): (Vec<_>, Vec<_>) = known.into_iter().partition(|(_, status)| is_over(status));
        let late_events =
            remat.with_session(async |session| changes::events(session, newest.1 - LATE, LATE).await).await?;
        Ok(Self {
            remat: remat.clone(),
            // Without notifications it looks from time to time.
            listener: Listener::open(remat.target()).await.ok(),
            known: known.into_iter().collect(),
            ended: ended.into_iter().map(|(id, _)| id).collect(),
            newest_run: newest.0,
            newest_event: newest.1,
            told_events: late_events.iter().map(|event| event.id).collect(),
        })
    }

    /// Waits until there may be something new, and gives it: runs in the order of their ids, then events.
    pub async fn next(&mut self) -> Result<Vec<Change>, Error> {
        self.hear().await;
        let mut found = self.runs().await?;
        found.extend(self.events().await?);
        Ok(found)
    }

    /// Waits for a notification, and for more of them; at most for the interval.
    async fn hear(&mut self) {
        let Some(listener) = &mut self.listener else {
            sleep(INTERVAL).await;
            self.listener = Listener::open(self.remat.target()).await.ok();
            return;
        };
        let Ok(heard) = timeout(INTERVAL, listener.next()).await else { return };
        if heard.is_none() {
            self.listener = None;
            return;
        }
        sleep(CROWD).await;
        listener.skip_arrived();
    }

    async fn runs(&mut self) -> Result<Vec<Change>, Error> {
        let known: Vec<i64> = self.known.keys().copied().collect();
        let after = self.newest_run - LATE;
        let remat = self.remat.clone();
        let standing = remat
            .with_session(async |session| Ok(changes::standing(session, &known, after, STEP).await?))
            .await?;
        let differs = |(id, status): &&(i64, String)| {
            !self.ended.contains(id) && self.known.get(id).is_none_or(|before| before != status)
        };
        let changed: Vec<i64> = standing.iter().filter(differs).map(|(id, _)| *id).collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let runs = remat.with_session(async |session| runs::get_all(session, &changed).await).await?;
        for run in &runs {
            self.newest_run = self.newest_run.max(run.id);
            if run.status.is_final() {
                self.known.remove(&run.id);
                self.ended.insert(run.id);
            } else if run.started_at.is_some() || self.known.len() < FOLLOWED_MAX {
                self.known.insert(run.id, run.status.as_str().to_owned());
            }
        }
        let floor = self.newest_run - LATE;
        self.ended.retain(|id| *id > floor);
        Ok(runs.into_iter().map(|run| Change::Run(Box::new(run))).collect())
    }

    async fn events(&mut self) -> Result<Vec<Change>, Error> {
        let after = self.newest_event - LATE;
        let remat = self.remat.clone();
        let mut events =
            remat.with_session(async |session| changes::events(session, after, STEP).await).await?;
        events.retain(|event| !self.told_events.contains(&event.id));
        for event in &events {
            self.newest_event = self.newest_event.max(event.id);
            self.told_events.insert(event.id);
        }
        let floor = self.newest_event - LATE;
        self.told_events.retain(|id| *id > floor);
        Ok(events.into_iter().map(Change::Event).collect())
    }
}
