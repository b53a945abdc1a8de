//! What is logged is what was committed, whenever that was.

use remat::{
    capture::{self, Answer},
    failure::FailureKind,
};

use crate::fixture::World;

const ITEMS: &str =
    "create table items (id int, n int); insert into items select g, g from generate_series(1, 50) g;";

#[tokio::test]
async fn what_a_savepoint_took_back_is_not_logged() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    world
        .run(
            "begin; insert into items values (51, 0); savepoint a; delete from items where id < 10; rollback to a;
             savepoint b; update items set n = 0 where id = 1; release b; commit",
        )
        .await;
    reader.sees(3).await;
    world.run("begin; delete from items; rollback").await;
    assert_eq!(reader.read().await, Answer::Unchanged);
}

#[tokio::test]
async fn a_transaction_that_was_open_across_reads_is_seen_when_it_ends() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    let slow = world.db.connect().await;
    slow.batch_execute("begin; insert into items values (100, 1)").await.unwrap();
    // Later numbers are committed and read before.
    for n in 0..3 {
        world.run(&format!("insert into items values ({n} + 200, 1)")).await;
        reader.sees(1).await;
    }
    slow.batch_execute("update items set n = 2 where id = 100; commit").await.unwrap();
    reader.sees(3).await;
}

#[tokio::test]
async fn a_prepared_transaction_is_seen_when_it_is_committed() {
    let world = World::with(ITEMS).await;
    if world.number("current_setting('max_prepared_transactions')").await == 0 {
        return;
    }
    let reader = world.reader("v", "items", &["id", "n"]).await;
    let name = world.db.name().to_owned();
    world.run(&format!("begin; delete from items where id = 1; prepare transaction '{name}'")).await;
    assert_eq!(reader.read().await, Answer::Unchanged);
    world.run(&format!("commit prepared '{name}'")).await;
    reader.sees(1).await;
}

#[tokio::test]
async fn of_two_readers_of_one_view_with_old_snapshots_one_fails() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    let late = &world.session;
    late.batch("begin isolation level repeatable read").await.unwrap();
    capture::changes(late, reader.view, 10).await.unwrap();
    world.run("delete from items where id = 1").await;
    reader.sees(1).await;
    let failure = capture::store_state(late, reader.view).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Serialization);
    late.batch("rollback").await.unwrap();
}

#[tokio::test]
async fn changes_are_not_read_by_a_transaction_of_many_snapshots() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    assert!(capture::changes(&world.session, reader.view, 10).await.is_err());
    assert!(capture::store_state(&world.session, reader.view).await.is_err());
}

#[tokio::test]
async fn rows_are_counted_up_to_a_limit() {
    let world = World::with(ITEMS).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    world.run("delete from items").await;
    world.session.batch("begin isolation level repeatable read").await.unwrap();
    let changes = capture::changes(&world.session, reader.view, 7).await.unwrap();
    assert_eq!(changes[0].answer, Answer::Changed(7));
    world.session.batch("rollback").await.unwrap();
}
