//! One view: which way it goes, what is counted, what the caller keeps.

use remat::{
    name::{Identifier, RelationName},
    store::views,
    view::Strategy,
};
use remat_testkit::wait_until;
use serde_json::json;

use crate::fixture::{Fixture, PAUSES};

#[tokio::test]
async fn estimated_rows_are_right_after_each_kind_of_refresh() {
    let f = Fixture::new().await;
    f.indexed("plain", |d| d.strategy = Strategy::Regular).await;
    f.indexed("beside", |d| d.strategy = Strategy::Concurrent).await;
    let columns =
        "status, strategy, rows_before, rows_after, coalesce(rows_inserted, -1), coalesce(rows_deleted, -1)";
    f.run("delete from source where k <= 10; insert into source values (500, 1), (501, 1)").await;
    assert_eq!(f.refresh("'plain'", columns).await, "success|regular|100|92|-1|-1");
    assert_eq!(f.refresh("'beside'", columns).await, "success|concurrent|100|92|2|10");
    // The server's own estimate does not move with a concurrent refresh; the chain of runs does.
    f.run("insert into source values (502, 1); update source set v = 0 where k = 500").await;
    assert_eq!(f.refresh("'beside'", columns).await, "success|concurrent|92|93|2|1");
    assert_eq!(f.refresh("'plain'", columns).await, "success|regular|92|93|-1|-1");
}

#[tokio::test]
async fn counts_hold_when_a_view_is_refreshed_twice_in_one_transaction() {
    let f = Fixture::new().await;
    f.indexed("v", |d| d.strategy = Strategy::Regular).await;
    f.run("begin").await;
    assert_eq!(f.refresh("'v'", "rows_after").await, "100");
    f.run("delete from source where k > 40").await;
    assert_eq!(f.refresh("'v'", "rows_before, rows_after").await, "100|40");
    f.run("update remat.views set strategy = 'concurrent'; insert into source values (0, 0)").await;
    assert_eq!(f.refresh("'v'", "rows_before, rows_after, rows_inserted, rows_deleted").await, "40|41|1|0");
    f.run("update remat.views set strategy = 'regular'").await;
    assert_eq!(f.refresh("'v'", "rows_before, rows_after").await, "41|41");
    f.run("commit").await;
}

#[tokio::test]
async fn rows_are_counted_as_asked() {
    let f = Fixture::new().await;
    f.indexed("v", |d| d.strategy = Strategy::Concurrent).await;
    let columns = "coalesce(rows_before, -1), coalesce(rows_after, -1), meta->>'row_count_strategy'";
    assert_eq!(f.refresh("'v', 'none'", columns).await, "-1|-1|none");
    // Somebody else's refresh makes the chain of runs wrong; counting does not rely on it.
    f.run("delete from source where k = 1; refresh materialized view v; delete from source where k = 2")
        .await;
    assert_eq!(f.refresh("'v', 'exact'", columns).await, "99|98|exact");
    f.run("set track_counts = off; insert into source values (700, 1)").await;
    assert_eq!(f.refresh("'v', 'exact'", columns).await, "98|99|exact");
    assert_eq!(f.refused("select remat.refresh_now('v', 'roughly')").await.1, "22023");
}

#[tokio::test]
async fn an_unpopulated_view_is_filled_plainly_and_the_run_says_so() {
    let f = Fixture::new().await;
    f.indexed("v", |d| d.strategy = Strategy::Concurrent).await;
    f.run("refresh materialized view v with no data").await;
    assert_eq!(
        f.refresh("'v'", "status, strategy, rows_before, rows_after, reason").await,
        "success|regular|0|100|the view was not populated, so it was refreshed plainly"
    );
}

