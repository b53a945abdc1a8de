//! Retention: what goes, what stays in any case, and whom it never keeps waiting.

#![allow(clippy::unwrap_used, reason = "a test panics wherever it must fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use remat::store::retention::{Position, Pruned, Retention, prune_step};
use support::App;

/// A history of 6 views and 2 SQL jobs over 60 days, in which every kind of run occurs at its own time. The same seed
/// gives the same one.
fn history(seed: f64, runs: u32) -> String {
    format!(
        "insert into remat.views (schema_name, view_name, query, strategy, fingerprint)
         select 'public', 'v' || n, 'select 1', 'merge', 'x' from generate_series(1, 6) n
         on conflict do nothing;
         select setseed({seed});
         insert into remat.runs (view_id, operation, status, reason, job_name, queued_at, started_at, data_as_of,
                                 finished_at, duration_ms, error_message, rows_inserted, rows_updated, rows_deleted,
                                 retry_of, waits_for)
         select case when job is null then view end,
                case when job is not null then 'sql' when making < 0.03 then 'create' when making < 0.06 then 'delete'
                else 'refresh' end,
                status, 'r', job, at,
                case when status <> 'pending' then at end,
                case when status = 'success' and job is null and making > 0.03 then at + offs end,
                case when status not in ('pending', 'running', 'unknown') then at + 2 * offs end,
                1, case when status = 'failed' then 'broken' end, changed, 0, 0,
                case when status = 'pending' then referred end,
                case when status = 'running' then array[referred] else '{{}}' end
         from  (select n, (array['success', 'success', 'success', 'success', 'failed', 'skipped', 'cancelled', 'pending',
                                 'running', 'unknown'])[1 + floor(random() * (case when random() < 0.05 then 10 else 7 end))] as status,
                       1 + floor(random() * 6)::int as view, random() as making,
                       case when random() < 0.2 then 'job' || floor(random() * 2) end as job,
                       now() - n * (interval '60 days' / {runs}) as at, random() * interval '50 s' as offs,
                       floor(random() * 2) as changed, 1 + floor(random() * {runs})::bigint as referred
                from   generate_series({runs}, 1, -1) n) made;"
    )
}

/// A run as the oracle sees it.
#[derive(Clone, Debug)]
struct Seen {
    id: i64,
    view: Option<i64>,
    job: Option<String>,
    operation: String,
    status: String,
    data_as_of: Option<f64>,
    age_days: Option<f64>,
    refers_to: Vec<i64>,
}

impl Seen {
    fn is(&self, statuses: &[&str]) -> bool {
        statuses.contains(&self.status.as_str())
    }

    fn makes(&self) -> bool {
        self.operation != "refresh" && self.status == "success"
    }
}

/// What the views look like to people. No relation stands under their names, so the age is left out as it is.
const STATES: &str = "select string_agg(s::text, ';' order by s.view) from remat.status() s";
const FILLS: &str = "select string_agg(concat(v.id, ' ', f.id), ',' order by v.id)
                     from remat.views v left join lateral remat.last_fill(v.id) f on true";

async fn runs(app: &App) -> Vec<Seen> {
    let sql = "select id, view_id, job_name, operation, status, extract(epoch from data_as_of)::float8,
                      extract(epoch from clock_timestamp() - finished_at)::float8 / 86400,
                      waits_for || retry_of
               from remat.runs order by id";
    let rows = app.sql.query(sql, &[]).await.unwrap();
    let seen = |row: &tokio_postgres::Row| Seen {
        id: row.get(0),
        view: row.get(1),
        job: row.get(2),
        operation: row.get(3),
        status: row.get(4),
        data_as_of: row.get(5),
        age_days: row.get(6),
        refers_to: row.get::<_, Vec<Option<i64>>>(7).into_iter().flatten().collect(),
    };
    rows.iter().map(seen).collect()
}

