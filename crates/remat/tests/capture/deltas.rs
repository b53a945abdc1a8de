//! Every way to change a table is logged, once.

use remat::capture::{Answer, Gap};

use crate::fixture::World;

const ITEMS: &str = "
create table items (id int primary key, kind text collate \"C\", price numeric(10,2), note text, tags text[]);
insert into items select g, 'k' || g % 5, g, 'n', array['t'] from generate_series(1, 100) g;";

const COLUMNS: [&str; 3] = ["id", "kind", "price"];

#[tokio::test]
async fn statements_of_all_kinds_are_logged() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &COLUMNS).await;
    assert_eq!(reader.read().await, Answer::Unchanged);
    for (statement, images) in [
        ("insert into items values (101, 'new', 1.5), (102, null, null)", 2),
        ("update items set price = price + 1 where id <= 10", 20),
        ("update items set note = 'not captured' where id = 1", 2),
        ("delete from items where id between 11 and 20", 10),
        (
            "copy (select 201, 'x', 3) to program 'cat > /dev/null'; insert into items (id) select 300 where false",
            0,
        ),
        (
            "insert into items values (1, 'twice', 0), (103, 'once', 0) on conflict (id) do update set kind = excluded.kind",
            3,
        ),
        ("insert into items values (1, 'ignored') on conflict do nothing", 0),
        (
            "merge into items i using (values (1), (2), (500)) s (id) on i.id = s.id
             when matched and s.id = 1 then delete
             when matched then update set kind = 'merged'
             when not matched then insert values (s.id, 'merged')",
            4,
        ),
        (
            "with gone as (delete from items where id = 3 returning *) insert into items select 600, kind from gone",
            2,
        ),
        ("update items set price = 1 where false", 0),
    ] {
        world.run(statement).await;
        match images {
            0 => assert_eq!(reader.read().await, Answer::Unchanged, "{statement}"),
            images => reader.sees(images).await,
        }
    }
}

#[tokio::test]
async fn copied_rows_are_logged() {
    use futures_util::SinkExt as _;
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &COLUMNS).await;
    let sink = world.app.copy_in("copy items (id, kind, price) from stdin").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    sink.send(&b"1001\ta\t1.25\n1002\t\\N\t2\n"[..]).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 2);
    reader.sees(2).await;
}

#[tokio::test]
async fn what_a_foreign_key_does_is_logged() {
    let world = World::with(
        "create table users (id int primary key);
         create table sales (id int, user_id int references users on delete cascade on update cascade) partition by range (id);
         create table sales_1 partition of sales for values from (0) to (100);
         create table sales_2 partition of sales for values from (100) to (200);
         insert into users select generate_series(1, 10);
         insert into sales select g, 1 + g % 10 from generate_series(1, 199) g;",
    )
    .await;
    let reader = world.reader("v", "sales", &["id", "user_id"]).await;
    world.run("delete from users where id = 3").await;
    reader.sees(20).await;
    world.run("update users set id = 33 where id = 4").await;
    reader.sees(40).await;
}

#[tokio::test]
async fn a_truncate_says_that_everything_changed() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &COLUMNS).await;
    world.run("truncate items; insert into items values (1, 'a', 1)").await;
    assert_eq!(reader.read().await, Answer::Reset(Gap::Truncated));
    world.run("insert into items values (2, 'a', 1)").await;
    reader.sees(1).await;
    world.run("begin; truncate items; rollback").await;
    assert_eq!(reader.read().await, Answer::Unchanged);
}

#[tokio::test]
async fn truncating_the_log_itself_says_so_too() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &COLUMNS).await;
    for part in ["n", "o"] {
        world.run("update items set note = 'n' where id < 50").await;
        world.run(&format!("truncate remat_log.{part}{}", reader.capture)).await;
        assert_eq!(reader.read().await, Answer::Reset(Gap::Truncated), "{part}");
    }
}

const PARTED: &str = "
create table parted (id int, region text, amount int) partition by list (region);
create table parted_a partition of parted for values in ('a') partition by range (id);
create table parted_a1 partition of parted_a for values from (0) to (100);
create table parted_a2 partition of parted_a for values from (100) to (1000);
create table parted_rest (gone int, id int, region text, amount int);
alter table parted_rest drop column gone;
alter table parted attach partition parted_rest default;
insert into parted select g, case when g % 2 = 0 then 'a' else 'b' end, g from generate_series(1, 200) g;";

#[tokio::test]
async fn a_change_of_a_partition_is_logged_once_whatever_level_is_named() {
    let world = World::with(PARTED).await;
    let reader = world.reader("v", "parted", &["id", "region", "amount"]).await;
    for (statement, images) in [
        ("insert into parted values (201, 'a', 0), (202, 'b', 0)", 2),
        ("insert into parted_a values (203, 'a', 0)", 1),
        ("insert into parted_a2 values (204, 'a', 0)", 1),
        ("insert into parted_rest values (205, 'c', 0)", 1),
        ("update parted_rest set amount = 1 where id = 205", 2),
        ("update parted_a1 set amount = 1 where id = 2", 2),
        ("delete from parted_a where id = 4", 1),
        ("delete from parted where id in (5, 6)", 2),
        // Rows that move, within a level and across.
        ("update parted set region = 'b' where id = 8", 2),
        ("update parted_a set id = 500 where id = 10", 2),
        ("update parted set region = 'a', id = 501 where id = 7", 2),
    ] {
        world.run(statement).await;
        reader.sees(images).await;
    }
    world.run("truncate parted_a1").await;
    assert_eq!(reader.read().await, Answer::Reset(Gap::Truncated));
}

