//! What can be enqueued: create, refresh and delete of a view, with the options of each.
//!
//! Law: one stable call, `enqueue(job, queue, arguments)`, takes the forms that callers in any language write, and
//! [`Job::from_arguments`] is the only place that reads them. What cannot be read is an error, never a default.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::{Error, ErrorKind},
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::{Operation, words},
};

words! {
    /// The three jobs.
    JobKind {
        /// Makes the relation of a view.
        Create = "create",
        /// Brings a view up to date.
        Refresh = "refresh",
        /// Drops the relation of a view.
        Delete = "delete",
    }
}

/// A job with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Job {
    /// Makes the relation of a view.
    Create(CreateOptions),
    /// Brings a view up to date.
    Refresh(RefreshOptions),
    /// Drops the relation of a view.
    Delete(DeleteOptions),
}

/// Which view a caller means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewRef {
    /// The id of its row.
    Id(i64),
    /// Its name as typed.
    Name(String),
}

impl Job {
    /// What its run does.
    pub fn operation(self) -> Operation {
        match self {
            Self::Create(_) => Operation::Create,
            Self::Refresh(_) => Operation::Refresh,
            Self::Delete(_) => Operation::Delete,
        }
    }

    /// Reads the arguments of a job as callers write them: the view first, then the options.
    pub fn from_arguments(kind: JobKind, arguments: &[Value]) -> Result<(ViewRef, Self), Error> {
        let _ = (kind, arguments);
        Err(Error::new(ErrorKind::InvalidDefinition, "the arguments of the job cannot be read"))
    }
}