#[tokio::test]
async fn a_swap_without_a_remat_process_goes_concurrently_or_plainly_and_says_why() {
    let f = Fixture::new().await;
    f.indexed("with_index", |d| d.strategy = Strategy::Swap).await;
    f.view("without", "select k from source", |d| d.strategy = Strategy::Swap).await;
    assert_eq!(
        f.refresh("'with_index'", "strategy, reason").await,
        "concurrent|swap needs a remat process; refreshed concurrently"
    );
    assert_eq!(
        f.refresh("'without'", "strategy, reason").await,
        "regular|swap needs a remat process; refreshed plainly. It has no unique index."
    );
}

#[tokio::test]
async fn contents_follow_the_settings_of_the_view_and_the_caller_keeps_its_own() {
    let f = Fixture::new().await;
    let query = "select current_setting('timezone') as zone, current_setting('work_mem') as memory";
    f.view("v", query, |d| {
        d.settings.time_zone = "Asia/Tokyo".into();
        d.settings.parameters.insert("work_mem".into(), "7MB".into());
    })
    .await;
    f.view("broken", "select 1 / (select count(*) from source) as k", |_| ()).await;
    f.run(
        "truncate source; set timezone = 'America/Lima'; set search_path = pg_catalog; set work_mem = '5MB'",
    )
    .await;
    f.run("begin; set local lock_timeout = '3s'; set local datestyle = 'German'").await;
    let mine = "concat_ws('|', current_setting('timezone'), current_setting('search_path'), current_setting('work_mem'),
                current_setting('lock_timeout'), current_setting('datestyle'), current_setting('role'))";
    let before = f.ask(mine).await;
    assert_eq!(f.refresh("'v'", "status, error_message").await, "success");
    assert_eq!(f.ask(mine).await, before);
    assert_eq!(f.refresh("'broken'", "status").await, "failed");
    assert_eq!(f.ask(mine).await, before);
    f.run("commit").await;
    assert_eq!(f.ask("select zone || memory from public.v").await, "Asia/Tokyo7MB");
}

#[tokio::test]
async fn data_as_of_is_taken_before_the_query_looks() {
    let f = Fixture::new().await;
    f.view("v", "select clock_timestamp() as seen from source limit 1", |_| ()).await;
    let run = f.ask("remat.refresh_now('v')").await;
    let honest =
        format!("select started_at <= data_as_of and data_as_of <= seen from remat.runs, v where id = {run}");
    assert_eq!(f.ask(&honest).await, "true");
}

#[tokio::test]
async fn rows_that_arrive_while_a_refresh_waits_are_in_it_and_data_as_of_says_so() {
    let f = Fixture::new().await;
    f.view("v", "select k from source", |d| d.settings.lock_budget_ms = 60_000).await;
    let mut reader = f.db.connect().await;
    let reading = reader.transaction().await.unwrap();
    reading.query("select from v limit 1", &[]).await.unwrap();
    let refresh = f.run("select remat.refresh_now('v')");
    let arrive = async {
        wait_until("the refresh waits for the reader", async || f.db.query_one_i64(PAUSES).await == 1).await;
        f.db.execute(
            "create table arrived as select clock_timestamp() as at; insert into source values (5000, 1)",
        )
        .await;
        reading.rollback().await.unwrap();
    };
    tokio::join!(refresh, arrive);
    assert_eq!(f.ask("select count(*) from v where k = 5000").await, "1");
    assert_eq!(f.ask("select data_as_of > at and lock_wait_ms > 0 from remat.runs, arrived").await, "true");
}

#[tokio::test]
async fn names_of_any_legal_kind_are_refreshed() {
    let f = Fixture::new().await;
    let names = [
        "He said \"hi\"",
        "semi;drop table source",
        "per%cent %I %s",
        "dot.ted",
        "new\nline",
        "ünïcode 🦀",
        "order",
    ];
    f.run("create schema \"Odd \"\"Schema\"").await;
    for name in names {
        let name = RelationName::new("Odd \"Schema", name).unwrap();
        f.view_in(name.schema.as_str(), name.name.as_str(), "select k from source", |_| ()).await;
        f.run(&format!("create unique index on {} (k)", name.to_sql())).await;
        let call = format!("$n${}$n$", name.to_sql());
        let run = f.refresh(&call, "status, strategy, meta->>'view'").await;
        assert_eq!(run, format!("success|concurrent|{name}"));
    }
    assert_eq!(
        f.ask("select count(*) from remat.refresh_audience_views() where status = 'success'").await,
        "7"
    );
    assert_eq!(f.ask("select count(*) from source").await, "100");
}

