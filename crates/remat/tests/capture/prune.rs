//! A log shrinks by what everybody has read, and by nothing else.

use remat::capture;

use crate::fixture::World;

const ITEMS: &str =
    "create table items (id int, n int); insert into items select g, g from generate_series(1, 50) g;";

async fn rows(world: &World) -> i64 {
    world.number("select count(*) from remat_log.t1").await
}

#[tokio::test]
async fn the_slowest_reader_decides() {
    let world = World::with(ITEMS).await;
    let fast = world.reader("fast", "items", &["id", "n"]).await;
    let slow = world.reader("slow", "items", &["id"]).await;
    world.run("update items set n = 0").await;
    fast.sees(100).await;
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 0);
    world.run("delete from items where id = 1").await;
    slow.sees(101).await;
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 100);
    fast.sees(1).await;
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 1);
}

#[tokio::test]
async fn what_only_a_slow_reader_needs_is_put_aside() {
    let world = World::with(ITEMS).await;
    let fast = world.reader("fast", "items", &["id", "n"]).await;
    let slow = world.reader("slow", "items", &["id"]).await;
    let open = world.db.connect().await;
    open.batch_execute("begin; insert into items values (100, 1)").await.unwrap();
    world.run("update items set n = 0").await;
    fast.sees(100).await;
    let an_hour_ago = format!(
        "update remat.view_states set stored_at = now() - interval '1 hour' where view_id = {}",
        slow.view
    );
    world.run(&an_hour_ago).await;
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 0);
    let parts = "select (select count(*) from remat_log.n1) * 1000 + (select count(*) from remat_log.o1)";
    // The row of the open transaction is none that anybody has read.
    assert_eq!(world.number(parts).await, 100);
    open.batch_execute("commit").await.unwrap();
    assert_eq!(world.number(parts).await, 1100);
    fast.sees(1).await;
    world.run("delete from items where id < 3").await;
    fast.sees(2).await;
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 0);
    assert_eq!(world.number(parts).await, 103);
    slow.sees(103).await;
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 103);
    assert_eq!(world.number(parts).await, 0);
}

#[tokio::test]
async fn a_reader_misses_nothing_and_sees_nothing_twice_while_rows_are_put_aside() {
    let world = World::with(ITEMS).await;
    let fast = world.reader("fast", "items", &["id", "n"]).await;
    let slow = world.reader("slow", "items", &["id"]).await;
    world.run("update items set n = 0").await;
    fast.sees(100).await;
    world.run("update remat.view_states set stored_at = now() - interval '1 hour' where view_id <> (select min(id) from remat.views)").await;
    slow.session.batch("begin isolation level repeatable read").await.unwrap();
    let count = "select count(*) from remat_log.t1";
    assert_eq!(slow.session.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 100);
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 0);
    assert_eq!(world.number("select count(*) from remat_log.o1").await, 100);
    assert_eq!(slow.session.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 100);
    slow.session.batch("rollback").await.unwrap();
    slow.sees(100).await;
}

#[tokio::test]
async fn an_open_transaction_keeps_only_its_own_rows() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    let slow = world.db.connect().await;
    slow.batch_execute("begin; insert into items values (100, 1)").await.unwrap();
    world.run("update items set n = 0").await;
    reader.sees(100).await;
    slow.batch_execute("commit").await.unwrap();
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 100);
    reader.sees(1).await;
}

#[tokio::test]
async fn a_reader_that_was_never_filled_keeps_all_and_is_told() {
    let world = World::with(ITEMS).await;
    let filled = world.reader("filled", "items", &["id"]).await;
    let empty = world.view("empty").await;
    world.install(empty, "items", &["id"]).await.unwrap();
    world.run("delete from items").await;
    filled.sees(50).await;
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 0);
    let told = capture::unfilled(&world.session, 0).await.unwrap();
    assert_eq!(told.iter().map(|one| (one.view_id, one.capture_id)).collect::<Vec<_>>(), [(empty, 1)]);
    assert!(capture::unfilled(&world.session, 3600).await.unwrap().is_empty());
    world.run(&format!("update remat.views set retired_at = now() where id = {empty}")).await;
    assert_eq!(capture::prune(&world.session).await.unwrap().rows, 50);
}

#[tokio::test]
async fn a_log_of_many_blocks_is_pruned_in_steps() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    world.run("insert into items select g, g from generate_series(1, 100000) g").await;
    world.run("update items set n = 1 where id <= 20000").await;
    reader.read().await;
    world.run("delete from items where id = 7").await;
    let blocks = world.number("select pg_relation_size('remat_log.n1') / 8192").await;
    assert!(blocks > 512, "{blocks} blocks are not many");
    assert!(capture::prune(&world.session).await.unwrap().rows > 140_000);
    assert_eq!(rows(&world).await, 2);
    reader.sees(2).await;
}
