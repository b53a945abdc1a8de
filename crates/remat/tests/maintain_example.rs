//! The views of the example follow the changes of their tables by what the compiler gives for them.
//!
//! The compiler alone is tried, over a log that the test keeps itself: after each batch of changes, and as time passes, the
//! public table must hold what the query gives in the same snapshot.

#![allow(clippy::unwrap_used, reason = "a test panics wherever it must fail")]

#[path = "compiler/catalog.rs"]
mod catalog;

use std::{collections::BTreeMap, fs, path::Path};

use remat_sql::{
    catalog::{Catalog, Column},
    maintain::{Plan, Turn, Types, View, compile, questions},
    read,
};
use remat_testkit::TestDb;
use tokio_postgres::Client;

const TABLES: [&str; 3] = ["timeline_analyses", "points_events", "users"];

/// The key of each view.
const KEYS: [(&str, &[&str]); 9] = [
    ("analysis_correlations", &["metric_a", "metric_b"]),
    ("analysis_type_stats", &["analysis_type"]),
    ("daily_analysis_trends", &["day"]),
    ("landing_hero_stats", &["id"]),
    ("leaderboard_global", &["user_id"]),
    ("leaderboard_weekly", &["user_id"]),
    ("recent_activity", &["analysis_id"]),
    ("top_active_users", &["user_id"]),
    ("user_analysis_summary", &["user_id"]),
];

fn example(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/skyflow").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text = |path: &std::path::PathBuf| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    };
    files.iter().map(text).collect()
}

struct Followed {
    name: String,
    plan: Plan,
}

async fn types_of(sql: &Client, view: View<'_>) -> Types {
    let mut types = BTreeMap::new();
    for question in questions(view) {
        let statement = sql.prepare(&question).await.unwrap();
        let name = |column: &tokio_postgres::Column| format_type(column.type_().name());
        types.insert(question, statement.columns().iter().map(name).collect());
    }
    types
}

fn format_type(name: &str) -> String {
    match name {
        "int4" => "integer".into(),
        "int8" => "bigint".into(),
        "int2" => "smallint".into(),
        "float8" => "double precision".into(),
        other => other.into(),
    }
}

async fn compiled(sql: &Client, catalog: &Catalog, name: &str, key: &[&str]) -> Plan {
    let definition = format!("select pg_get_viewdef('public.{name}'::regclass)");
    sql.batch_execute("set search_path = ''").await.unwrap();
    let text: String = sql.query_one(&definition, &[]).await.unwrap().get(0);
    sql.batch_execute("set search_path = public").await.unwrap();
    let query = read(&text, catalog).unwrap();
    let of = "select attname::text, format_type(atttypid, atttypmod) from pg_attribute where attrelid = $1::text::regclass and attnum > 0 order by attnum";
    let columns: Vec<_> = sql
        .query(of, &[&name])
        .await
        .unwrap()
        .iter()
        .map(|row| Column { name: row.get(0), type_name: row.get(1), not_null: false })
        .collect();
    let key: Vec<_> = key.iter().map(|&name| name.to_owned()).collect();
    let mut types = Types::new();
    loop {
        let view = View { query: &query, catalog, columns: &columns, key: &key, types: &types };
        let more = types_of(sql, view).await;
        if more.is_empty() {
            return compile(view).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        }
        types.extend(more);
    }
}

/// What stands in the gaps; each changed table has its log.
fn turn(name: &str, plan: &Plan, since: &str, changed: &[String]) -> Turn {
    let change = |source: &remat_sql::maintain::Source| {
        let table = &source.relation.name;
        changed.contains(table).then(|| format!("(select * from public.ch_{table})"))
    };
    Turn {
        public: format!("public.t_{name}"),
        hidden: (0..plan.hidden.len()).map(|n| format!("public.s_{name}_{n}")).collect(),
        changes: plan.sources.iter().map(change).collect(),
        since: format!("'{since}'::pg_catalog.timestamptz"),
    }
}

async fn difference(sql: &Client, name: &str) -> i64 {
    let differing = format!(
        "select count(*) from (
           (select q::text from public.{name} q except all select t::text from public.t_{name} t)
           union all
           (select t::text from public.t_{name} t except all select q::text from public.{name} q)) d"
    );
    sql.query_one(&differing, &[]).await.unwrap().get(0)
}

/// Logs what changes, as the real capture does.
async fn keep_logs(sql: &Client) {
    for table in TABLES {
        sql.batch_execute(&format!(
            "create table ch_{table} as select 1 as remat_w, t.* from {table} t with no data;
             create function log_{table}() returns trigger language plpgsql as $$
             begin
               if tg_op in ('UPDATE', 'DELETE') then insert into ch_{table} select -1, o.* from o; end if;
               if tg_op in ('UPDATE', 'INSERT') then insert into ch_{table} select 1, n.* from n; end if;
               return null;
             end $$;
             create trigger i after insert on {table} referencing new table as n for each statement execute function log_{table}();
             create trigger u after update on {table} referencing new table as n old table as o for each statement execute function log_{table}();
             create trigger d after delete on {table} referencing old table as o for each statement execute function log_{table}();"
        )).await.unwrap();
    }
}

