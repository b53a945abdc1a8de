//! Sessions go from run to run; what a job did to one of them does not.

use remat::run::Status;

use crate::{
    daemon,
    support::{App, connect},
};

async fn job(app: &App, statement: &str) -> Status {
    let sql = "select run_id from remat.enqueue_run('sql', null, 'by hand', jsonb_build_object('sql', $1::text), 'manual',
                 '{\"work_retries\": 0}', 'postgres', clock_timestamp(), null, '{}', null, false)";
    let id: i64 = app.sql.query_one(sql, &[&statement]).await.unwrap().get(0);
    app.remat.wait_for_run(id).await.unwrap().status
}

#[tokio::test]
async fn what_a_job_leaves_in_its_session_is_gone_before_the_next_run() {
    let app = App::start().await;
    app.db.execute("create table seen (work_mem text, locks bigint, temporary bigint)").await;
    let own = connect(&app.db.url()).await;
    // One slot, so that one session does it all.
    let daemon = daemon::start(&own, 1).await;
    for leaves in [
        "create temporary table left_over as select 1 as x",
        "select pg_advisory_lock(99)",
        "set work_mem = '77MB'",
        "listen left_over",
    ] {
        assert_eq!(job(&app, leaves).await, Status::Success, "{leaves}");
        assert_eq!(job(&app, "select 1 / 0 from pg_advisory_lock(98)").await, Status::Failed);
    }
    let see = "insert into public.seen
               select current_setting('work_mem'),
                      (select count(*) from pg_locks where locktype = 'advisory' and objid in (98, 99) and pid = pg_backend_pid()),
                      (select count(*) from pg_class where relname = 'left_over')";
    assert_eq!(job(&app, see).await, Status::Success);
    daemon.drain().await;
    let seen = app
        .text("select concat_ws(' ', work_mem = current_setting('work_mem'), locks, temporary) from seen")
        .await;
    assert_eq!(seen, "t 0 0");
    let held = "select count(*) from pg_locks where locktype = 'advisory' and objid in (98, 99)
                and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(app.count(held).await, 0);
}
