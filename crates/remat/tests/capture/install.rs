//! Installing, widening and taking away, beside writers.

use remat::{
    capture::{self, Answer, Need},
    failure::FailureKind,
};
use tokio::time::{Duration, timeout};

use crate::fixture::{World, impatient};

const ITEMS: &str = "create table items (id int, n int, k text); insert into items select g, g, 'x' from generate_series(1, 50) g;";

#[tokio::test]
async fn a_second_view_widens_the_one_log() {
    let world = World::with(ITEMS).await;
    let first = world.reader("first", "items", &["n"]).await;
    world.run("insert into items values (51, 1, 'a')").await;
    let second = world.reader("second", "items", &["id", "k"]).await;
    assert_eq!(first.capture, second.capture);
    world.run("insert into items values (52, 2, 'b')").await;
    first.sees(2).await;
    second.sees(1).await;
    // Nothing to do is nothing done.
    let before = world.number("select xmin::text from remat.capture_consumers where view_id = 2").await;
    world.install(second.view, "items", &["id", "k"]).await.unwrap();
    assert_eq!(
        world.number("select xmin::text from remat.capture_consumers where view_id = 2").await,
        before
    );
}

#[tokio::test]
async fn installing_waits_for_writers_and_holds_nobody_up_for_long() {
    let world = World::with(ITEMS).await;
    let view = world.view("v").await;
    world.run("begin; insert into items values (60, 1, 'early')").await;
    let failure = world.install(view, "items", &["id"]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::LockTimeout);
    assert!(failure.complaint.detail.unwrap().contains("Blocked by"));
    let other = world.db.connect().await;
    let needs = [world.need("items", &["id"]).await];
    let settings = impatient();
    let (installed, ()) = tokio::join!(capture::install(&world.session, &settings, view, &needs), async {
        let write = other.batch_execute("insert into items values (61, 1, 'beside')");
        timeout(Duration::from_secs(1), write)
            .await
            .expect("a writer waits for one attempt at most")
            .unwrap();
        world.run("commit").await;
    });
    assert_eq!(installed.unwrap().len(), 1);
}

#[tokio::test]
async fn what_nobody_reads_is_taken_away() {
    let world = World::with(
        "create table items (id int, n int) partition by range (id); create table p1 partition of items for values from (0) to (9)",
    )
    .await;
    let (one, other) = (world.view("one").await, world.view("other").await);
    world.install(one, "items", &["id"]).await.unwrap();
    world.install(other, "items", &["n"]).await.unwrap();
    let left = "select (select count(*) from pg_class where relnamespace = 'remat_log'::regnamespace)
                     + (select count(*) from pg_proc where pronamespace = 'remat_log'::regnamespace)
                     + (select count(*) from pg_trigger where tgname like 'remat%' and tgrelid in ('items'::regclass, 'p1'::regclass))
                     + (select count(*) from remat.captures)";
    capture::remove(&world.session, &impatient(), one).await.unwrap();
    assert!(world.number(left).await > 8);
    capture::remove(&world.session, &impatient(), other).await.unwrap();
    assert_eq!(world.number(left).await, 0);
    world.run("insert into items values (1, 1)").await;
}

#[tokio::test]
async fn a_view_that_reads_another_table_leaves_the_first() {
    let world = World::with(&format!("{ITEMS} create table others (id int);")).await;
    let view = world.view("v").await;
    world.install(view, "items", &["id"]).await.unwrap();
    let second = world.install(view, "others", &["id"]).await.unwrap();
    capture::sweep(&world.session, &impatient()).await.unwrap();
    assert_eq!(world.number("select max(id) from remat.captures having count(*) = 1").await, second);
}

