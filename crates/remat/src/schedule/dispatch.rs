//! How the runs of a view or a scheduled job reach a worker: what was written, with its defaults.
//!
//! Law: values only. Who reads it decides what follows: [`super::misfire`] for the scheduler, `remat.enqueue` in the
//! database for overlaps, [`crate::run::retry`] for failures.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind},
    run::words,
};

words! {
    /// What becomes of a request while a run of the same view or job waits or works.
    Overlap {
        /// It is skipped, and the skip is recorded.
        Skip = "skip",
        /// It joins the run that waits; there is at most one that works and one that waits.
        Coalesce = "coalesce",
        /// It waits its turn, however many do.
        Queue = "queue",
        /// What waits or works is cancelled, and it takes its place.
        CancelOther = "cancel_other",
    }
}

words! {
    /// What becomes of times that passed while nobody watched.
    Misfire {
        /// They are recorded as skipped.
        Skip = "skip",
        /// The newest one within the window fires, once for all of them.
        Once = "once",
        /// Each one within the window fires.
        All = "all",
    }
}

/// What a view or a scheduled job says about its runs.
///
/// ```
/// use remat::schedule::{Dispatch, Overlap};
/// let dispatch: Dispatch = serde_json::from_str(r#"{"queue": "reports"}"#).unwrap();
/// assert_eq!((dispatch.queue.as_str(), dispatch.overlap), ("reports", Overlap::Coalesce));
/// ```
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dispatch {
    /// The queue; workers may serve some queues only.
    pub queue: String,
    /// The larger, the sooner.
    pub priority: i32,
    /// See [`Overlap`].
    pub overlap: Overlap,
    /// See [`Misfire`].
    pub misfire: Misfire,
    /// How late a missed time may still fire, in seconds.
    pub catch_up_s: i64,
    /// Missed times that fire late are spread over so many seconds.
    pub jitter_s: i64,
    /// How many times a run is tried again after it waited for a lock in vain.
    pub lock_retries: i32,
    /// How many times a run is tried again after its work broke.
    pub work_retries: i32,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            queue: "default".into(),
            priority: 0,
            overlap: Overlap::Coalesce,
            misfire: Misfire::Once,
            catch_up_s: 24 * 60 * 60,
            jitter_s: 30,
            lock_retries: 10,
            work_retries: 3,
        }
    }
}

impl Dispatch {
    /// Refuses what can never work. What a project file says was checked when it was read, at its place.
    pub(crate) fn check(&self) -> Result<(), Error> {
        queue_is_a_word(&self.queue)?;
        let counts = [
            ("catch_up", self.catch_up_s),
            ("jitter", self.jitter_s),
            ("lock_retries", self.lock_retries.into()),
            ("work_retries", self.work_retries.into()),
        ];
        match counts.into_iter().find(|(_, count)| *count < 0) {
            Some((key, _)) => Err(invalid(format!("{key} must not be negative"))),
            None => Ok(()),
        }
    }
}

/// A queue is named in lists and on command lines, so it is one word. The word `*` means all queues.
pub(crate) fn queue_is_a_word(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return Err(invalid(format!("queue \"{name}\" is not a word"))
            .with_hint("Write the names of queues without spaces."));
    }
    if name == "*" {
        return Err(invalid("queue \"*\" is no queue").with_detail("It stands for all queues together."));
    }
    Ok(())
}

fn invalid(primary: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidDefinition, primary)
}
