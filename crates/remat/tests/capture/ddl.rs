//! Whatever becomes of the table, of its columns or of the log: who writes does not notice.

use remat::capture::{Answer, Gap};

use crate::fixture::World;

const ITEMS: &str = "
create schema elsewhere;
create table items (id int primary key, kind text, note text, n int);
insert into items select g, 'k', 'x', g from generate_series(1, 20) g;";

/// Changes the table in each way.
const WRITES: &str = "
insert into items (id) values (1000); update items set id = 1001 where id = 1000; delete from items where id = 1001;";

/// Runs DDL beside a session that has written before, and lets both that and a new one write again.
async fn writers_survive(ddl: &str, writes: &str) -> World {
    let world = World::with(ITEMS).await;
    world.reader("v", "items", &["id", "kind", "n"]).await;
    world.run(WRITES).await;
    world.db.execute(ddl).await;
    world.run(writes).await;
    world.db.execute(writes).await;
    world.run(&format!("begin; {writes} commit")).await;
    world
}

async fn capture_is_sound(world: &World) -> bool {
    world.fingerprint(1).await.is_some()
}

/// Installs again, which repairs; then a reader that had read before the gap must read everything.
async fn is_repaired(world: &World, table: &str, columns: &[&str]) {
    let view = world.number("select id from remat.views").await;
    world.install(view, table, columns).await.unwrap();
    assert!(capture_is_sound(world).await);
    world.run("drop table copy_1").await;
    let reader = crate::fixture::Reader::new(world, view, 1, table, columns).await;
    assert_eq!(reader.read().await, Answer::Reset(Gap::Altered));
    world.run(&WRITES.replace("items", table)).await;
    reader.sees(4).await;
}

#[tokio::test]
async fn a_renamed_column_is_captured_on() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "kind", "n"]).await;
    world.run(WRITES).await;
    world.db.execute("alter table items rename column n to \"M \"\"\"").await;
    world.run("insert into items values (30, 'a', 'b', 7)").await;
    let log = format!("remat_log.t{} where a1 = 30", reader.capture);
    assert_eq!(world.number(&format!("select a4 from {log}")).await, 7);
    assert!(capture_is_sound(&world).await);
}

#[tokio::test]
async fn other_columns_may_come_and_go() {
    let ddl = "alter table items add column more int default 3, add column yet text default clock_timestamp();
               alter table items alter column more type text, drop column yet, alter column note type int using 1";
    let world = writers_survive(ddl, WRITES).await;
    assert!(capture_is_sound(&world).await);
    assert_eq!(world.number("select count(*) from remat_log.t1 where a2 is null").await, 4 * 4);
}

#[tokio::test]
async fn a_column_may_go_that_stands_before_a_captured_one() {
    let world = writers_survive("alter table items drop column note", WRITES).await;
    assert!(!capture_is_sound(&world).await);
    assert_eq!(world.number("select count(*) from remat_log.t1 where sign = 0").await, 3 * 3);
    is_repaired(&world, "items", &["id", "kind", "n"]).await;
}

#[tokio::test]
async fn a_table_may_be_renamed_and_moved() {
    let moved = WRITES.replace("items", "elsewhere.things");
    let ddl = "alter table items rename to things; alter table things set schema elsewhere";
    let world = writers_survive(ddl, &moved).await;
    assert!(capture_is_sound(&world).await);
    assert_eq!(world.number("select count(*) from remat_log.t1").await, 4 * 4);
}

#[tokio::test]
async fn a_captured_column_may_be_dropped_with_cascade() {
    let world = writers_survive("alter table items drop column n cascade", WRITES).await;
    assert!(!capture_is_sound(&world).await);
    is_repaired(&world, "items", &["id", "kind"]).await;
}

#[tokio::test]
async fn the_type_of_a_captured_column_may_change_once_the_view_is_dropped() {
    let ddl = "drop view remat_log.v1; alter table items alter column n type text using n || 'x'";
    let world = writers_survive(ddl, WRITES).await;
    assert!(!capture_is_sound(&world).await);
    is_repaired(&world, "items", &["id", "kind", "n"]).await;
}