#[tokio::test]
async fn a_partition_that_came_and_went_says_that_anything_may_have_changed_if_it_was_written_to() {
    let world = World::with(PARTED).await;
    let reader = world.reader("v", "parted", &["id", "region", "amount"]).await;
    let (come, go) = (
        "create table parted_z partition of parted for values in ('z')",
        "alter table parted detach partition parted_z; drop table parted_z",
    );
    world.run(&format!("{come}; {go}")).await;
    assert_eq!(reader.read().await, Answer::Unchanged);
    for write in [
        "insert into parted values (300, 'z', 1)",
        "update parted set region = 'z' where id = 12",
        "insert into parted_z values (300, 'z', 1); delete from parted where id = 300",
        "insert into parted_z values (301, 'z', 1); set session_replication_role = replica; update parted set amount = 2 where id = 301; reset session_replication_role",
    ] {
        world.run(&format!("{come}; {write}; {go}")).await;
        assert_eq!(reader.read().await, Answer::Reset(Gap::Truncated), "{write}");
    }
    let old = world.db.connect().await;
    old.batch_execute("begin isolation level repeatable read; select count(*) from pg_class").await.unwrap();
    world.run(come).await;
    old.batch_execute("insert into parted values (300, 'z', 1); commit").await.unwrap();
    world.run(go).await;
    assert_eq!(reader.read().await, Answer::Reset(Gap::Truncated));
}

#[tokio::test]
async fn a_partition_with_its_columns_in_another_order_is_read_as_a_whole() {
    let world = World::with(PARTED).await;
    world
        .run(
            "create table shuffled (amount int, region text, id int);
             alter table parted attach partition shuffled for values in ('s')",
        )
        .await;
    let reader = world.reader("v", "parted", &["id", "amount"]).await;
    world.run("insert into parted values (900, 's', 9)").await;
    reader.sees(1).await;
    world.run("insert into shuffled values (1, 's', 901)").await;
    assert_eq!(reader.read().await, Answer::Reset(Gap::Truncated));
    // It may leave, and change, without harm to who writes to it.
    world.run("alter table parted detach partition shuffled; alter table shuffled drop column amount; insert into shuffled values ('s', 1)").await;
}

#[tokio::test]
async fn a_session_in_the_role_of_a_replica_is_logged() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &COLUMNS).await;
    world.run("set session_replication_role = replica; delete from items where id = 1").await;
    reader.sees(1).await;
}

#[tokio::test]
async fn the_number_of_rows_alone_can_be_logged() {
    let world = World::with(ITEMS).await;
    let view = world.view("v").await;
    let capture = world.install(view, "items", &[]).await.unwrap();
    world.run("delete from items where id < 4; insert into items values (1)").await;
    assert_eq!(world.number(&format!("select sum(sign) from remat_log.t{capture}")).await, -2);
}

#[tokio::test]
async fn values_of_every_type_come_through() {
    let world = World::with(
        "create type mood as enum ('ok', 'bad'); create type pair as (a int, b text);
         create domain strict as pair not null; create domain stricter as int not null check (value > 0);
         create table odd (c char(5), b bit(3), vb varbit(9), m mood, p pair, d stricter, da stricter[], ts timestamp(3),
                           iv interval hour to minute, s text collate \"POSIX\", big text, g int generated always as (length(big)) stored);
         insert into odd values ('a', b'101', b'1', 'ok', (1, 'x'), 1, array[1,2]::stricter[], now(), '1:30', 's', repeat('x', 100000));",
    )
    .await;
    let columns = ["c", "b", "vb", "m", "p", "d", "da", "ts", "iv", "s", "big", "g"];
    let reader = world.reader("v", "odd", &columns).await;
    world
        .run("insert into odd select * from (select c, b, vb, m, p, d, da, ts, iv, s, big || 'y' from odd) o")
        .await;
    reader.sees(1).await;
    world.run("update odd set m = 'bad', big = repeat('z', 200000)").await;
    reader.sees(4).await;
    world.run("truncate odd").await;
    assert_eq!(reader.read().await, Answer::Reset(Gap::Truncated));
}

#[tokio::test]
async fn hostile_names_are_only_names() {
    let world = World::with(
        r#"create schema "S'; drop"; create table "S'; drop"."Tä""b $remat$ le" (
             "Id ""x""" int, "sign" int, "xid" text, "a1" int, "n" int, "$1" int, "remat_new" int, "x" int, "ünï" text);"#,
    )
    .await;
    let columns = ["Id \"x\"", "sign", "xid", "a1", "n", "$1", "remat_new", "x", "ünï"];
    let table = r#""S'; drop"."Tä""b $remat$ le""#;
    let reader = world.reader("v", table, &columns).await;
    world
        .run(&format!(
            "insert into {table} values (1, 2, '3', 4, 5, 6, 7, 8, '9'), (1, 2, null, 4, 5, 6, 7, 8, '9')"
        ))
        .await;
    reader.sees(2).await;
    world.run(&format!("update {table} set x = 0 where xid is null")).await;
    reader.sees(2).await;
}
