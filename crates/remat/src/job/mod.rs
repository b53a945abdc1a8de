//! What can be enqueued: create, refresh and delete of a view, with the options of each.
//!
//! Law: one stable call, `enqueue(job, queue, arguments)`, takes the forms that callers in any language write, and
//! [`Job::from_arguments`] is the only place that reads them. What cannot be read is an error, never a default.
//! In `remat.runs.arguments` stands only what differs from the default, so that equal jobs are equal JSON.

mod read;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl JobKind {
    /// Reads the class of a job as job systems name it, or the plain word.
    ///
    /// ```
    /// use remat::job::JobKind;
    /// for class in ["MatViews::RefreshViewJob", "Remat::RefreshViewJob", "RefreshViewJob", "refresh"] {
    ///     assert_eq!(JobKind::parse_class(class).unwrap(), JobKind::Refresh);
    /// }
    /// assert!(JobKind::parse_class("Shop::RefreshViewJob").is_err());
    /// ```
    pub fn parse_class(class: &str) -> Result<Self, Error> {
        let plain = class.strip_prefix("::").unwrap_or(class);
        let plain = plain.strip_prefix("MatViews::").or(plain.strip_prefix("Remat::")).unwrap_or(plain);
        match plain {
            "create" | "CreateViewJob" => Ok(Self::Create),
            "refresh" | "RefreshViewJob" => Ok(Self::Refresh),
            "delete" | "DeleteViewJob" => Ok(Self::Delete),
            _ => Err(Error::new(ErrorKind::InvalidDefinition, format!("job \"{class}\" is not known"))
                .with_hint("The jobs are CreateViewJob, RefreshViewJob and DeleteViewJob, or create, refresh and delete.")),
        }
    }
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

    /// Reads the arguments of a job as callers write them: the view (its id, or its name as a text), then the options.
    ///
    /// | job | second argument |
    /// |---|---|
    /// | create | `true`, `false`, or `{"force": …, "no_data": …, "if_not_exists": …}` |
    /// | refresh | `"estimated"`, `"exact"`, `"none"` or null (not counted), or `{"row_count": …, "strategy": …, "force": …, "verify": …}` |
    /// | delete | `true`, `false`, or `{"cascade": …, "if_exists": …}` |
    ///
    /// `row_count_strategy` is another name of `row_count`. Words may have a colon before them, and true and false may
    /// be texts. A refresh without a second argument counts as the definition says.
    ///
    /// ```
    /// use remat::job::{Job, JobKind, ViewRef};
    /// use serde_json::json;
    /// let (view, job) = Job::from_arguments(JobKind::Refresh, &[json!(7), json!(":exact")]).unwrap();
    /// assert_eq!(view, ViewRef::Id(7));
    /// assert_eq!(job.to_json(), json!({"row_count": "exact"}));
    /// ```
    pub fn from_arguments(kind: JobKind, arguments: &[Value]) -> Result<(ViewRef, Self), Error> {
        read::arguments(kind, arguments)
    }

    /// What `remat.runs.arguments` keeps: the options that differ from the default.
    pub fn to_json(self) -> Value {
        match self {
            Self::Create(options) => differing(&options),
            Self::Refresh(options) => differing(&options),
            Self::Delete(options) => differing(&options),
        }
    }

    /// Reads what [`Self::to_json`] wrote.
    pub fn from_json(operation: Operation, arguments: &Value) -> Result<Self, Error> {
        match operation {
            Operation::Create => stored(arguments).map(Self::Create),
            Operation::Refresh => stored(arguments).map(Self::Refresh),
            Operation::Delete => stored(arguments).map(Self::Delete),
            Operation::Sql => Err(Error::new(ErrorKind::Schema, "a run of a SQL job is no job of a view")),
        }
    }
}

fn differing<T: Serialize + Default>(options: &T) -> Value {
    let object = |options: &T| match serde_json::to_value(options) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let (mut options, defaults) = (object(options), object(&T::default()));
    options.retain(|key, value| defaults.get(key) != Some(value));
    Value::Object(options)
}

fn stored<T: DeserializeOwned>(arguments: &Value) -> Result<T, Error> {
    let unreadable = || Error::new(ErrorKind::Schema, "the arguments of a run cannot be read");
    if !arguments.is_object() {
        return Err(unreadable().with_detail("They are no object."));
    }
    T::deserialize(arguments).map_err(|error| unreadable().with_detail(format!("The reader says: {error}.")))
}

#[cfg(test)]
mod tests;