#[tokio::test]
async fn an_older_snapshot_is_refused_before_anything_happens() {
    let f = Fixture::new().await;
    f.indexed("v", |_| ()).await;
    for call in ["remat.refresh_now('v')", "remat.refresh_tag('audience')", "remat.refresh_audience_views()"]
    {
        f.run("begin isolation level repeatable read").await;
        let (message, code) = f.refused(&format!("select {call}")).await;
        assert_eq!(message, "a refresh needs a transaction that is read committed, not repeatable read");
        assert_eq!(code, "25000");
        f.run("rollback").await;
    }
    assert_eq!(f.ask("select count(*) from remat.runs").await, "0");
}

#[tokio::test]
async fn an_unknown_view_is_an_error_of_the_caller() {
    let f = Fixture::new().await;
    let (message, code) = f.refused("select remat.refresh_now('sales.daily')").await;
    assert_eq!((message.as_str(), code.as_str()), ("view \"sales.daily\" is not defined", "42704"));
    assert_eq!(f.refused("select remat.is_fresh('a.b.c', '1 s')").await.1, "42704");
    assert_eq!(f.refused("select remat.is_fresh('1 or 1=1', '1 s')").await.1, "22023");
}

/// A managed table `t (k, v)` over `source`, owned by a role that may use nothing of remat, with its stored merge.
async fn managed(f: &Fixture) -> i64 {
    let owner = f.db.create_role("owner").await;
    f.run(&format!("create table t (k int primary key, v int); alter table t owner to {owner}")).await;
    let query = "select k, v from source";
    let key = |d: &mut remat::view::Definition| d.key = vec![Identifier::new("k").unwrap()];
    let id = f.adopt(RelationName::new("public", "t").unwrap(), query, key).await;
    f.run(&format!(
        "create view remat_query.v{id} as {query};
         grant usage, create on schema remat_query to {owner}; grant select on remat_query.v{id} to {owner}"
    ))
    .await;
    let program = json!([
        {"phase": "stage", "counts": "staged", "sql": format!("create unlogged table remat_query.s as select * from remat_query.v{id}")},
        {"phase": "compare", "counts": "before", "reads": true, "sql": "select count(*) from public.t"},
        {"phase": "write", "counts": "deleted", "sql": "delete from public.t t where not exists (select from remat_query.s s where s.k = t.k)"},
        {"phase": "write", "counts": "updated", "sql": "update public.t t set v = s.v from remat_query.s s where s.k = t.k and s.v is distinct from t.v"},
        {"phase": "write", "counts": "inserted", "sql": "insert into public.t select s.* from remat_query.s s where not exists (select from public.t t where s.k = t.k)"},
        {"phase": "write", "counts": null, "sql": "drop table remat_query.s"},
    ]);
    views::set_program(&f.session, id, Some(&program)).await.unwrap();
    id
}

#[tokio::test]
async fn a_stored_merge_runs_as_the_owner_of_its_table() {
    let f = Fixture::new().await;
    managed(&f).await;
    let columns =
        "status, strategy, rows_before, rows_after, rows_inserted, rows_updated, rows_deleted, error_message";
    assert_eq!(f.refresh("'t'", columns).await, "success|merge|0|100|100|0|0");
    f.run("delete from source where k < 4; insert into source values (900, 1); update source set v = 0 where k = 50").await;
    f.run("begin").await;
    assert_eq!(f.refresh("'t'", columns).await, "success|merge|100|98|1|1|3");
    assert_eq!(f.refresh("'t'", columns).await, "success|merge|98|98|0|0|0");
    assert_eq!(
        f.ask("concat(current_setting('role'), current_setting('remat.writing', true))").await,
        "none"
    );
    f.run("commit").await;
    let phases = "(select string_agg(k, ',' order by k) from jsonb_object_keys(meta->'phases_ms') k)";
    assert_eq!(f.refresh("'t'", phases).await, "compare,stage,write");
}