#[tokio::test]
async fn every_part_of_a_capture_may_be_dropped_or_taken_away() {
    for ddl in [
        "drop table remat_log.n1 cascade",
        "drop table remat_log.o1 cascade",
        "drop view remat_log.t1",
        "drop view remat_log.v1",
        "drop function remat_log.capture_1 cascade",
        "alter table remat_log.n1 rename to n2",
        "alter table remat_log.o1 rename to o2",
        "alter view remat_log.t1 rename to t2",
        "alter view remat_log.v1 rename to v2",
        "drop trigger remat_1_update on items",
        "alter table items disable trigger remat_1_insert",
        "alter table items disable trigger all",
    ] {
        let world = writers_survive(ddl, WRITES).await;
        assert!(!capture_is_sound(&world).await, "{ddl}");
        is_repaired(&world, "items", &["id", "kind", "n"]).await;
    }
}

#[tokio::test]
async fn the_schemas_of_remat_may_be_dropped_or_renamed() {
    for ddl in [
        "drop schema remat_log cascade",
        "alter schema remat_log rename to old_log",
        "drop schema remat cascade",
        "drop schema remat_log cascade; drop schema remat cascade; drop schema remat_query cascade",
    ] {
        writers_survive(ddl, WRITES).await;
        writers_survive(ddl, "truncate items;").await;
    }
}

#[tokio::test]
async fn a_writer_does_not_need_the_installer_to_keep_its_rights() {
    let world = World::with(ITEMS).await;
    let installer = world.db.create_role("i").await;
    world
        .run(&format!("alter table items owner to {installer}; alter schema public owner to {installer}"))
        .await;
    world.reader("v", "items", &["id"]).await;
    for ddl in [
        format!("alter function remat_log.capture_1() owner to {installer}"),
        format!(
            "alter function remat_log.capture_1() owner to {installer}; grant usage on schema remat_log to {installer}"
        ),
        format!("alter table remat_log.n1 owner to {installer}"),
    ] {
        world.db.execute(&ddl).await;
        world.run(WRITES).await;
    }
}

#[tokio::test]
async fn a_snapshot_from_before_the_ddl_writes_after_it() {
    let world = World::with(ITEMS).await;
    world.reader("v", "items", &["id", "n"]).await;
    world.run("begin isolation level repeatable read; select count(*) from remat.captures").await;
    world.db.execute("alter table items rename column n to m; alter table items drop column note").await;
    world.run(&format!("{WRITES} commit")).await;
    world.run("begin isolation level repeatable read; select count(*) from remat.captures").await;
    world.db.execute("alter table items drop column m cascade").await;
    world.run(&format!("{WRITES} commit")).await;
}

#[tokio::test]
async fn ddl_stands_between_the_writes_of_one_transaction() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    let ddl = "alter table items rename column n to m; alter table items add column more int default 3;";
    world
        .run(&format!("begin; {WRITES} {ddl} {WRITES} alter table items drop column kind; {WRITES} commit"))
        .await;
    let logged = |sign: &str| format!("select count(*) from remat_log.t{} where sign {sign}", reader.capture);
    assert_eq!(world.number(&logged("<> 0")).await, 8);
    assert_eq!(world.number(&logged("= 0")).await, 3);
}

#[tokio::test]
async fn a_partition_may_leave_and_change_and_be_dropped() {
    let world = World::with(
        "create table parted (id int, n int, k text) partition by range (id);
         create table p1 partition of parted for values from (0) to (10);
         create table p2 partition of parted for values from (10) to (20);
         create table p3 partition of parted for values from (20) to (30);",
    )
    .await;
    let reader = world.reader("v", "parted", &["id", "n"]).await;
    world.run("insert into p1 values (1, 1); insert into p2 values (11, 1)").await;
    reader.sees(2).await;
    world
        .db
        .execute("alter table parted detach partition p1; alter table p1 drop column n; drop table p3")
        .await;
    world
        .run("insert into p1 values (2); update p1 set id = 3; delete from p1; insert into p2 values (12, 2)")
        .await;
    assert_eq!(world.number("select count(*) from remat_log.t1 where a1 in (2, 3)").await, 0);
    assert_eq!(reader.read().await, Answer::Reset(Gap::Altered));
    world.run("create table p4 partition of parted for values from (30) to (40)").await;
    assert_eq!(reader.read().await, Answer::Reset(Gap::Unguarded));
    world.install(reader.view, "parted", &["id", "n"]).await.unwrap();
    assert_eq!(reader.read().await, Answer::Reset(Gap::Altered));
    world.run("insert into p4 values (30, 4)").await;
    reader.sees(1).await;
}
