//! TERM, TERM again, KILL, STOP: what becomes of the run at work.

use remat_testkit::{TcpProxy, wait_until};

use crate::{
    process::{Orders, Process},
    world::World,
};

const GATE: &str = "select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = 77
                    and database = (select oid from pg_database where datname = current_database())";

/// A SQL job's run that waits until the test lets it pass, at work in a daemon.
async fn at_the_gate(world: &World, daemon: &Orders) -> (Process, tokio_postgres::Client, i64) {
    let gate = world.client().await;
    gate.batch_execute("select pg_advisory_lock(77)").await.unwrap();
    world.execute("update pace set ms = 0, broken = 0").await;
    let process = Process::ready(world, daemon).await;
    let run = world.sql_job("select public.mark() from pg_advisory_xact_lock_shared(77)").await;
    wait_until("the run waits at the gate", async || world.count(GATE).await == 1).await;
    (process, gate, run)
}

async fn status(world: &World, run: i64) -> String {
    world.lines(&format!("select status from remat.runs where id = {run}")).await.remove(0)
}

async fn open(gate: &tokio_postgres::Client) {
    gate.batch_execute("select pg_advisory_unlock(77)").await.unwrap();
}

#[tokio::test]
async fn term_lets_a_daemon_finish_what_it_has_and_begin_nothing_more() {
    let world = World::new().await;
    let (mut daemon, gate, run) = at_the_gate(&world, &Orders::new(&world.url, "first")).await;
    daemon.signal("TERM");
    wait_until("the daemon drains", async || {
        world.count("select count(*) from remat.workers where state = 'draining'").await == 1
    })
    .await;
    let later = world.count("select remat.enqueue_refresh('merge')").await;
    open(&gate).await;
    assert!(daemon.ended().await.success());
    assert_eq!(
        (status(&world, run).await.as_str(), status(&world, later).await.as_str()),
        ("(success)", "(pending)")
    );
    let next = Process::ready(&world, &Orders::new(&world.url, "next")).await;
    world.end(vec![next], &[run, later]).await;
}

#[tokio::test]
async fn a_second_term_cancels_what_is_at_work_and_the_next_daemon_does_it() {
    let world = World::new().await;
    let (mut daemon, gate, run) = at_the_gate(&world, &Orders::new(&world.url, "first")).await;
    daemon.signal("TERM");
    wait_until("the daemon drains", async || {
        world.count("select count(*) from remat.workers where state = 'draining'").await == 1
    })
    .await;
    daemon.signal("TERM");
    assert!(daemon.ended().await.success());
    assert_eq!(status(&world, run).await, "(cancelled)");
    open(&gate).await;
    let next = Process::ready(&world, &Orders::new(&world.url, "next")).await;
    world.end(vec![next], &[run]).await;
    assert_eq!(
        world.count("select count(*) from remat.runs where status = 'success' and operation = 'sql'").await,
        1
    );
}

#[tokio::test]
async fn a_killed_daemon_s_run_is_ended_in_seconds_and_done_by_another() {
    let world = World::new().await;
    let (mut daemon, gate, run) = at_the_gate(&world, &Orders::new(&world.url, "first")).await;
    let next = Process::ready(&world, &Orders::new(&world.url, "next")).await;
    daemon.kill();
    let began = std::time::Instant::now();
    // The gate is still closed: the server must notice by itself that nobody waits for this transaction.
    wait_until("the lost run has ended", async || status(&world, run).await == "(failed)").await;
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    open(&gate).await;
    world.end(vec![next], &[run]).await;
    assert_eq!(
        world.count("select count(*) from remat.runs where status = 'success' and operation = 'sql'").await,
        1
    );
}