#[tokio::test]
async fn a_merge_whose_key_is_not_unique_or_null_keeps_the_old_contents_and_shows_no_row() {
    let f = Fixture::new().await;
    let id = managed(&f).await;
    f.refresh("'t'", "status").await;
    let columns = "status, error_sqlstate, error_message, error_hint, coalesce(error_detail, '-')";
    f.run("insert into source values (1000, 1), (1000, 2)").await;
    assert_eq!(
        f.refresh("'t'", columns).await,
        format!(
            "failed|23505|the key of view \"public.t\" is not unique in its query's result|Find the duplicates with: \
             select k, count(*) from remat_query.v{id} group by k having count(*) > 1;|-"
        )
    );
    // A duplicate of a row that stands already breaks no index; only the counts do not add up.
    f.run("delete from source where k = 1000; insert into source values (7, 14)").await;
    assert_eq!(f.refresh("'t'", "status, error_sqlstate").await, "failed|21000");
    f.run("delete from source where k = 7; insert into source values (null, 1)").await;
    assert_eq!(
        f.refresh("'t'", columns).await,
        format!(
            "failed|23502|the key of view \"public.t\" is NULL in its query's result|Find the rows with: \
             select * from remat_query.v{id} where num_nulls(k) > 0;|-"
        )
    );
    assert_eq!(f.ask("select count(*) from t").await, "100");
    assert_eq!(f.ask("select current_setting('role')").await, "none");
}

#[tokio::test]
async fn a_view_restored_under_another_object_id_is_taken_over() {
    let f = Fixture::new().await;
    f.indexed("v", |_| ()).await;
    f.run("drop materialized view v; create materialized view v as select k, v from source").await;
    assert_eq!(f.refresh("'v'", "status, error_message").await, "success");
    assert_eq!(f.ask("select relation_oid = 'public.v'::regclass from remat.views").await, "true");
}

#[tokio::test]
async fn a_role_without_grants_cannot_use_it() {
    let f = Fixture::new().await;
    f.indexed("v", |_| ()).await;
    let role = f.db.create_role("stranger").await;
    f.run(&format!("set role {role}")).await;
    for call in [
        "select remat.refresh_now('v')",
        "table remat.runs",
        "select remat.status()",
        "call remat.refresh_group('x')",
    ] {
        assert_eq!(f.refused(call).await.1, "42501", "{call}");
    }
    f.run("reset role").await;
}

#[tokio::test]
async fn a_worker_needs_no_superuser() {
    let f = Fixture::new().await;
    let worker = f.db.create_role("worker").await;
    f.indexed("v", |_| ()).await;
    f.run("drop materialized view v; create materialized view v as select k, v from source").await;
    f.run(&format!(
        "grant usage on schema remat to {worker}; grant select, insert, update, delete on all tables in schema remat to {worker};
         alter materialized view v owner to {worker}; grant select on source to {worker}; set role {worker}"
    ))
    .await;
    let columns = "status, strategy, rows_after, coalesce(error_message, '')";
    assert_eq!(f.refresh("'v'", columns).await, "success|regular|100|");
    f.run("call remat.refresh_group('audience')").await;
    f.run("select remat.prune()").await;
    assert_eq!(f.ask("select state from remat.status()").await, "ok");
    f.run(&format!("reset role; alter materialized view v owner to postgres; set role {worker}")).await;
    let advice = "Grant what the message names: on the sources to the role that owns the view, all else to the role of remat.";
    assert_eq!(
        f.refresh("'v'", "status, error_sqlstate, error_hint").await,
        format!("failed|42501|{advice}")
    );
}