/// The runs that stay whatever their number and age, by the words of the guide.
fn kept_in_any_case(runs: &[Seen]) -> BTreeSet<i64> {
    let not_ended: Vec<&Seen> = runs.iter().filter(|run| run.age_days.is_none()).collect();
    let mut kept: BTreeSet<i64> = not_ended.iter().map(|run| run.id).collect();
    kept.extend(not_ended.iter().flat_map(|run| &run.refers_to));
    let views: BTreeSet<i64> = runs.iter().filter_map(|run| run.view).collect();
    for view in views {
        let of_view: Vec<&Seen> = runs.iter().filter(|run| run.view == Some(view)).collect();
        let last =
            |picks: &dyn Fn(&Seen) -> bool| of_view.iter().rev().find(|run| picks(run)).map(|run| run.id);
        let made = last(&|run| run.makes());
        let newest = |picks: &dyn Fn(&Seen) -> bool| {
            let fills = of_view
                .iter()
                .filter(|run| run.status == "success" && run.data_as_of.is_some() && picks(run));
            fills.max_by(|a, b| a.data_as_of.partial_cmp(&b.data_as_of).unwrap()).map(|run| run.id)
        };
        kept.extend(last(&|_| true));
        kept.extend(last(&|run| !run.is(&["skipped", "pending"])));
        kept.extend(made);
        kept.extend(newest(&|run| Some(run.id) >= made));
    }
    kept
}

/// What is left after pruning.
fn expected(runs: &[Seen], keep: &Retention) -> BTreeSet<i64> {
    let always = kept_in_any_case(runs);
    let mut groups: BTreeMap<String, Vec<&Seen>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.age_days.is_some()) {
        let group = match (&run.job, run.is(&["failed", "cancelled"])) {
            (_, true) => "failures".into(),
            (Some(job), _) => format!("job {job}"),
            (None, _) if run.makes() => format!("makings of {:?}", run.view),
            (None, _) => format!("{} {:?}", run.status, run.view),
        };
        groups.entry(group).or_default().push(run);
    }
    let mut left = always.clone();
    for (group, mut members) in groups {
        let days = if group == "failures" { keep.keep_failures_days } else { keep.keep_days };
        let number =
            if group == "failures" { usize::MAX } else { usize::try_from(keep.keep_per_view).unwrap() };
        let place = |run: &&Seen| run.age_days.unwrap_or(0.0);
        members.sort_by(|a, b| place(a).total_cmp(&place(b)));
        let stays = |(n, run): &(usize, &&Seen)| {
            (*n < number && run.age_days.is_none_or(|age| age < f64::from(days)))
                || (*n == 0 && run.job.is_some() && group != "failures")
        };
        left.extend(members.iter().enumerate().filter(stays).map(|(_, run)| run.id));
    }
    left
}

/// The runs that are there and should not be, and those that should be.
fn difference(left: &[Seen], should: &BTreeSet<i64>) -> (Vec<i64>, Vec<i64>) {
    let left: BTreeSet<i64> = left.iter().map(|run| run.id).collect();
    (left.difference(should).copied().collect(), should.difference(&left).copied().collect())
}

async fn prune_all(app: &App, keep: &Retention) -> Pruned {
    app.remat.prune(keep, |_| ()).await.unwrap()
}

fn keeping(keep_per_view: i32, keep_days: i32, keep_failures_days: i32) -> Retention {
    Retention { keep_per_view, keep_days, keep_failures_days, ..Retention::default() }
}

#[tokio::test]
async fn what_stays_of_any_history_is_what_the_guide_says() {
    let app = App::start().await;
    for (seed, keep) in [
        (0.1, keeping(5, 1000, 1000)),
        (0.2, keeping(1000, 30, 45)),
        (0.3, keeping(7, 20, 50)),
        (0.4, keeping(0, 1000, 1000)),
        (0.5, keeping(3, 0, 0)),
        (0.6, keeping(1, 5, 1)),
    ] {
        app.sql
            .batch_execute(&format!("truncate remat.runs restart identity; {}", history(seed, 2000)))
            .await
            .unwrap();
        let before = runs(&app).await;
        let state = app.text(STATES).await;
        let freshness = app.text(FILLS).await;
        let gone = prune_all(&app, &keep).await;
        let after = runs(&app).await;
        assert_eq!(difference(&after, &expected(&before, &keep)), (vec![], vec![]), "{keep:?}");
        assert_eq!(gone.runs, i64::try_from(before.len() - after.len()).unwrap());
        assert_eq!(app.text(FILLS).await, freshness, "freshness is what it was");
        let now = app.text(STATES).await;
        assert_eq!(now, state, "and so is every state");
        assert_eq!(prune_all(&app, &keep).await, Pruned::default(), "and nothing is left to do");
    }
}

