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
    let blocks = world.number("select pg_relation_size('remat_log.t1') / 8192").await;
    assert!(blocks > 512, "{blocks} blocks are not many");
    assert!(capture::prune(&world.session).await.unwrap().rows > 140_000);
    assert_eq!(rows(&world).await, 2);
    reader.sees(2).await;
}
