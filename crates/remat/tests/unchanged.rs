//! A refresh that would change nothing is skipped where that is proven, and only there.

#![allow(clippy::unwrap_used, reason = "a test panics wherever it must fail")]

mod support;

use remat::{
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    run::Run,
    view::{Definition, Strategy, View},
};
use support::{App, PER_USER};

/// `per_user` as a managed table over `sales`, filled by a refresh, and the plain view `rich` over it.
async fn chain() -> (App, View) {
    let app = App::start().await;
    let view = app.view(Strategy::Merge, PER_USER).await;
    app.refresh(&view).await.check().unwrap();
    app.db.execute("create view rich as select user_id, cents from per_user where cents > 5000").await;
    (app, view)
}

fn matview(name: &str, query: &str) -> Definition {
    let name = RelationName::new("public", name).unwrap();
    Definition { strategy: Strategy::Regular, ..Definition::new(name, query) }
}

fn managed(name: &str, key: &str, query: &str) -> Definition {
    Definition { strategy: Strategy::Merge, key: vec![Identifier::new(key).unwrap()], ..matview(name, query) }
}

/// Defines a view, creates it and refreshes it once, so that a run keeps its basis if it has one.
async fn filled(app: &App, definition: &Definition) -> View {
    let view = app.create(definition).await;
    let run = app.refresh(&view).await;
    run.check().unwrap_or_else(|error| panic!("{error}: {}", definition.query));
    view
}

async fn is_proven(app: &App, view: &View) -> bool {
    let sql = format!("select count(remat.unchanged_since({}))", view.id);
    app.count(&sql).await == 1
}

async fn is_skipped(app: &App, view: &View) -> bool {
    let run = app.refresh(view).await;
    run.check().unwrap();
    let skipped = run.strategy.as_deref() == Some("skip");
    app.assert_equal(view).await;
    skipped
}

#[tokio::test]
async fn queries_of_pure_functions_over_managed_tables_are_proven() {
    let (app, _) = chain().await;
    for (n, query) in [
        "select 1 as id",
        "select g as id from generate_series(1, 3) g",
        "values (1, 'a'), (2, 'b')",
        "select user_id, cents * 2 as c from per_user where sales > 3 and user_id is not null",
        "select count(*) as n, sum(cents)::text as t, max(sales) as m, avg(cents) as a from per_user",
        "select user_id, row_number() over (order by cents desc, user_id) as r from per_user",
        "select p.user_id, coalesce(q.cents, 0) as c, case when p.sales > 1 then 'a' else 'b' end as k, greatest(1, 2) as g
         from per_user p left join rich q using (user_id)",
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select n from r",
        "select user_id from per_user where user_id = any (array[1, 2, 3]) union select user_id from rich group by grouping sets ((user_id))",
        "select lower('A' || user_id::text) as l from per_user where exists (select from rich r where r.user_id = per_user.user_id)",
    ]
    .into_iter()
    .enumerate()
    {
        let view = filled(&app, &matview(&format!("m{n}"), query)).await;
        assert!(is_proven(&app, &view).await, "{query}");
        assert!(is_skipped(&app, &view).await, "{query}");
    }
}

const OBJECTS: &str = "
create function f_sql(int) returns int language sql immutable as 'select $1';
create function f_plpgsql(int) returns int language plpgsql immutable as 'begin return $1; end';
create function f_internal(int) returns int language internal immutable as 'int4abs';
create aggregate f_sum(int) (sfunc = int4pl, stype = int);
create operator ### (leftarg = int, rightarg = int, function = int4pl);
create domain positive as int check (value > 0);
create type mood as enum ('good', 'bad');
create sequence s;
create table parts (id int) partition by list (id);
create table part partition of parts default;
create materialized view other as select 1 as id;
create unlogged table fast (id int);
create temp table t (id int);
create function f_table() returns setof int language sql stable as 'select 1';
create view over_sales as select user_id from sales;
create view over_other as select id from other;
create view over_now as select user_id, now() as at from per_user;";

