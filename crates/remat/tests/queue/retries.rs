//! What follows a failure, a cancel and a lost worker.

use std::time::Duration;

use remat::{backend::PostgresBackend, job::JobKind, run::Status, service::Stop, view::Strategy};
use remat_testkit::wait_until;
use serde_json::json;

use crate::{
    daemon,
    support::{App, GATED, PER_USER},
};

const FAILS_ONCE: &str = "
create sequence attempts;
create function flaky() returns boolean language plpgsql volatile as $$
begin
  if nextval('public.attempts') = 2 then raise exception 'try again' using errcode = 'serialization_failure'; end if;
  return true;
end $$";

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_as_a_run_of_its_own() {
    let app = App::start().await;
    app.db.execute(FAILS_ONCE).await;
    let view = app
        .view(
            Strategy::Regular,
            "select user_id, count(*) as n from sales where (select flaky()) group by user_id",
        )
        .await;
    let backend = PostgresBackend::new(&app.remat);
    let daemon = daemon::start(&app.remat, 2).await;
    let first = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    let last = app.remat.wait_for_run(first).await.unwrap();
    let first = app.remat.run(first).await.unwrap();
    assert_eq!((first.status, last.status), (Status::Failed, Status::Success), "{first:#?}");
    assert_eq!(first.meta["retried_by"], json!(last.id));
    daemon.drain().await;
}

#[tokio::test]
async fn a_failure_of_the_definition_is_not_tried_again() {
    let app = App::start().await;
    let view = app
        .view(Strategy::Regular, "select user_id, 100 / min(cents) as n from sales group by user_id")
        .await;
    app.db.execute("update sales set cents = 0").await;
    let backend = PostgresBackend::new(&app.remat);
    let daemon = daemon::start(&app.remat, 2).await;
    let run = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    let run = app.remat.wait_for_run(run).await.unwrap();
    assert_eq!((run.status, run.meta.get("retried_by")), (Status::Failed, None));
    daemon.drain().await;
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_before_it_begins() {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    let backend = PostgresBackend::new(&app.remat);
    let id = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    let run = app.remat.cancel_run(id, Duration::from_secs(1)).await.unwrap();
    assert_eq!(run.status, Status::Cancelled);
    let daemon = daemon::start(&app.remat, 2).await;
    let next = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    app.remat.wait_for_run(next).await.unwrap().check().unwrap();
    assert_eq!(app.remat.run(id).await.unwrap().status, Status::Cancelled);
    daemon.drain().await;
}

#[tokio::test]
async fn a_run_at_work_is_cancelled_at_the_server_and_not_tried_again() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    let _gate = app.shut_gate().await;
    let daemon = daemon::start(&app.remat, 2).await;
    let backend = PostgresBackend::new(&app.remat);
    let id = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    app.waits_for_gate().await;
    let run = app.remat.cancel_run(id, Duration::from_secs(10)).await.unwrap();
    assert_eq!((run.status, run.meta.get("retried_by")), (Status::Cancelled, None), "{run:#?}");
    daemon.drain().await;
}

#[tokio::test]
async fn what_a_stopping_worker_cancels_is_done_by_the_next() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    let gate = app.shut_gate().await;
    let own = crate::support::connect(&app.db.url()).await;
    let daemon = daemon::start(&own, 2).await;
    let backend = PostgresBackend::new(&app.remat);
    let id = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    app.waits_for_gate().await;
    daemon.stop.send_replace(Stop::Cancel);
    daemon.ended.await.unwrap().unwrap();
    assert_eq!(app.remat.run(id).await.unwrap().status, Status::Cancelled);
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    let next = daemon::start(&app.remat, 2).await;
    assert_eq!(app.remat.wait_for_run(id).await.unwrap().status, Status::Success);
    next.drain().await;
}

#[tokio::test]
async fn a_run_whose_worker_vanished_is_found_in_seconds_and_done() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    let gate = app.shut_gate().await;
    let own = crate::support::connect(&app.db.url()).await;
    let vanishing = daemon::start(&own, 2).await;
    let backend = PostgresBackend::new(&app.remat);
    let id = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    app.waits_for_gate().await;
    let began = std::time::Instant::now();
    vanishing.ended.abort();
    own.cancel_all().await;
    drop(own);
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    let next = daemon::start(&app.remat, 2).await;
    wait_until("the lost run has ended", async || app.remat.run(id).await.unwrap().status.is_final()).await;
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    let last = app.remat.wait_for_run(id).await.unwrap();
    assert_eq!(last.status, Status::Success);
    next.drain().await;
}

async fn status(app: &App, id: i64) -> Status {
    app.remat.run(id).await.unwrap().status
}

#[tokio::test]
async fn a_run_that_fails_while_somebody_wants_it_cancelled_is_not_tried_again() {
    let app = App::start().await;
    app.db
        .execute(
            "create function breaks() returns boolean language plpgsql volatile as $$
             begin
               if exists (select from remat.runs where status = 'running' and operation = 'refresh') then
                 perform public.gate();
                 raise exception 'try again' using errcode = 'serialization_failure';
               end if;
               return true;
             end $$",
        )
        .await;
    let view =
        app.view(Strategy::Regular, "select user_id from sales where (select breaks()) group by 1").await;
    let gate = app.shut_gate().await;
    let daemon = daemon::start(&app.remat, 2).await;
    let backend = PostgresBackend::new(&app.remat);
    let id = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    app.waits_for_gate().await;
    // As `remat.cancel_run` leaves it for a caller who may not cancel at the server.
    app.db
        .execute(&format!("update remat.runs set cancel_asked_at = clock_timestamp() where id = {id}"))
        .await;
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    wait_until("it has failed", async || status(&app, id).await.is_final()).await;
    let run = app.remat.run(id).await.unwrap();
    assert_eq!(run.meta.get("retried_by"), None, "{run:#?}");
    daemon.drain().await;
}

#[tokio::test]
async fn a_run_that_is_put_back_while_somebody_wants_it_cancelled_does_not_wait_again() {
    let app = App::start().await;
    app.view(Strategy::Merge, PER_USER).await;
    let id = app.count("select remat.enqueue_refresh('per_user')").await;
    let fence = app.count(&format!("select fence from remat.claim(null, null, 1, {id})")).await;
    app.db.execute(&format!("select remat.cancel_run({id})")).await;
    app.db.execute(&format!("select remat.release_run({id}, {fence}, 0)")).await;
    assert_eq!(status(&app, id).await, Status::Cancelled);
}

/// A server that crashes may take back a claim, which does not wait for the disk: the row then waits again.
#[tokio::test]
async fn a_worker_whose_claim_was_taken_back_is_free_at_once() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, GATED).await;
    let gate = app.shut_gate().await;
    let daemon = daemon::start(&app.remat, 1).await;
    let backend = PostgresBackend::new(&app.remat);
    let id = app.remat.enqueue(&backend, JobKind::Refresh, None, &[json!(view.id)]).await.unwrap().run_id;
    app.waits_for_gate().await;
    app.db
        .execute(
            "update remat.runs set status = 'pending', fence = 0, worker_id = null, started_at = null where status = 'running';
             select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted and objid = 1
             and database = (select oid from pg_database where datname = current_database())",
        )
        .await;
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(app.remat.wait_for_run(id).await.unwrap().status, Status::Success);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    daemon.drain().await;
}
