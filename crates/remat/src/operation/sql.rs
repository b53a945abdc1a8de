//! Runs the statement of a scheduled job, as one run.
//!
//! Law: one statement, in a transaction that ends by writing the run's success. It travels by the extended protocol, which
//! refuses a second statement; what manages transactions itself (`vacuum`, a procedure that commits) is refused by the
//! server, which says so. It runs as the role that remat connects as: whoever may write `remat.scheduled_jobs` acts as
//! that role.

use std::time::Instant;

use futures_util::future::join;
use serde_json::json;

use super::{
    attempt::{Asked, Attempted, conclude, millis},
    claimed::Ended,
};
use crate::{
    Remat,
    error::Error,
    failure::Failure,
    pg::{
        Session,
        lock::{self, Sight},
    },
    run::Status,
    store::{
        queue::Claim,
        runs::{self, Ending},
    },
};

/// What holds for the statement whatever the role's settings are, and that the server ends it soon after its client is gone
/// (Linux only).
const PIN: &str = "set local search_path = public; set local TimeZone = 'UTC'; set local lock_timeout = '30s';
    select pg_catalog.set_config('client_connection_check_interval', '500ms', true) where pg_catalog.version() like '%linux%'";

/// Commits, and takes back what the statement may have left in the session: another run will have it.
const COMMIT_AND_TIDY: &str =
    "commit; reset session authorization; reset role; reset all; discard temp; unlisten *;
    select pg_catalog.pg_advisory_unlock_all()";

/// The same after a failure; all but locks of the session went with the transaction.
const ROLL_BACK_AND_TIDY: &str = "rollback; select pg_catalog.pg_advisory_unlock_all()";

pub(super) async fn perform(remat: &Remat, claim: &Claim, statement: &str) -> Result<Ended, Error> {
    let session = remat.session().await?;
    let cancellable = remat.cancellable(&session);
    let _at_work = remat.at_work(claim.lease.run_id, &session);
    let began = Instant::now();
    let done = within_transaction(&session, claim, statement, began).await;
    drop(cancellable);
    match done {
        Ok(duration_ms) => {
            remat.give_back(session);
            Ok(Ended { view: None, status: Status::Success, duration_ms: Some(duration_ms), error: None })
        }
        Err(failure) => {
            // If that cannot be done, neither can what follows, which says so.
            let _ = session.batch(ROLL_BACK_AND_TIDY).await;
            let asked = Asked::Claimed(claim);
            let attempted = Attempted { lease: claim.lease, asked, began, done: Err(failure) };
            conclude(remat, session, attempted).await.map(Ended::from)
        }
    }
}

/// Gives the milliseconds that it took.
async fn within_transaction(
    session: &Session,
    claim: &Claim,
    statement: &str,
    began: Instant,
) -> Result<i64, Failure> {
    // In one round trip: a transaction that could not be marked as the run's is aborted, and refuses the statement.
    let run_ids = [claim.lease.run_id];
    let mark = lock::begin_runs(session, &run_ids, Sight::Newest, PIN);
    let (marked, touched) = join(mark, session.execute(statement, &[])).await;
    marked?;
    let touched = touched?;
    session.check_cancelled()?;
    let took = millis(began);
    let ending = Ending {
        duration_ms: Some(took),
        meta: json!({ "job": claim.job_name, "rows": touched }),
        ..Ending::default()
    };
    runs::succeed(session, claim.lease, &ending, COMMIT_AND_TIDY).await.map(|()| took)
}