#[tokio::test]
async fn a_view_that_is_retired_or_deleted_holds_no_log() {
    let world = World::with(ITEMS).await;
    let (one, other) =
        (world.reader("one", "items", &["id"]).await, world.reader("other", "items", &["id"]).await);
    world.run(&format!("update remat.views set retired_at = now() where id = {}", one.view)).await;
    let states = "select count(*) from remat.view_states";
    let consumers = "select count(*) from remat.capture_consumers";
    assert_eq!((world.number(states).await, world.number(consumers).await), (1, 1));
    world.run(&format!("delete from remat.views where id = {}", other.view)).await;
    assert_eq!((world.number(states).await, world.number(consumers).await), (0, 0));
    capture::sweep(&world.session, &impatient()).await.unwrap();
    assert_eq!(world.number("select count(*) from remat.captures").await, 0);
}

#[tokio::test]
async fn what_came_with_a_dump_is_replaced() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    // As if all of it had been restored elsewhere.
    world.run("update remat.captures set system = 'elsewhere'; update remat.view_states set system = 'elsewhere'").await;
    world.session.batch("begin isolation level repeatable read").await.unwrap();
    let answer = capture::changes(&world.session, reader.view, 10).await.unwrap()[0].answer;
    assert_eq!(answer, Answer::Reset(capture::Gap::Moved));
    world.session.batch("rollback").await.unwrap();
    let second = world.install(reader.view, "items", &["id", "n"]).await.unwrap();
    capture::sweep(&world.session, &impatient()).await.unwrap();
    assert_ne!(second, reader.capture);
    assert_eq!(
        world
            .number(
                "select count(*) from pg_trigger where tgname like 'remat%' and tgrelid = 'items'::regclass"
            )
            .await,
        4
    );
    assert_eq!(world.number("select count(*) from remat.captures").await, 1);
}

#[tokio::test]
async fn what_cannot_be_captured_is_refused_with_its_reason() {
    let world = World::with(
        "create view a_view as select 1 as id; create materialized view a_matview as select 1 as id;
         create unlogged table unlogged (id int);
         create table parted (id int) partition by range (id); create table part partition of parted for values from (0) to (9);
         create table parent (id int); create table child () inherits (parent); create sequence seq;
         create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
         create foreign table far (id int) server nowhere;
         create table half_far (id int) partition by range (id);
         create foreign table far_part partition of half_far for values from (0) to (9) server nowhere;",
    )
    .await;
    let view = world.view("v").await;
    for (table, reason) in [
        ("a_view", "is a view"),
        ("a_matview", "is a view"),
        ("unlogged", "unlogged"),
        ("part", "stands below another table"),
        ("parent", "inherits"),
        ("child", "stands below another table"),
        ("far", "foreign table"),
        ("half_far", "foreign table"),
        ("pg_class", "catalog"),
        ("information_schema.sql_features", "catalog"),
        ("seq", "no table"),
    ] {
        let needs = [Need { columns: vec![], ..world.need(table, &[]).await }];
        let failure = capture::install(&world.session, &impatient(), view, &needs).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Prerequisite, "{table}");
        assert!(
            failure.complaint.detail.as_ref().unwrap().contains(reason),
            "{table}: {}",
            failure.complaint
        );
    }
    assert_eq!(world.number("select count(*) from remat.captures").await, 0);
    let gone = [Need { table: 4_000_000_000, columns: vec![1] }];
    let failure = capture::install(&world.session, &impatient(), view, &gone).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::UndefinedObject);
    world.run("create temporary table temp (id int)").await;
    let needs = [world.need("temp", &["id"]).await];
    let failure = capture::install(&world.session, &impatient(), view, &needs).await.unwrap_err();
    assert!(failure.complaint.detail.unwrap().contains("temporary"));
}

#[tokio::test]
async fn a_column_that_is_computed_when_it_is_read_is_refused() {
    let world = World::with(ITEMS).await;
    if world.db.server_version_num().await < 180_000 {
        return;
    }
    world.run("alter table items add column twice int generated always as (n * 2) virtual").await;
    let view = world.view("v").await;
    let failure = world.install(view, "items", &["id", "twice"]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Prerequisite);
    // Beside it the others are captured.
    let reader = world.reader("w", "items", &["id", "n"]).await;
    world.run("update items set n = 0 where id = 1").await;
    reader.sees(2).await;
}
