//! What the rules judge by.

use jiff::Timestamp;

use crate::{name::RelationName, run::Finding, status::State};

/// Everything, as of one moment of the server's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The moment.
    pub now: Timestamp,
    /// Every view.
    pub views: Vec<ViewFacts>,
    /// Every scheduled job that runs SQL.
    pub jobs: Vec<JobFacts>,
    /// The clock.
    pub scheduler: SchedulerFacts,
    /// Every worker that has not left.
    pub workers: Vec<WorkerFacts>,
}

/// One view.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewFacts {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: RelationName,
    /// Words to select by.
    pub tags: Vec<String>,
    /// How old it may be, in seconds.
    pub target_lag_s: Option<i64>,
    /// What to know first.
    pub state: State,
    /// The contents are at least as new as this.
    pub data_as_of: Option<Timestamp>,
    /// Seconds since then.
    pub age_s: Option<f64>,
    /// Whether it is paused now.
    pub is_paused: bool,
    /// Whether remat itself paused it, because its attempts took their connection down.
    pub is_quarantined: bool,
    /// Whether remat made its relation and did not drop it.
    pub is_made: bool,
    /// When the last run ended that filled it.
    pub last_success: Option<Timestamp>,
    /// How long that took.
    pub last_duration_ms: Option<i64>,
    /// Bytes after it.
    pub bytes: Option<i64>,
    /// Rows after it.
    pub rows: Option<i64>,
    /// The last failure since then.
    pub failed: Option<Failed>,
    /// The refresh that is at work.
    pub live: Option<Live>,
    /// How long the last refreshes took, the newest first; none where nobody asked.
    pub took_ms: Vec<i64>,
    /// The last verification.
    pub verified: Option<Found>,
}

impl ViewFacts {
    /// True when it has a target and is older, or of unknown age.
    #[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
    pub fn is_late(&self) -> bool {
        self.target_lag_s.is_some_and(|target| self.age_s.is_none_or(|age| age > target as f64))
    }
}

/// A run that failed, and how many did in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The run.
    pub run_id: i64,
    /// What it said; values of rows were taken out when it was stored.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether another attempt follows it by itself.
    pub is_retried: bool,
    /// Attempts that failed since the last success, 100 at most.
    pub in_a_row: i64,
}

/// A refresh at work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Live {
    /// The run.
    pub run_id: i64,
    /// For how long.
    pub seconds: f64,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What.
    pub finding: Finding,
    /// When.
    pub at: Timestamp,
    /// By which run.
    pub run_id: i64,
}

/// A scheduled job that runs SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFacts {
    /// Its name.
    pub name: String,
    /// The last failure since its last success.
    pub failed: Option<Failed>,
}

/// The clock of all daemons together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SchedulerFacts {
    /// Whether anything fires by the clock.
    pub is_needed: bool,
    /// For how many seconds no scheduler has looked; none where there never was one.
    pub silent_s: Option<f64>,
}

/// A worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerFacts {
    /// Its row.
    pub id: i64,
    /// Host and process.
    pub name: String,
    /// How many runs it does at once.
    pub slots: i32,
    /// For how many seconds it has said nothing.
    pub silent_s: f64,
}
