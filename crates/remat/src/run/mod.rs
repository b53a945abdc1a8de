//! A run: one attempt at a view. The row in `remat.runs` is the truth; these are its words.
//!
//! Law: every word here is stored and shown as it reads (snake case), from the table's column to the page's label.
//! Which facts a status carries is mirrored by the CHECKs of the table. This module decides nothing about time.

pub mod retry;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    error::{Complaint, Error, ErrorKind},
    name::RelationName,
};

/// An enum whose variants are stored as words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every variant, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that is stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let text = utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String);
                text.enum_values(Some([$($word),+])).into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::Error;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::error::Error::new(
                        crate::error::ErrorKind::InvalidDefinition,
                        format!("\"{word}\" is not one of: {}", [$($word),+].join(", ")),
                    )),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a run does to its view.
    Operation {
        /// Makes the relation.
        Create = "create",
        /// Brings the contents up to date.
        Refresh = "refresh",
        /// Drops the relation.
        Delete = "delete",
        /// Runs the SQL of a scheduled job.
        Sql = "sql",
    }
}

words! {
    /// Where a run stands.
    Status {
        /// Waits for a worker.
        Pending = "pending",
        /// Has a worker and a database session.
        Running = "running",
        /// Committed, together with the contents.
        Success = "success",
        /// Rolled back; the error says why.
        Failed = "failed",
        /// Not tried; the skip reason says why.
        Skipped = "skipped",
        /// Ended by a person.
        Cancelled = "cancelled",
        /// The connection was lost and the server has not yet told the outcome.
        Unknown = "unknown",
    }
}

impl Status {
    /// True when nothing follows any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Skipped | Self::Cancelled)
    }
}

words! {
    /// Who asked for a run.
    Trigger {
        /// A cron schedule.
        Schedule = "schedule",
        /// A freshness target.
        Lag = "lag",
        /// A person at the command line or the library's caller.
        Manual = "manual",
        /// The HTTP API.
        Api = "api",
        /// The SQL interface.
        Sql = "sql",
        /// The refresh of a view that this one reads.
        Upstream = "upstream",
        /// The service that verifies views from time to time.
        Verifier = "verifier",
    }
}

words! {
    /// How rows are counted before and after.
    RowCount {
        /// Not at all.
        None = "none",
        /// From what the server knows without reading the view.
        Estimated = "estimated",
        /// By `count(*)`.
        Exact = "exact",
    }
}

words! {
    /// What a verification found.
    Finding {
        /// The contents are what the query gives.
        Equal = "equal",
        /// They were not, and were repaired by a merge.
        Mismatch = "mismatch",
        /// The refresh ran the query itself, so there was nothing to compare.
        Recomputed = "recomputed",
        /// The comparison could not be made.
        Failed = "failed",
    }
}

/// One row of `remat.runs`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
#[must_use = "a run that failed is no error: look at its status, or call check"]
pub struct Run {
    /// The row's id.
    pub id: i64,
    /// The view, always schema-qualified; none for SQL jobs.
    pub view: Option<RelationName>,
    /// What it did.
    pub operation: Operation,
    /// Where it stands.
    pub status: Status,
    /// The strategy that ran, which `auto` or a missing precondition may have chosen.
    pub strategy: Option<String>,
    /// Why that strategy, or why it was skipped.
    pub reason: Option<String>,
    /// Who asked for it.
    pub trigger: Trigger,
    /// The queue in which it waits or waited.
    pub queue: String,
    /// What announced it to workers; `inline` for a run that was done at once.
    pub backend: String,
    /// Who does it or did it: host and process.
    pub worker: Option<String>,
    /// The number of this attempt, from 1.
    pub attempt: i32,
    /// The attempt before this one.
    pub retry_of: Option<i64>,
    /// The larger, the sooner it is claimed.
    pub priority: i32,
    /// The scheduled job that asked for it.
    pub job: Option<String>,
    /// When it was asked for.
    pub queued_at: Timestamp,
    /// Before this it is not claimed.
    pub due_at: Timestamp,
    /// When a worker took it.
    pub started_at: Option<Timestamp>,
    /// The contents are at least as new as this: taken when the statement was sent.
    pub data_as_of: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Milliseconds of work by a monotonic clock, lock waits included.
    pub duration_ms: Option<i64>,
    /// Milliseconds spent waiting for locks.
    pub lock_wait_ms: Option<i64>,
    /// Rows before the run.
    pub rows_before: Option<i64>,
    /// Rows after the run.
    pub rows_after: Option<i64>,
    /// Rows that were not there before.
    pub rows_inserted: Option<i64>,
    /// Rows that changed in place.
    pub rows_updated: Option<i64>,
    /// Rows that went.
    pub rows_deleted: Option<i64>,
    /// Bytes of the relation with its indexes after the run.
    pub bytes: Option<i64>,
    /// Why it failed.
    pub error: Option<Complaint>,
    /// Everything else: phases in milliseconds, notes, options.
    pub meta: serde_json::Value,
}

impl Run {
    /// The attempt that follows this one.
    pub fn retried_by(&self) -> Option<i64> {
        self.meta.get("retried_by").and_then(serde_json::Value::as_i64)
    }

    /// The run that did what this one had been asked for as well.
    pub fn coalesced_into(&self) -> Option<i64> {
        self.meta.get("into").and_then(serde_json::Value::as_i64)
    }

    /// The run that failed and for which this one was skipped.
    pub fn root_cause(&self) -> Option<i64> {
        self.meta.get("root_cause").and_then(serde_json::Value::as_i64)
    }

    /// Fails with the run's own complaint if it failed or was cancelled, and if its outcome is not known. A run that was
    /// skipped is no failure.
    pub fn check(&self) -> Result<(), Error> {
        match self.status {
            Status::Success | Status::Skipped => Ok(()),
            Status::Failed | Status::Cancelled => {
                Err(Error::from_complaint(ErrorKind::Database, self.error.clone().unwrap_or_default()))
            }
            Status::Pending | Status::Running | Status::Unknown => {
                let primary = format!("the outcome of run {} is not known yet", self.id);
                Err(Error::new(ErrorKind::Connection, primary))
            }
        }
    }
}
