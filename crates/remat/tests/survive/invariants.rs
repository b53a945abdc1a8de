//! What must be true after any fault, once everything has ended.

use remat_testkit::wait_until;

use crate::world::{STRATEGIES, World};

/// Each is a query for what is wrong; it must find nothing.
const WRONGS: [(&str, &str); 10] = [
    ("a run that never ended", "select id, status from remat.runs where status in ('pending', 'running', 'unknown')"),
    (
        "a success that the server did not commit",
        "select id, operation from remat.runs r where status = 'success' and operation <> 'delete'
         and not exists (select from done d where d.run = r.id)",
    ),
    (
        "a run that the server committed and that says otherwise",
        "select r.id, r.status, r.error_message from done d left join remat.runs r on r.id = d.run
         where r.status is distinct from 'success'",
    ),
    ("two refreshes of one view at once", "select last_value from together where is_called"),
    (
        "a time that was dealt with twice",
        "select job_name, view_id, fire_at, count(*) from remat.fires group by 1, 2, 3 having count(*) > 1",
    ),
    (
        "a time that was dealt with and has no run, or several",
        "select f.id, f.fire_at, f.runs, count(r.id) from remat.fires f
         left join remat.runs r on r.fire_id = f.id and r.retry_of is null
         where f.outcome = 'enqueued' and f.job_name is not null group by f.id having count(r.id) <> 1",
    ),
    (
        "a run that was tried again twice, or although it had succeeded, or out of count",
        "select r.id, r.status, r.attempt, array_agg(again.id), array_agg(again.attempt) from remat.runs r
         join remat.runs again on again.retry_of = r.id group by r.id
         having count(*) > 1 or r.status not in ('failed', 'cancelled') or max(again.attempt) <> r.attempt + 1
             or r.meta->>'retried_by' is distinct from max(again.id)::text",
    ),
    (
        "a run that answers for another and is not there",
        "select id, meta from remat.runs r where meta ? 'into'
         and not exists (select from remat.runs winner where winner.id = (r.meta->>'into')::bigint)",
    ),
    (
        "a relation that was left behind",
        "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where relname like '%remat_new%' or relname like '%remat_old%' or (c.relpersistence = 't' and c.relkind = 'r')",
    ),
    ("a prepared transaction", "select gid from pg_prepared_xacts where database = current_database()"),
];

/// The same, where the clock went steadily.
const WRONG_TIMES: [(&str, &str); 2] = [
    (
        "two claimed runs of one view whose times overlap",
        "select a.id, a.status, a.started_at, a.finished_at, b.id as other, b.status as other_status,
                b.started_at as other_started_at, b.finished_at as other_finished_at
         from remat.runs a join remat.runs b on b.view_id = a.view_id and b.id <> a.id and b.started_at >= a.started_at
         where a.started_at < b.finished_at and b.started_at < a.finished_at
         and 'skipped' not in (a.status, b.status) and a.worker_id is not null and b.worker_id is not null",
    ),
    (
        "a time that was passed over",
        "select j.name, j.created_at, max(f.fire_at) as newest, sum(1 + f.missed) as dealt_with,
                extract(epoch from max(f.fire_at) - date_trunc('second', j.created_at)) as fell_due
         from remat.scheduled_jobs j join remat.fires f on f.job_name = j.name
         where j.schedule = '* * * * * *' and j.created_at = j.updated_at
         group by j.name
         having sum(1 + f.missed) <> extract(epoch from max(f.fire_at) - date_trunc('second', j.created_at))",
    ),
];

/// What the server still holds for a moment after its clients have ended.
const HELD: [(&str, &str); 2] = [
    (
        "an advisory lock that nobody gave back",
        "select classid, objid, pid from pg_locks where locktype = 'advisory'
         and database = (select oid from pg_database where datname = current_database())",
    ),
    (
        "a session of a daemon that has ended",
        "select pid, state, query from pg_stat_activity where datname = current_database() and application_name = 'remat'",
    ),
];

/// Panics with what is wrong. `promised` are runs that somebody was told of.
pub(crate) async fn check(world: &World, promised: &[i64]) {
    let mut found = wrongs(world, &WRONG_TIMES).await;
    for strategy in STRATEGIES {
        found.extend(contents(world, strategy.as_str()).await);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    check_but_times(world, promised).await;
}

/// The same where the clock jumped, so that no times can be compared.
pub(crate) async fn check_but_times(world: &World, promised: &[i64]) {
    for (wrong, sql) in HELD {
        wait_until(&format!("there is not {wrong}"), async || world.lines(sql).await.is_empty()).await;
    }
    let mut found = wrongs(world, &WRONGS).await;
    let lost = format!(
        "select p as promised from unnest('{}'::bigint[]) p where not exists (select from remat.runs r where r.id = p)",
        format!("{promised:?}").replace('[', "{").replace(']', "}")
    );
    found.extend(
        world.lines(&lost).await.iter().map(|line| format!("a run that was promised and is gone: {line}")),
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

async fn wrongs(world: &World, queries: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for (wrong, sql) in queries {
        let lines = world.lines(sql).await;
        if !lines.is_empty() {
            found.push(format!("{wrong}: {} such: {:#?}", lines.len(), &lines[..lines.len().min(5)]));
        }
    }
    found
}

/// The contents of a view are those of its newest success.
async fn contents(world: &World, view: &str) -> Option<String> {
    let sql = format!(
        "select c.run as contents, r.id as newest from (select distinct run from public.{view}) c
         full join (select r.id from remat.runs r join remat.views v on v.id = r.view_id
                    where v.view_name = '{view}' and r.status = 'success' order by r.finished_at desc limit 1) r
         on c.run = r.id where c.run is null or r.id is null"
    );
    let lines = world.lines(&sql).await;
    (!lines.is_empty())
        .then(|| format!("the contents of {view} are not those of its newest success: {lines:?}"))
}

/// What happened, for whoever reads the output of a soak.
pub(crate) async fn tell(world: &World, scenario: &str) {
    let sql = "select operation, status, meta->>'failure' as failure, count(*) from remat.runs group by 1, 2, 3 order by 1, 2, 3";
    eprintln!("{scenario}: {:#?}", world.lines(sql).await);
}