#[tokio::test]
async fn whatever_is_in_doubt_is_not_proven() {
    let (app, _) = chain().await;
    app.db.execute(OBJECTS).await;
    for (n, query) in [
        // what it reads
        "select user_id from sales",
        "select user_id from over_sales",
        "select user_id from per_user where user_id in (select user_id from sales)",
        "select id from other",
        "select id from over_other",
        "select id from parts",
        "select id from part",
        "select id from fast",
        "select last_value from s",
        "select relname::text as name from pg_catalog.pg_class limit 1",
        "select table_name::text as name from information_schema.tables limit 1",
        "select user_id from per_user tablesample system (50)",
        "select ctid::text as place, user_id from per_user",
        // what it calls
        "select user_id, now() as at from per_user",
        "select user_id, at from over_now",
        "select user_id, current_timestamp as at from per_user",
        "select user_id, current_user::text as who from per_user",
        "select user_id, random() as r from per_user",
        "select user_id, to_char(cents, '999') as c from per_user",
        "select user_id, (user_id::text || ' days')::interval as i from per_user",
        "select user_id, nextval('s') as n from per_user",
        "select f_table() as id",
        "select f_sql(user_id) as id from per_user",
        "select f_plpgsql(user_id) as id from per_user",
        "select f_internal(user_id) as id from per_user",
        "select f_sum(user_id) as id from per_user",
        "select user_id ### 1 as id from per_user",
        "select date '2020-01-01' + make_interval(days => user_id) < timestamptz '2020-02-01' as late from per_user",
        "select string_agg(format('%s', user_id), ',') as ids from per_user",
        "select current_setting('work_mem') as w, user_id from per_user",
        // what it is made of
        "select 1::positive as id",
        "select 'good'::mood as m",
        "select per_user as r from per_user",
        "select row(user_id, cents) is null as r from per_user",
]
    .into_iter()
    .enumerate()
    {
        let view = filled(&app, &matview(&format!("m{n}"), query)).await;
        assert!(!is_proven(&app, &view).await, "{query}");
        let run = app.refresh(&view).await;
        assert_eq!(run.strategy.as_deref(), Some("regular"), "{query}: {run:#?}");
    }
}

#[tokio::test]
async fn a_source_that_lost_what_guards_it_proves_nothing() {
    let (app, _) = chain().await;
    let view = filled(&app, &managed("top", "user_id", "select user_id, cents from rich")).await;
    for (harm, repair) in [
        (
            "alter table per_user disable trigger remat_guard",
            "alter table per_user enable trigger remat_guard",
        ),
        (
            "alter table per_user enable replica trigger remat_guard",
            "alter table per_user enable trigger remat_guard",
        ),
        ("alter table per_user enable row level security", "alter table per_user disable row level security"),
        ("alter table per_user set unlogged", "alter table per_user set logged"),
        ("create table child () inherits (per_user)", "drop table child"),
        ("alter table per_user add column more int", "alter table per_user drop column more"),
        ("alter table top disable trigger remat_guard", "alter table top enable trigger remat_guard"),
        (
            "update remat.views set retired_at = now() where view_name = 'per_user'",
            "update remat.views set retired_at = null",
        ),
        (
            "drop trigger remat_guard on per_user",
            "create trigger remat_guard before insert or update or delete or truncate on per_user
             for each statement execute function remat.refuse_write()",
        ),
    ] {
        assert!(is_proven(&app, &view).await, "before: {harm}");
        app.db.execute(harm).await;
        assert!(!is_proven(&app, &view).await, "{harm}");
        app.db.execute(repair).await;
    }
    assert!(is_proven(&app, &view).await);
}

#[tokio::test]
async fn a_change_of_anything_that_it_depends_on_ends_the_proof() {
    let (app, source) = chain().await;
    let view = filled(&app, &managed("top", "user_id", "select user_id, cents from rich")).await;
    assert!(is_skipped(&app, &view).await);
    // A refresh of the source that changes nothing is no change, and nor is one that fails.
    app.refresh(&source).await.check().unwrap();
    assert!(is_skipped(&app, &view).await);
    app.change_sales().await;
    assert!(is_skipped(&app, &view).await, "what the source reads is no concern of this view");
    app.refresh(&source).await.check().unwrap();
    assert!(!is_skipped(&app, &view).await, "the source changed");
    assert!(is_skipped(&app, &view).await);
    app.change_sales().await;
    app.sql.query_one("select remat.refresh_now('per_user', raise_on_failure => true)", &[]).await.unwrap();
    assert!(!is_skipped(&app, &view).await, "the source changed by SQL");
    app.db.execute("create or replace view rich as select user_id, cents + 1 as cents from per_user").await;
    assert!(!is_skipped(&app, &view).await, "a view in between changed");
    assert!(is_skipped(&app, &view).await);
    let forced = CreateOptions { force: true, ..CreateOptions::default() };
    app.remat.create(&source, forced).await.unwrap().check().unwrap();
    assert!(!is_skipped(&app, &view).await, "the source was built anew");
    assert!(is_skipped(&app, &view).await);
    let definition = managed("top", "user_id", "select user_id, cents from rich");
    app.remat.define(&Definition { description: Some("new".into()), ..definition }).await.unwrap();
    assert!(!is_skipped(&app, &view).await, "the definition changed");
}

