//! Does what a claimed run asks for.

use serde_json::Value;

use super::{attempt::Asked, create, delete, refresh, sql};
use crate::{
    Remat,
    error::{Error, ErrorKind},
    failure::{Failure, FailureKind},
    job::Job,
    name::RelationName,
    run::{
        Operation, Run, Status,
        retry::{self, Budget, Budgets},
    },
    store::{
        queue::{self, Claim, Next},
        runs::{self, Ending},
    },
};

/// How a claimed run ended, for the log.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) view: Option<RelationName>,
    pub(crate) status: Status,
    pub(crate) duration_ms: Option<i64>,
    pub(crate) error: Option<String>,
}

impl From<Run> for Ended {
    fn from(run: Run) -> Self {
        let error = run.error.map(|error| error.primary);
        Self { view: run.view, status: run.status, duration_ms: run.duration_ms, error }
    }
}

/// Does it and says how it ended. A run that failed is not an error; an error means that its end could not be written,
/// and that the rescuer will find out.
pub(crate) async fn perform(remat: &Remat, claim: &Claim) -> Result<Ended, Error> {
    let asked = Asked::Claimed(claim);
    let run = match (claim.view_id, read(claim)) {
        (_, Err(unreadable)) => refuse(remat, claim, unreadable).await,
        (Some(view_id), Ok(Work::Job(Job::Create(options)))) => {
            create::create(remat, view_id, options, asked).await
        }
        (Some(view_id), Ok(Work::Job(Job::Refresh(options)))) => {
            refresh::refresh(remat, view_id, options, asked).await
        }
        (Some(view_id), Ok(Work::Job(Job::Delete(options)))) => {
            delete::delete(remat, view_id, options, asked).await
        }
        (_, Ok(Work::Sql(statement))) => return sql::perform(remat, claim, &statement).await,
        (None, Ok(Work::Job(_))) => refuse(remat, claim, unreadable(claim)).await,
    };
    run.map(Ended::from)
}

/// What follows an attempt of this claim that failed so.
pub(super) fn next_after(kind: FailureKind, claim: &Claim) -> Next {
    let budgets = Budgets {
        lock_retries_left: claim.lock_retries,
        work_retries_left: claim.work_retries,
        attempt: claim.attempt,
    };
    match retry::after(kind, budgets, claim.lease.run_id.unsigned_abs()) {
        Some(again) if again.budget == Budget::Lock => Next::RetryLock(again.delay),
        Some(again) => Next::RetryWork(again.delay),
        None => Next::GiveUp,
    }
}

enum Work {
    Job(Job),
    Sql(String),
}

fn read(claim: &Claim) -> Result<Work, Error> {
    match claim.operation {
        Operation::Sql => match claim.arguments.get("sql") {
            Some(Value::String(statement)) => Ok(Work::Sql(statement.clone())),
            _ => Err(unreadable(claim)),
        },
        operation => Job::from_json(operation, &claim.arguments).map(Work::Job),
    }
}

fn unreadable(claim: &Claim) -> Error {
    let primary = format!("the arguments of run {} cannot be read", claim.lease.run_id);
    Error::new(ErrorKind::InvalidDefinition, primary)
}

/// Ends a run that nobody could do.
async fn refuse(remat: &Remat, claim: &Claim, error: Error) -> Result<Run, Error> {
    let ending = Ending {
        duration_ms: Some(0),
        error: Some(Failure::from(error).complaint.as_ref().clone()),
        ..Ending::default()
    };
    remat
        .with_session(async |session| {
            queue::end(session, claim.lease, Status::Failed, &ending, Some(Next::GiveUp)).await?;
            runs::get(session, claim.lease.run_id).await
        })
        .await
}