#[tokio::test]
async fn a_step_reads_what_it_deletes_and_never_the_table() {
    let app = App::start().await;
    app.sql.batch_execute(&history(0.7, 20_000)).await.unwrap();
    app.sql.batch_execute("vacuum (analyze) remat.runs").await.unwrap();
    let read = "pg_stat_force_next_flush()::text || pg_sleep(0.1)::text || (select seq_scan || ' ' || seq_tup_read + coalesce(idx_tup_fetch, 0)
                from pg_stat_user_tables where relid = 'remat.runs'::regclass)";
    let numbers = |text: String| text.split(' ').map(|n| n.parse::<i64>().unwrap()).collect::<Vec<_>>();
    let session = app.remat.session().await.unwrap();
    session.query_one("select pg_stat_force_next_flush()::text", &[]).await.unwrap();
    session.query_one("select 1", &[]).await.unwrap();
    let before = numbers(app.text(&format!("select {read}")).await);
    let (mut position, mut gone) = (Some(Position::default()), 0);
    while let Some(place) = position {
        let step = prune_step(&session, &keeping(100, 1000, 1000), &place).await.unwrap();
        gone += step.0.runs;
        position = step.1;
        assert!(step.0.runs <= 5_000, "a step is small");
    }
    assert!(gone > 5_000, "more than a step: {gone}");
    session.query_one("select pg_stat_force_next_flush()::text", &[]).await.unwrap();
    session.query_one("select 1", &[]).await.unwrap();
    let after = numbers(app.text(&format!("select {read}")).await);
    assert_eq!(after[0], before[0], "no scan of the table");
    let rows = after[1] - before[1];
    assert!(rows < 3 * gone + 10_000, "{rows} rows were read to delete {gone}");
}

#[tokio::test]
async fn two_pruners_share_the_work_and_neither_waits() {
    let app = App::start().await;
    app.sql.batch_execute(&history(0.8, 20_000)).await.unwrap();
    let keep = keeping(10, 1000, 1000);
    let should = expected(&runs(&app).await, &keep);
    let (one, two) = tokio::join!(prune_all(&app, &keep), prune_all(&app, &keep));
    let left: BTreeSet<i64> = runs(&app).await.iter().map(|run| run.id).collect();
    // A run that one of them held when the other passed stays until the next time at most.
    assert!(left.is_superset(&should));
    assert_eq!(one.runs + two.runs, 20_000 - i64::try_from(left.len()).unwrap(), "none was counted twice");
    prune_all(&app, &keep).await;
    assert_eq!(difference(&runs(&app).await, &should), (vec![], vec![]));
}

