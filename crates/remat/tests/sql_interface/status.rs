//! States, freshness and the pruning of history.

use remat::view::Strategy;

use crate::fixture::Fixture;

async fn state(f: &Fixture, view: &str) -> String {
    f.ask(&format!("select state from remat.status() where view = 'public.{view}'")).await
}

#[tokio::test]
async fn a_view_has_one_state_and_the_gravest_is_shown() {
    let f = Fixture::new().await;
    f.indexed("v", |d| d.strategy = Strategy::Regular).await;
    assert_eq!(state(&f, "v").await, "ok");
    f.run("update remat.views set target_lag_s = 60").await;
    assert_eq!(state(&f, "v").await, "stale");
    f.run("select remat.refresh_now('v')").await;
    assert_eq!(state(&f, "v").await, "fresh");
    f.run("update remat.runs set data_as_of = now() - interval '61 s'").await;
    assert_eq!(state(&f, "v").await, "stale");
    f.run("update remat.views set strategy = 'merge'; select remat.refresh_now('v')").await;
    assert_eq!(state(&f, "v").await, "failed");
    f.run("update remat.views set pause = '{\"by\": \"x\"}'").await;
    assert_eq!(state(&f, "v").await, "paused");
    f.run("refresh materialized view v with no data").await;
    assert_eq!(state(&f, "v").await, "unpopulated");
    assert_eq!(
        f.ask("select concat(data_as_of, age, last_status, last_error) from remat.status()").await,
        "failedstrategy \"merge\" does not fit a materialized view"
    );
    f.run("drop materialized view v").await;
    assert_eq!(state(&f, "v").await, "absent");
}

#[tokio::test]
async fn a_view_under_another_transactions_lock_is_running() {
    let f = Fixture::new().await;
    f.indexed("v", |_| ()).await;
    let mut other = f.db.connect().await;
    let refreshing = other.transaction().await.unwrap();
    refreshing.query_one("select remat.refresh_now('v')", &[]).await.unwrap();
    assert_eq!(state(&f, "v").await, "running");
    refreshing.commit().await.unwrap();
    assert_eq!(state(&f, "v").await, "ok");
}

#[tokio::test]
async fn a_run_whose_connection_was_lost_is_shown_as_unknown() {
    let f = Fixture::new().await;
    let id = f.indexed("v", |_| ()).await;
    f.run(&format!("select remat.refresh_now('v'); select remat.open_run({id})")).await;
    assert_eq!(f.ask("select state || ' ' || last_status from remat.status()").await, "ok unknown");
}

#[tokio::test]
async fn freshness_is_the_age_of_what_readers_see() {
    let f = Fixture::new().await;
    let id = f.indexed("v", |_| ()).await;
    assert_eq!(f.ask("remat.is_fresh('v', '1 hour')").await, "false");
    f.run("select remat.refresh_now('v')").await;
    assert_eq!(f.ask("remat.is_fresh('public.v', '1 hour')").await, "true");
    f.run("update remat.runs set data_as_of = now() - interval '61 min'").await;
    assert_eq!(f.ask("remat.is_fresh('v', '1 hour')").await, "false");
    f.run("select remat.refresh_now('v')").await;
    // Dropped and made anew without data: what its predecessor had does not count.
    f.run(&format!(
        "insert into remat.runs (view_id, operation, status, started_at, finished_at, duration_ms)
         values ({id}, 'create', 'success', now(), now(), 1)"
    ))
    .await;
    assert_eq!(f.ask("remat.is_fresh('v', '1 hour')").await, "false");
    assert_eq!(f.refused("select remat.is_fresh('w', '1 hour')").await.1, "42704");
}

#[tokio::test]
async fn pruning_keeps_the_last_success_young_failures_and_what_has_not_ended() {
    let f = Fixture::new().await;
    let id = f.indexed("v", |_| ()).await;
    let insert = |rows: &str, status: &str, age_days: i32, error: &str| {
        format!(
            "insert into remat.runs (view_id, operation, status, reason, queued_at, started_at, finished_at, data_as_of, duration_ms, error_message)
             select {id}, 'refresh', '{status}', 'r', t, t, t, case when '{status}' = 'success' then t end, 1, {error}
             from generate_series(1, {rows}) n, cast(now() - make_interval(days => {age_days}, secs => -n) as timestamptz) t;"
        )
    };
    f.run(&insert("6", "failed", 400, "'old failure'")).await;
    f.run(&insert("6", "success", 95, "null")).await;
    f.run(&insert("6", "failed", 10, "'young failure'")).await;
    f.run(&insert("6", "skipped", 1, "null")).await;
    f.run(&format!("select remat.open_run({id})")).await;
    f.run("update remat.runs set started_at = now() - interval '1 year' where status = 'running'").await;
    assert_eq!(f.ask("remat.prune(keep_per_view => 4, batch => 3)").await, "3");
    assert_eq!(f.ask("remat.prune(keep_per_view => 4)").await, "10");
    assert_eq!(f.ask("remat.prune(keep_per_view => 4)").await, "0");
    let left = "select string_agg(format('%s %s', n, status), ', ' order by status)
                from (select status, count(*) n from remat.runs group by status) s";
    assert_eq!(f.ask(left).await, "6 failed, 1 running, 4 skipped, 1 success");
    assert_eq!(f.ask("remat.is_fresh('v', '96 days')").await, "true");
    assert_eq!(f.ask("select count(*) from remat.runs where error_message = 'old failure'").await, "0");
}