/// The example's tables with its views over them, and beside each view a table that follows it; and the time as of which
/// they were filled.
async fn filled(sql: &Client) -> (Vec<Followed>, String) {
    for (_, script) in example("schema").into_iter().chain(example("seed")) {
        sql.batch_execute(&script).await.unwrap();
    }
    sql.batch_execute(
        "set timezone = 'UTC'; select skyflow_seed_users(60); select skyflow_seed_analyses(1, 3000);",
    )
    .await
    .unwrap();
    for (name, text) in example("views") {
        let (_, query) = remat_sql::leading_comment(&text).unwrap();
        sql.batch_execute(&format!("create view public.{name} as {query}")).await.unwrap();
    }
    keep_logs(sql).await;
    let catalog = catalog::read(sql).await;
    let mut followed = Vec::new();
    let names: Vec<_> = example("views").into_iter().map(|(name, _)| name).collect();
    for name in names {
        let key = KEYS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name}")).1;
        let plan = compiled(sql, &catalog, &name, key).await;
        followed.push(Followed { name, plan });
    }
    // Filled as of one moment, and some time passes before the first refresh.
    sql.batch_execute("begin isolation level repeatable read").await.unwrap();
    let since: String = sql.query_one("select now()::text", &[]).await.unwrap().get(0);
    for Followed { name, plan } in &followed {
        let turn = turn(name, plan, &since, &[]);
        let key = KEYS.iter().find(|(known, _)| known == name).unwrap().1.join(", ");
        sql.batch_execute(&format!("create table public.t_{name} as select * from public.{name}; alter table t_{name} add primary key ({key})")).await.unwrap();
        for statement in plan.create(&turn).into_iter().chain(plan.fill(&turn)) {
            sql.batch_execute(&statement)
                .await
                .unwrap_or_else(|error| panic!("{name}: {error:?}\n{statement}"));
        }
    }
    sql.batch_execute("commit").await.unwrap();
    (followed, since)
}

#[tokio::test]
async fn every_view_of_the_example_follows_changes_and_the_clock() {
    let db = TestDb::create().await;
    let sql = db.connect().await;
    let (followed, mut since) = filled(&sql).await;
    for round in 0..12 {
        let churn = [40, 300, 1, 120][round % 4];
        sql.batch_execute(&format!("select * from skyflow_churn({churn})")).await.unwrap();
        if round % 3 == 1 {
            sql.batch_execute("update users set handle = handle || 'x' where id in (select id from users order by id limit 3)").await.unwrap();
        }
        if round % 4 == 2 {
            // Days pass for the rows, as they would for the clock.
            sql.batch_execute("update timeline_analyses set analyzed_at = analyzed_at - interval '2 days' where user_id in (select id from users limit 9);
                delete from timeline_analyses where user_id = (select id from users order by id desc limit 1)").await.unwrap();
        }
        // The edge of each window comes upon some rows between this refresh and the last.
        sql.batch_execute(&format!(
            "update timeline_analyses set analyzed_at = now() - interval '1 day' * (array[1, 30, 90])[1 + {round} % 3] + interval '0.1 s' * random()
             where id in (select id from timeline_analyses order by id offset {} limit 20);
             update points_events set earned_at = now() - interval '7 days' + interval '0.1 s' * random()
             where id in (select id from points_events order by id offset {} limit 20);", round * 30, round * 20)).await.unwrap();
        sql.batch_execute("begin isolation level repeatable read").await.unwrap();
        let mut changed = Vec::new();
        for table in TABLES {
            let any: bool =
                sql.query_one(&format!("select exists (select from ch_{table})"), &[]).await.unwrap().get(0);
            if any {
                changed.push(table.to_owned());
            }
        }
        for Followed { name, plan } in &followed {
            let turn = turn(name, plan, &since, &changed);
            for statement in plan.refresh(&turn) {
                let rows = sql
                    .query(&statement, &[])
                    .await
                    .unwrap_or_else(|error| panic!("{name}: {error:?}\n{statement}"));
                let counts: Vec<i64> = rows[0].get(0);
                assert_eq!(counts[1], counts[0] - counts[2] + counts[4], "{name}: a key is not unique");
            }
            let differing = difference(&sql, name).await;
            assert_eq!(differing, 0, "round {round}: {name} differs\n{}", plan.refresh(&turn).join(";\n\n"));
        }
        since = sql.query_one("select now()::text", &[]).await.unwrap().get(0);
        sql.batch_execute(
            "delete from ch_timeline_analyses; delete from ch_points_events; delete from ch_users; commit",
        )
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn an_index_leads_from_a_change_to_what_it_is_joined_with_and_to_the_first_rows() {
    let db = TestDb::create().await;
    let sql = db.connect().await;
    let (followed, since) = filled(&sql).await;
    let plan = |wanted: &str| &followed.iter().find(|followed| followed.name == wanted).unwrap().plan;
    // A path by an index is taken wherever there is one.
    sql.batch_execute("set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off")
        .await
        .unwrap();
    for name in ["leaderboard_weekly", "top_active_users", "recent_activity"] {
        let plan = plan(name);
        for statement in plan.refresh(&turn(name, plan, &since, &TABLES.map(str::to_owned))) {
            let rows = sql.query(&format!("explain (costs off) {statement}"), &[]).await.unwrap();
            let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let whole = TABLES.map(|table| format!("Seq Scan on {table}"));
            let found: Vec<_> =
                lines.iter().filter(|line| whole.iter().any(|whole| line.contains(whole))).collect();
            assert!(found.is_empty(), "{name}: {found:?}");
        }
    }
    assert_eq!(plan("top_active_users").hidden[0].indexes, [["n desc", "a4 desc", "k0"]]);
}