#[tokio::test]
async fn pruning_and_runs_do_not_wait_for_each_other() {
    let app = App::start().await;
    let view = app.view(remat::view::Strategy::Merge, support::PER_USER).await;
    app.sql.batch_execute(&history(0.9, 2000)).await.unwrap();
    let keep = "{\"keep_per_view\": 1, \"keep_days\": 1, \"keep_failures_days\": 1, \"keep_fires_days\": 30, \"keep_events_days\": 365}";
    let mut client = app.db.connect().await;
    let pruning = client.transaction().await.unwrap();
    let gone: i64 = pruning
        .query_one(&format!("select runs from remat.prune_step(null, '{keep}', 5000)"), &[])
        .await
        .unwrap()
        .get(0);
    assert!(gone > 100, "{gone}");
    // A step that has not committed: runs are opened, work and end beside it.
    app.sql.batch_execute("set lock_timeout = '200ms'").await.unwrap();
    app.refresh(&view).await.check().unwrap();
    app.sql.query_one("select remat.refresh_now('per_user', raise_on_failure => true)", &[]).await.unwrap();
    pruning.commit().await.unwrap();
    // A run that somebody holds, and one that was opened and not committed: pruning goes on beside them.
    let holding = client.transaction().await.unwrap();
    let held: i64 = holding
        .query_one(
            "select min(id) from (select id from remat.runs where status = 'skipped' for update) r",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    holding.execute("select remat.open_run($1)", &[&view.id]).await.unwrap();
    app.sql
        .query_one(
            &format!("select runs from remat.prune_step(null, '{}', 5000)", keep.replace(": 1,", ": 0,")),
            &[],
        )
        .await
        .unwrap();
    assert_eq!(app.count(&format!("select count(*) from remat.runs where id = {held}")).await, 1);
    holding.commit().await.unwrap();
}

#[tokio::test]
async fn fires_last_longer_than_any_catch_up_and_the_newest_of_each_job_stays() {
    let app = App::start().await;
    app.sql
        .batch_execute(
            "insert into remat.scheduled_jobs (name, schedule, sql, dispatch)
             values ('often', '* * * * *', 'select 1', '{}'), ('late', '@daily', 'select 1', '{\"catch_up_s\": 3456000}');
             insert into remat.views (schema_name, view_name, query, strategy, fingerprint) values ('public', 'v', 'select 1', 'merge', 'x');
             insert into remat.fires (job_name, view_id, fire_at, recorded_at, outcome)
             select job, case when job is null then (select max(id) from remat.views) end, at, at, 'enqueued'
             from   unnest(array['often', 'late', null, 'ended']) job,
                    generate_series(now() - interval '100 days', now() - case job when 'ended' then interval '90 days' else '1 hour' end,
                                    interval '1 hour') at
             order  by at",
        )
        .await
        .unwrap();
    let total = app.count("select count(*) from remat.fires").await;
    let gone = prune_all(&app, &Retention::default()).await;
    assert_eq!(app.count("select count(*) from remat.fires").await, total - gone.fires);
    let kept = "select string_agg(format('%s %s', coalesce(job_name, 'view'), days), ', ' order by job_name)
                from (select job_name, ceil(count(*) / 24.0) as days from remat.fires group by job_name) j";
    // 40 days of catch-up and one more; of a job that ended long ago the last one.
    assert_eq!(app.text(kept).await, "ended 1, late 41, often 41, view 41");
    assert_eq!(app.count("select count(*) from remat.fires where job_name = 'ended'").await, 1);
    app.sql.batch_execute("update remat.scheduled_jobs set dispatch = '{}'").await.unwrap();
    prune_all(&app, &Retention { keep_fires_days: 0, ..Retention::default() }).await;
    assert_eq!(
        app.text(kept).await,
        "ended 1, late 2, often 2, view 2",
        "a day of catch-up by default, and one more"
    );
}

#[tokio::test]
async fn workers_that_are_gone_and_old_events_go_with_the_rest() {
    let app = App::start().await;
    app.sql
        .batch_execute(
            "insert into remat.workers (name, version, backend, slots, heartbeat_at)
             select name, '1', 'postgres', 1, now() - age
             from (values ('alive', interval '1 hour'), ('gone', '2 days'), ('lost its run', '2 days')) w (name, age);
             insert into remat.runs (operation, status, job_name, started_at, worker_id)
             select 'sql', 'running', 'j', now(), id from remat.workers where name = 'lost its run';
             insert into remat.events (source, action, at) select 'cli', 'apply', now() - d * interval '1 day' from generate_series(399, 0, -1) d",
        )
        .await
        .unwrap();
    let events = app.count("select count(*) from remat.events where at < now() - interval '365 days'").await;
    let gone = prune_all(&app, &Retention::default()).await;
    assert_eq!(
        app.text("select string_agg(name, ', ' order by name) from remat.workers").await,
        "alive, lost its run"
    );
    assert_eq!((gone.workers, gone.events), (1, events));
    assert_eq!(
        app.count("select count(*) from remat.events where at < now() - interval '365 days'").await,
        0
    );
}