#[tokio::test]
async fn a_stopped_daemon_that_goes_on_cannot_overwrite_its_successor() {
    let world = World::new().await;
    world.execute("update pace set ms = 2000, broken = 0").await;
    let stopped = Process::ready(&world, &Orders::new(&world.url, "stopped")).await;
    // In one statement: the first must not have ended when the last is asked for.
    let views = ["merge", "regular", "swap", "concurrent"];
    world
        .execute(
            "select remat.enqueue_refresh(v) from unnest(array['merge', 'regular', 'swap', 'concurrent']) v",
        )
        .await;
    let mut asked = Vec::new();
    for view in views {
        let run = format!(
            "select max(r.id) from remat.runs r join remat.views v on v.id = r.view_id where v.view_name = '{view}'"
        );
        asked.push(world.count(&run).await);
    }
    wait_until("all are claimed", async || {
        world.count("select count(*) from remat.runs where status = 'running'").await == 4
    })
    .await;
    stopped.signal("STOP");
    world.execute("update pace set ms = 400").await;
    let next = Process::ready(&world, &Orders::new(&world.url, "next")).await;
    for view in views {
        asked.push(world.count(&format!("select remat.enqueue_refresh('{view}')")).await);
    }
    // The server ends transactions that stand idle for long; then the successor has the views.
    world.settle().await;
    stopped.signal("CONT");
    wait_until("it is alive again", async || {
        world.count("select count(*) from remat.workers where name = 'stopped' and heartbeat_at > clock_timestamp() - interval '3 s'").await == 1
    })
    .await;
    world.end(vec![stopped, next], &asked).await;
    assert!(
        world
            .count("select count(*) from remat.runs where error_message like '%worker of this run was lost%'")
            .await
            > 0
    );
}

/// The worker sleeps between its claim and its transaction, when the server has nothing of it yet: only the fence tells
/// that somebody else has done the work meanwhile.
#[tokio::test]
async fn a_daemon_that_was_stopped_before_it_began_cannot_overwrite_its_successor() {
    let world = World::new().await;
    world.execute("update pace set ms = 0, broken = 0").await;
    let db = world.db.as_ref().unwrap();
    let proxy = TcpProxy::start(db.server().port).await;
    let stopped = Process::ready(&world, &Orders::new(&db.url_through(proxy.port()), "stopped")).await;
    proxy.hold_before_begin();
    let runs = [
        world.count("select remat.enqueue_refresh('merge')").await,
        world.sql_job("select public.mark()").await,
    ];
    wait_until("both are claimed", async || {
        world.count("select count(*) from remat.runs where status = 'running'").await == 2
    })
    .await;
    stopped.signal("STOP");
    let next = Process::ready(&world, &Orders::new(&world.url, "next")).await;
    wait_until("its successor has done both", async || {
        world.count("select count(*) from remat.runs where status = 'success' and retry_of is not null").await
            == 2
    })
    .await;
    proxy.heal();
    stopped.signal("CONT");
    // It drains at the end, so it has come to the end of both by then.
    world.end(vec![stopped, next], &runs).await;
    for run in runs {
        assert_eq!(status(&world, run).await, "(failed)");
    }
}

#[tokio::test]
async fn a_run_of_a_worker_that_is_not_known_ends_within_seconds() {
    let world = World::new().await;
    world.execute("update pace set ms = 0, broken = 0").await;
    // What a dump of the tables brings along: a run at work, of a worker that is nowhere.
    world
        .execute(
            "insert into remat.runs (view_id, operation, status, trigger, started_at, pid, worker_id, work_retries)
             select id, 'refresh', 'running', 'manual', clock_timestamp(), 1, 4711, 1 from remat.views where view_name = 'merge';
             insert into remat.runs (view_id, operation, status, trigger, started_at, pid)
             select id, 'refresh', 'unknown', 'manual', clock_timestamp(), 2147483647 from remat.views where view_name = 'swap'",
        )
        .await;
    let daemon = Process::ready(&world, &Orders::new(&world.url, "w")).await;
    let began = std::time::Instant::now();
    let open = "select count(*) from remat.runs where status in ('running', 'unknown', 'pending')";
    wait_until("both have ended, and the one with a budget was done", async || world.count(open).await == 0)
        .await;
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    world.end(vec![daemon], &[]).await;
    assert_eq!(
        world
            .count("select count(*) from remat.runs where status = 'success' and operation = 'refresh'")
            .await,
        1
    );
}
