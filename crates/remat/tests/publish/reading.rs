//! What a reader gets, whatever has become of Redis.

use std::time::{Duration, Instant};

use remat::{
    publish::{Board, Publisher, ServedBy, Why},
    view::Definition,
};
use remat_testkit::{TcpProxy, wait_until};

use crate::fixture::{Game, KEY, definition, members};

#[tokio::test]
async fn redis_and_postgres_give_the_same_answers_in_the_same_order() {
    let (game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    let (fast, slow) = (game.board(&view), game.board_of_postgres(&view).await);
    for count in [0, 1, 5, 16, 1000, u32::MAX] {
        let (redis, postgres) = (fast.top(count).await.unwrap(), slow.top(count).await.unwrap());
        assert_eq!((redis.served_by, redis.why), (ServedBy::Redis, None));
        assert_eq!((postgres.served_by, postgres.why), (ServedBy::Postgres, Some(Why::Unreachable)));
        assert_eq!((redis.value, redis.data_as_of), (postgres.value, postgres.data_as_of));
    }
    for member in ["dee", "bob", "ada", "Zoe", "", "😀", "cyd", "nobody", "Bob"] {
        for radius in [0, 1, 3, 100] {
            let (redis, postgres) =
                (fast.around(member, radius).await.unwrap(), slow.around(member, radius).await.unwrap());
            assert_eq!(redis.value, postgres.value, "{radius} around {member:?}");
        }
        assert_eq!(fast.rank(member).await.unwrap().value, slow.rank(member).await.unwrap().value);
    }
    let all = fast.top(100).await.unwrap().value;
    let ties = ["😀", "ángel", "zoe", "ada", "a_b", "a b", "Zoe", "Ada", ""];
    assert_eq!(members(&all[3..12]), ties);
    assert_eq!(members(&fast.around("Zoe", 1).await.unwrap().value), ["a b", "Zoe", "Ada"]);
    assert_eq!(fast.rank("dee").await.unwrap().value.unwrap().rank, 1);
    assert_eq!(fast.rank("nobody").await.unwrap().value, None);
}

#[tokio::test]
async fn a_limited_board_ends_at_the_same_place_on_both_sides() {
    let game = Game::start().await;
    let mut wanted = definition("select name, points from players");
    wanted.publish.as_mut().unwrap().limit = Some(6);
    let view = game.create(&wanted).await;
    assert_eq!(game.publisher.publish(&game.remat, &view).await.unwrap().members, 6);
    let (fast, slow) = (game.board(&view), game.board_of_postgres(&view).await);
    let top = fast.top(100).await.unwrap().value;
    assert_eq!(members(&top), ["dee", "hal", "bob", "😀", "ángel", "zoe"]);
    assert_eq!(top, slow.top(100).await.unwrap().value);
    for member in ["zoe", "ada"] {
        let (redis, postgres) =
            (fast.around(member, 2).await.unwrap().value, slow.around(member, 2).await.unwrap().value);
        assert_eq!(redis, postgres);
        assert_eq!(redis.len(), if member == "zoe" { 3 } else { 0 });
    }
}

#[tokio::test]
async fn a_cold_start_is_served_by_the_view_and_warms_redis() {
    let (game, view) = Game::with_view().await;
    let cold = game.board(&view).top(100).await.unwrap();
    assert_eq!((cold.served_by, cold.why), (ServedBy::Postgres, Some(Why::ColdStart)));
    let warm = game.served_by_redis(&view).await;
    assert_eq!((warm.value, warm.data_as_of), (cold.value, cold.data_as_of));
}

#[tokio::test]
async fn a_reader_that_may_not_repair_leaves_redis_alone() {
    let (game, view) = Game::with_view().await;
    let board = game.board(&view).without_repair();
    for _ in 0..3 {
        assert_eq!(board.top(1).await.unwrap().why, Some(Why::ColdStart));
    }
    assert_eq!(game.keys().await, 0);
}

#[tokio::test]
async fn flushall_is_survived_and_repaired() {
    let (game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    let before = game.board(&view).top(100).await.unwrap();
    assert_eq!(before.served_by, ServedBy::Redis);
    game.ask_redis(&["FLUSHALL"]).await;
    let during = game.board(&view).top(100).await.unwrap();
    assert_eq!((during.served_by, during.why), (ServedBy::Postgres, Some(Why::ColdStart)));
    assert_eq!(during.value, before.value);
    assert_eq!(game.served_by_redis(&view).await, before);
}

#[tokio::test]
async fn a_damaged_board_is_never_served_and_is_repaired() {
    let (game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    let before = game.board(&view).top(100).await.unwrap();
    for damage in [vec!["ZREM", KEY, "bob"], vec!["DEL", KEY], vec!["ZADD", KEY, "1", "intruder"]] {
        game.ask_redis(&damage).await;
        let during = game.board(&view).top(100).await.unwrap();
        assert_eq!((during.served_by, during.why), (ServedBy::Postgres, Some(Why::Incomplete)), "{damage:?}");
        assert_eq!(during.value, before.value);
        assert_eq!(game.served_by_redis(&view).await, before);
    }
    game.ask_redis(&["SET", KEY, "no set"]).await;
    let during = game.board(&view).top(100).await.unwrap();
    assert_eq!((during.why, during.value), (Some(Why::Refused), before.value));
}

#[tokio::test]
async fn a_board_of_another_definition_is_not_served() {
    let (game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    let mut changed = view.definition.clone();
    changed.publish.as_mut().unwrap().limit = Some(2);
    let changed = game.remat.define(&changed).await.unwrap();
    let top = game.board(&changed).top(10).await.unwrap();
    assert_eq!((top.why, top.value.len()), (Some(Why::Redefined), 2));
    assert_eq!(game.served_by_redis(&changed).await.value.len(), 2);
    // A reader that has the old definition gets what that says, and does not take the board back.
    let top = game.board(&view).top(10).await.unwrap();
    assert_eq!((top.why, top.value.len()), (Some(Why::Redefined), 10));
    for _ in 0..5 {
        game.board(&view).top(10).await.unwrap();
        assert_eq!(game.board(&changed).top(10).await.unwrap().served_by, ServedBy::Redis);
    }
}

#[tokio::test]
async fn a_killed_redis_costs_a_moment_and_one_that_is_back_serves_again() {
    let (mut game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    let before = game.board(&view).top(100).await.unwrap();
    game.redis.kill().await;
    let began = Instant::now();
    let during = game.board(&view).top(100).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((during.served_by, during.why), (ServedBy::Postgres, Some(Why::Unreachable)));
    assert_eq!((during.value, during.data_as_of), (before.value.clone(), before.data_as_of));
    game.redis.restart().await;
    assert_eq!(game.served_by_redis(&view).await, before);
}

#[tokio::test]
async fn a_redis_that_was_restarted_between_two_reads_is_not_taken_for_gone() {
    let (mut game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    game.redis.restart().await;
    assert_eq!(game.board(&view).top(1).await.unwrap().why, Some(Why::ColdStart));
    game.redis.restart().await;
    assert_eq!(game.publisher.publish(&game.remat, &view).await.unwrap().members, 16);
}

#[tokio::test]
async fn a_redis_that_is_silent_holds_nobody_up() {
    let (game, view) = Game::with_view().await;
    let proxy = TcpProxy::start(game.redis.port()).await;
    let publisher = Publisher::connect(&format!("redis://127.0.0.1:{}/", proxy.port())).await.unwrap();
    publisher.publish(&game.remat, &view).await.unwrap();
    let board = Board::new(&game.remat, &publisher, &view).unwrap();
    assert_eq!(board.top(1).await.unwrap().served_by, ServedBy::Redis);
    proxy.blackhole();
    let began = Instant::now();
    for _ in 0..10 {
        let top = board.top(1).await.unwrap();
        assert_eq!((top.served_by, top.why), (ServedBy::Postgres, Some(Why::Unreachable)));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let error = publisher.publish(&game.remat, &view).await.unwrap_err();
    assert!(error.to_string().contains("It did not answer within 5000 ms."), "{error}");
    proxy.heal();
    wait_until("redis serves again", async || board.top(1).await.unwrap().served_by == ServedBy::Redis).await;
}

#[tokio::test]
async fn many_cold_readers_repair_a_board_once() {
    let game = Game::start().await;
    let view = game.create(&definition("select name, points from players")).await;
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let board = game.board(&view);
            tokio::spawn(async move { board.top(3).await.unwrap().value.len() })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 3);
    }
    game.served_by_redis(&view).await;
    let counts = game.ask_redis(&["INFO", "commandstats"]).await;
    let renames = counts.lines().find(|line| line.starts_with("cmdstat_rename:")).unwrap().to_owned();
    assert!(renames.starts_with("cmdstat_rename:calls=1,"), "{renames}");
}

#[tokio::test]
async fn a_view_without_a_target_has_no_board() {
    let game = Game::start().await;
    let view = game.create(&Definition { publish: None, ..definition("select 1 as id") }).await;
    let error = Board::new(&game.remat, &game.publisher, &view).err().unwrap();
    assert_eq!(error.complaint().primary, "view \"public.ranking\" is not published");
}