#[tokio::test]
async fn whoever_asks_for_a_strategy_or_forces_it_gets_the_work_done() {
    let (app, _) = chain().await;
    let view = filled(&app, &managed("top", "user_id", "select user_id, cents from rich")).await;
    let strategy = async |options| app.remat.refresh(&view, options).await.unwrap().strategy.unwrap();
    assert_eq!(strategy(RefreshOptions::default()).await, "skip");
    let asked = RefreshOptions { strategy: Some(Strategy::Merge), ..RefreshOptions::default() };
    assert_eq!(strategy(asked).await, "merge");
    let forced = RefreshOptions { force: true, ..RefreshOptions::default() };
    assert_eq!(strategy(forced).await, "merge");
    assert_eq!(strategy(RefreshOptions::default()).await, "skip");
    app.sql.query_one("select remat.refresh_now('top', raise_on_failure => true)", &[]).await.unwrap();
    assert_eq!(strategy(RefreshOptions::default()).await, "merge", "SQL keeps no basis");
}

#[tokio::test]
async fn a_skip_says_so_and_makes_the_view_fresh() {
    let (app, _) = chain().await;
    let view = filled(&app, &managed("top", "user_id", "select user_id, cents from rich")).await;
    let filled_at = app.text("select max(data_as_of)::text from remat.runs where view_id > 1").await;
    let before = app.text("select clock_timestamp()::text").await;
    let runs: Vec<Run> = vec![app.refresh(&view).await, app.refresh(&view).await];
    for run in &runs {
        let reason = run.reason.clone().unwrap();
        let since = reason.strip_prefix("unchanged: nothing it reads has changed since ").unwrap();
        assert_eq!(
            app.text(&format!("select ('{since}'::timestamptz = '{filled_at}')::text")).await,
            "true",
            "{since}"
        );
        assert_eq!((run.rows_inserted, run.rows_updated, run.rows_deleted), (Some(0), Some(0), Some(0)));
        assert_eq!(run.rows_after, Some(app.count("select count(*) from top").await));
    }
    let sql = format!(
        "select (data_as_of between '{before}' and started_at + '1 minute')::text from remat.last_fill({})",
        view.id
    );
    assert_eq!(app.text(&sql).await, "true", "as new as the proof");
}

#[tokio::test]
async fn a_change_that_commits_after_the_query_ran_is_not_missed_whatever_the_clock_says() {
    let (app, _) = chain().await;
    let view = filled(&app, &managed("top", "user_id", "select user_id, cents from rich")).await;
    // The source's run ends before the view is refreshed, and commits after it.
    app.change_sales().await;
    app.sql
        .batch_execute("begin; select remat.refresh_now('per_user', raise_on_failure => true)")
        .await
        .unwrap();
    let forced = RefreshOptions { force: true, ..RefreshOptions::default() };
    app.remat.refresh(&view, forced).await.unwrap().check().unwrap();
    app.sql.batch_execute("commit").await.unwrap();
    assert!(!is_proven(&app, &view).await);
    assert!(!is_skipped(&app, &view).await);
    assert!(is_skipped(&app, &view).await);
    // The server's clock was set back an hour, and the source changed since.
    app.db
        .execute("update remat.runs set data_as_of = data_as_of + '1 hour', finished_at = finished_at + '1 hour' where view_id > 1")
        .await;
    app.change_sales().await;
    app.sql.query_one("select remat.refresh_now('per_user', raise_on_failure => true)", &[]).await.unwrap();
    assert!(!is_skipped(&app, &view).await);
}

/// Knuth's: good enough to wander about, and the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn after_any_course_of_writes_and_refreshes_a_skipped_view_equals_its_query() {
    for seed in [1, 2] {
        let (app, source) = chain().await;
        let top = filled(&app, &managed("top", "user_id", "select user_id, cents from rich")).await;
        let ranks = "select r.user_id, rank() over (order by r.cents) as place, t.cents as top
                     from per_user r left join top t using (user_id)";
        let ranks = filled(&app, &managed("ranks", "user_id", ranks)).await;
        let total =
            filled(&app, &matview("total", "select sum(place) as s, count(top) as n from ranks")).await;
        let views = [source, top, ranks, total];
        let (mut dice, mut skips, mut works) = (Dice(seed), 0, 0);
        for _ in 0..80 {
            let user = dice.roll(100);
            match dice.roll(8) {
                0 => {
                    app.db.execute(&format!("insert into sales (user_id, cents) values ({user}, 100)")).await;
                }
                1 => {
                    app.db.execute(&format!("update sales set cents = cents where user_id = {user}")).await;
                }
                2 => {
                    app.sql.query_one("select remat.refresh_now('per_user')", &[]).await.unwrap();
                }
                _ => {
                    let view = &views[usize::try_from(dice.roll(4)).unwrap()];
                    if is_skipped(&app, view).await { skips += 1 } else { works += 1 }
                }
            }
        }
        assert!(skips > 5 && works > 5, "{skips} skipped, {works} not");
    }
}
