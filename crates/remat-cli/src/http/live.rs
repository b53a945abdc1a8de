//! What changes, passed on to everybody who watches.
//!
//! Law: one feed serves all: whoever watches costs no connection to the database. It begins with the first who watches
//! and rests when nobody has for a while. What was passed on lately is kept, so that whoever lost the connection gets what
//! they missed, or is told that it is too much and to look anew. Memory is bounded.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use remat::{
    Remat,
    access::Scope,
    feed::{Change, Feed},
    name::RelationName,
};
use serde_json::json;
use tokio::sync::broadcast;

/// So much of what was passed on is kept, and so far may anybody fall behind.
const KEPT: usize = 1_024;
/// How long it goes on when nobody watches.
const RESTS_AFTER: Duration = Duration::from_mins(1);
/// How long it waits when the database does not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Something that changed.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Id,
    /// `run` or `event`.
    pub(crate) name: &'static str,
    view: Option<RelationName>,
    /// As JSON, written once for all who watch.
    pub(crate) text: String,
}

impl Message {
    /// Whether it is about something within a scope.
    pub(crate) fn is_within(&self, scope: &Scope) -> bool {
        match &self.view {
            Some(view) => scope.sees(view),
            None => scope.is_all(),
        }
    }
}

/// Where in what is passed on: which feed, and the number within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    feed: i64,
    number: u64,
}

impl Id {
    /// In no feed.
    pub(crate) fn nowhere() -> Self {
        Self { feed: -1, number: 0 }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{}", self.feed, self.number)
    }
}

impl std::str::FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (feed, number) = text.split_once('-').ok_or(())?;
        let feed = i64::from_str_radix(feed, 16).map_err(|_| ())?;
        Ok(Self { feed, number: number.parse().map_err(|_| ())? })
    }
}

/// What somebody missed, and where they are now.
pub(crate) struct Missed {
    pub(crate) messages: Vec<Arc<Message>>,
    /// True when more was missed than is kept: look anew.
    pub(crate) reset: bool,
    pub(crate) now: Id,
}

/// Passes on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live {
    remat: Remat,
    state: Arc<Mutex<State>>,
}

struct State {
    works: bool,
    watched: Instant,
    last: Id,
    kept: VecDeque<Arc<Message>>,
    passed_on: broadcast::Sender<Arc<Message>>,
}

impl Live {
    pub(crate) fn new(remat: &Remat) -> Self {
        let state = State {
            works: false,
            watched: Instant::now(),
            last: Id { feed: 0, number: 0 },
            kept: VecDeque::new(),
            passed_on: broadcast::channel(KEPT).0,
        };
        Self { remat: remat.clone(), state: Arc::new(Mutex::new(state)) }
    }

    /// Watches from now on; what came after `since` comes first.
    pub(crate) fn watch(&self, since: Option<Id>) -> (Missed, broadcast::Receiver<Arc<Message>>) {
        let mut state = self.lock();
        self.wake(&mut state);
        // Under one lock, so that nothing is between what was missed and what comes.
        (state.missed(since), state.passed_on.subscribe())
    }

    /// What came after `since`, for who asks from time to time.
    pub(crate) fn look(&self, since: Option<Id>) -> Missed {
        let mut state = self.lock();
        self.wake(&mut state);
        state.missed(since)
    }

    fn wake(&self, state: &mut State) {
        state.watched = Instant::now();
        if std::mem::replace(&mut state.works, true) {
            return;
        }
        // What happened while nobody watched is unknown: a feed of its own, whose numbers nobody has.
        state.last = Id { feed: Timestamp::now().as_microsecond(), number: 0 };
        state.kept.clear();
        tokio::spawn(self.clone().pass_on());
    }

    async fn pass_on(self) {
        let mut feed = None;
        while self.is_wanted() {
            let found = match &mut feed {
                Some(feed) => Feed::next(feed).await,
                None => Feed::open(&self.remat).await.map(|opened| {
                    feed = Some(opened);
                    Vec::new()
                }),
            };
            match found {
                Ok(changes) => changes.into_iter().for_each(|change| self.tell(change)),
                Err(error) => {
                    tracing::debug!(%error, "what changes cannot be read");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Whether anybody watches, or did a moment ago.
    fn is_wanted(&self) -> bool {
        let mut state = self.lock();
        if state.passed_on.receiver_count() > 0 {
            state.watched = Instant::now();
        }
        state.works = state.watched.elapsed() < RESTS_AFTER;
        state.works
    }

    fn tell(&self, change: Change) {
        let (name, view, text) = match change {
            Change::Run(run) => ("run", run.view.clone(), json!(run).to_string()),
            Change::Event(event) => ("event", event.view.clone(), json!(event).to_string()),
        };
        let mut state = self.lock();
        state.last.number += 1;
        let message = Arc::new(Message { id: state.last, name, view, text });
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(Arc::clone(&message));
        // Nobody may be there.
        let _ = state.passed_on.send(message);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn missed(&self, since: Option<Id>) -> Missed {
        let now = self.last;
        let Some(since) = since else { return Missed { messages: Vec::new(), reset: false, now } };
        let oldest = self.kept.front().map_or(now.number + 1, |message| message.id.number);
        if since.feed != now.feed || since.number > now.number || since.number + 1 < oldest {
            return Missed { messages: Vec::new(), reset: true, now };
        }
        let newer = |message: &&Arc<Message>| message.id.number > since.number;
        Missed { messages: self.kept.iter().filter(newer).cloned().collect(), reset: false, now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(numbers: std::ops::RangeInclusive<u64>) -> State {
        let message = |number| {
            Arc::new(Message { id: Id { feed: 7, number }, name: "run", view: None, text: String::new() })
        };
        State {
            works: true,
            watched: Instant::now(),
            last: Id { feed: 7, number: *numbers.end() },
            kept: numbers.map(message).collect(),
            passed_on: broadcast::channel(1).0,
        }
    }

    #[test]
    fn whoever_comes_back_gets_what_they_missed_or_is_told_to_look_anew() {
        let state = state(11..=20);
        let missed = |feed, number| {
            let missed = state.missed(Some(Id { feed, number }));
            (missed.messages.len(), missed.reset)
        };
        assert_eq!(missed(7, 20), (0, false));
        assert_eq!(missed(7, 15), (5, false));
        assert_eq!(missed(7, 10), (10, false));
        assert_eq!(missed(7, 9), (0, true), "number 10 is not kept any more");
        assert_eq!(missed(7, 21), (0, true), "nobody has passed that on");
        assert_eq!(missed(8, 15), (0, true), "another feed");
        assert!(!state.missed(None).reset);
    }

    #[test]
    fn an_id_is_read_as_it_was_written() {
        let id = Id { feed: 1_700_000_000_000_000, number: 42 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "x", "1-", "-1", "zz-1", "1-x"] {
            assert_eq!(text.parse::<Id>(), Err(()), "{text}");
        }
    }
}
