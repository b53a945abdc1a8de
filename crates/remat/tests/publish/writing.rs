//! What a publication promises.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use remat::{
    error::ErrorKind,
    operation::{CreateOptions, RefreshOptions},
    project,
    publish::{Outcome, Publisher, ServedBy},
    view::{Definition, Strategy},
};
use remat_testkit::{RedisServer, wait_until};
use tokio::sync::watch;

use crate::fixture::{Game, KEY, definition, identifier, members};

/// Five hundred users with points of the last month.
const POINTS: &str = "
insert into users (did, handle) select 'did:' || n, 'user' || n from generate_series(1, 500) n;
insert into points_events (user_id, kind, points, earned_at)
select u.id, 'analysis', 1 + abs(hashtext(u.handle || n)) % 40, now() - n * interval '1 day'
from   users u cross join generate_series(0, 29) n where hashtext(n || u.handle) % 3 = 0;";

#[tokio::test]
async fn the_two_boards_of_the_example_are_published_whole() {
    let game = Game::start().await;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/skyflow");
    for schema in ["001_core.sql", "002_gamification.sql"] {
        game.db.execute(&std::fs::read_to_string(example.join("schema").join(schema)).unwrap()).await;
    }
    game.db.execute(POINTS).await;
    let mut definitions = project::read(&example).unwrap().definitions();
    definitions.retain(|definition| definition.publish.is_some());
    assert_eq!(definitions.len(), 2);
    for definition in definitions {
        let view = game.create(&definition).await;
        let published = game.publisher.publish(&game.remat, &view).await.unwrap();
        let name = definition.name.to_sql();
        let rows = game.db.query_one_i64(&format!("select count(*) from {name}")).await;
        assert!(rows > 100, "{rows}");
        assert_eq!((published.members, published.outcome), (u64::try_from(rows).unwrap(), Outcome::Replaced));
        let key = &definition.publish.as_ref().unwrap().key;
        assert_eq!(game.ask_redis(&["ZCARD", key]).await, format!(":{rows}\r\n"));
        let top = game.board(&view).top(10).await.unwrap();
        assert_eq!(top.served_by, ServedBy::Redis);
        let expected =
            "(select string_agg(user_id || '=' || points, ',' order by points desc, user_id desc) from";
        let expected =
            format!("{expected} (select * from {name} order by points desc, user_id desc limit 10) v)");
        let told: Vec<String> =
            top.value.iter().map(|entry| format!("{}={}", entry.member, entry.score)).collect();
        assert_eq!(told.join(","), game.db.query_one_text(&expected).await);
    }
}

#[tokio::test]
async fn what_is_known_of_a_board_stands_beside_it_in_one_slot() {
    let (game, view) = Game::with_view().await;
    let published = game.publisher.publish(&game.remat, &view).await.unwrap();
    let meta = game.ask_redis(&["HGETALL", &format!("{{{KEY}}}:meta")]).await;
    let as_of = published.data_as_of.to_string();
    for text in [as_of.as_str(), "public.ranking", "members\r\n$2\r\n16", &published.run_id.to_string()] {
        assert!(meta.contains(text), "{text} in {meta}");
    }
    assert_eq!(game.remat.status().await.unwrap()[0].data_as_of, Some(published.data_as_of));
    assert_eq!(game.keys().await, 2);
    assert_eq!(game.ask_redis(&["TTL", KEY]).await, ":-1\r\n");
}

/// Every row of a generation has its number as its score.
const GENERATIONS: &str = "
create table generation (number int not null);
insert into generation values (1);";
const OF_GENERATION: &str = "select 'player ' || n as name, g.number as points from generate_series(1, 3000) n cross join generation g";

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_boards_only_while_they_are_replaced() {
    let game = Game::start().await;
    game.db.execute(GENERATIONS).await;
    let view = game.create(&definition(OF_GENERATION)).await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    let (done, is_done) = watch::channel(false);
    let client = redis::Client::open(game.redis.url()).unwrap();
    let reader = tokio::spawn(async move {
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let mut reads = 0;
        while !*is_done.borrow() {
            let rows: Vec<(String, f64)> = redis::cmd("ZRANGE")
                .arg(&[KEY, "0", "-1", "WITHSCORES"])
                .query_async(&mut connection)
                .await
                .unwrap();
            assert_eq!(rows.len(), 3000);
            assert!(rows.iter().all(|row| row.1.to_bits() == rows[0].1.to_bits()), "two generations at once");
            seen.insert(rows[0].1.to_string());
            reads += 1;
        }
        (seen.len(), reads)
    });
    for _ in 0..10 {
        game.db.execute("update generation set number = number + 1").await;
        game.refresh(&view).await;
        game.publisher.publish(&game.remat, &view).await.unwrap();
    }
    done.send_replace(true);
    let (generations, reads) = reader.await.unwrap();
    assert!(generations > 3 && reads > 20, "{generations} generations in {reads} reads");
}

#[tokio::test]
async fn the_age_of_a_copy_is_never_understated_while_the_view_is_refreshed() {
    for strategy in [Strategy::Regular, Strategy::Swap, Strategy::Merge] {
        let game = Arc::new(Game::start().await);
        game.db.execute(GENERATIONS).await;
        let query = OF_GENERATION.replace("3000", "500");
        let key = vec![identifier("name")];
        let view = game.create(&Definition { strategy, key, ..definition(&query) }).await;
        let (done, is_done) = watch::channel(false);
        let publications = tokio::spawn({
            let (game, view) = (Arc::clone(&game), view.clone());
            async move {
                let mut boards = Vec::new();
                while !*is_done.borrow() {
                    game.publisher.publish(&game.remat, &view).await.unwrap();
                    let top = game.board(&view).top(1000).await.unwrap();
                    assert_eq!((top.served_by, top.value.len()), (ServedBy::Redis, 500));
                    boards.push((top.data_as_of.unwrap(), top.value[0].score));
                }
                boards
            }
        });
        let sql = game.db.connect().await;
        let mut written = Vec::new();
        for number in 2..15 {
            sql.execute("update generation set number = $1", &[&number]).await.unwrap();
            let at: Timestamp = sql.query_one("select clock_timestamp()", &[]).await.unwrap().get(0);
            written.push((at, f64::from(number)));
            game.refresh(&view).await;
        }
        done.send_replace(true);
        for (as_of, generation) in publications.await.unwrap() {
            let had_been_written = written.iter().rev().find(|(at, _)| *at < as_of);
            assert!(
                had_been_written.is_none_or(|(_, least)| generation >= *least),
                "{strategy}: generation {generation} as of {as_of}: {written:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_older_publication_never_takes_the_place_of_a_newer_one() {
    let (game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    // What a publisher sees that began before the last refresh and is late.
    game.db
        .execute(
            "update remat.runs set data_as_of = data_as_of - interval '1 s'; update players set points = 1",
        )
        .await;
    let older = game.remat.refresh(&view, RefreshOptions::default()).await.unwrap();
    game.db
        .execute(&format!(
            "update remat.runs set data_as_of = data_as_of - interval '1 h' where id = {}",
            older.id
        ))
        .await;
    let published = game.publisher.publish(&game.remat, &view).await.unwrap();
    assert_eq!(published.outcome, Outcome::Newer);
    assert_eq!(game.ask_redis(&["ZSCORE", KEY, "bob"]).await, "$4\r\n99.5\r\n");
    assert_eq!(game.keys().await, 2);
    game.db.execute("update remat.runs set data_as_of = data_as_of + interval '2 h'").await;
    assert_eq!(game.publisher.publish(&game.remat, &view).await.unwrap().outcome, Outcome::Replaced);
    assert_eq!(game.ask_redis(&["ZSCORE", KEY, "bob"]).await, "$1\r\n1\r\n");
}

#[tokio::test]
async fn an_empty_view_is_an_empty_board_and_no_cold_start() {
    let (game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    game.db.execute("delete from players").await;
    game.refresh(&view).await;
    assert_eq!(game.publisher.publish(&game.remat, &view).await.unwrap().members, 0);
    let top = game.board(&view).top(10).await.unwrap();
    assert_eq!((top.served_by, top.value.len(), top.why), (ServedBy::Redis, 0, None));
    assert_eq!(game.board(&view).rank("bob").await.unwrap().value, None);
    assert_eq!(game.keys().await, 1);
}

#[tokio::test]
async fn what_does_not_fit_into_a_sorted_set_is_refused_and_the_old_board_stays() {
    let (game, view) = Game::with_view().await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    for (row, told) in [
        ("('nul', null)", "column points of view \"public.ranking\" is NULL in some row"),
        ("(null, 7)", "column name of view \"public.ranking\" is NULL in some row"),
        ("('nan', 'NaN')", "column points of view \"public.ranking\" is not a number in some row"),
        ("('bob', 7)", "column name of view \"public.ranking\" is the same in several rows"),
    ] {
        game.db.execute(&format!("insert into players values {row}")).await;
        game.refresh(&view).await;
        let error = game.publisher.publish(&game.remat, &view).await.unwrap_err();
        assert_eq!((error.kind(), error.complaint().primary.as_str()), (ErrorKind::Conflict, told));
        assert_eq!(game.ask_redis(&["ZCARD", KEY]).await, ":16\r\n");
        assert_eq!(game.keys().await, 2, "nothing is left of what failed");
        game.db
            .execute(
                "delete from players where name is null or points is null or points = 'NaN' or points = 7",
            )
            .await;
    }
}

#[tokio::test]
async fn columns_that_cannot_be_published_are_named() {
    let game = Game::start().await;
    let query = "select name, points, points::text as text, points::float4 as real from players";
    let mut wanted = definition(query);
    for (column, told) in [
        ("text", "column text of view \"public.ranking\" cannot be a score: its type is text"),
        ("Points", "column \"Points\" of view \"public.ranking\" does not exist"),
    ] {
        wanted.publish.as_mut().unwrap().score = identifier(column);
        let view = game.create_or_keep(&wanted).await;
        let error = game.publisher.publish(&game.remat, &view).await.unwrap_err();
        assert_eq!((error.kind(), error.complaint().primary.as_str()), (ErrorKind::InvalidDefinition, told));
    }
    wanted.publish.as_mut().unwrap().score = identifier("real");
    let view = game.remat.define(&wanted).await.unwrap();
    game.publisher.publish(&game.remat, &view).await.unwrap();
    wanted.publish = None;
    let view = game.remat.define(&wanted).await.unwrap();
    let error = game.publisher.publish(&game.remat, &view).await.unwrap_err();
    assert_eq!(error.complaint().primary, "view \"public.ranking\" is not published");
}

#[tokio::test]
async fn types_and_functions_of_others_are_written_without_calling_them() {
    let game = Game::start().await;
    game.db
        .execute(
            "create function public.sprung(text) returns text language plpgsql as $$ begin raise exception 'sprung'; end $$;
             create type mood as enum ('sad', 'happy');
             create function public.mood_text(mood) returns text language sql as $$ select public.sprung('') $$;
             create cast (mood as text) with function public.mood_text(mood) as assignment;
             create domain score as numeric check (value > 0);
             create function public.concat(text) returns text language sql as $$ select public.sprung('') $$;
             create table moods as select 'happy'::mood as name, 7::score as points;",
        )
        .await;
    let view = game.create(&definition("select name, points from moods")).await;
    game.publisher.publish(&game.remat, &view).await.unwrap();
    for board in [game.board(&view), game.board_of_postgres(&view).await] {
        assert_eq!(members(&board.top(10).await.unwrap().value), ["happy"]);
        assert_eq!(board.rank("happy").await.unwrap().value.unwrap().rank, 1);
    }
}

#[tokio::test]
async fn a_hundred_thousand_rows_are_published_and_a_crash_leaves_only_what_expires() {
    let game = Game::start().await;
    game.db
        .execute("insert into players select 'player ' || n, n / 7 from generate_series(1, 99984) n")
        .await;
    let view = game.create(&definition("select name, points from players")).await;
    let publication = tokio::spawn({
        let (publisher, remat, view) = (game.publisher.clone(), game.remat.clone(), view.clone());
        async move { publisher.publish(&remat, &view).await }
    });
    wait_until("the publication has begun", async || game.keys().await > 0).await;
    publication.abort();
    assert!(publication.await.is_err(), "it was aborted");
    let left = game.ask_redis(&["SCAN", "0"]).await;
    let temporary = left.lines().find(|line| line.contains(":new:")).expect("a temporary key").to_owned();
    let ttl = game.ask_redis(&["TTL", &temporary]).await;
    assert!((1..=600).contains(&ttl[1..].trim().parse::<i64>().unwrap()), "{ttl}");
    assert_eq!(game.ask_redis(&["EXISTS", KEY]).await, ":0\r\n");

    let published = game.publisher.publish(&game.remat, &view).await.unwrap();
    assert_eq!(published.members, 100_000);
    let (fast, slow) = (game.board(&view), game.board_of_postgres(&view).await);
    let (top, expected) = (fast.top(1000).await.unwrap(), slow.top(1000).await.unwrap());
    assert_eq!((top.served_by, expected.served_by), (ServedBy::Redis, ServedBy::Postgres));
    assert_eq!(top.value, expected.value);
    let around = fast.around("player 50000", 3).await.unwrap().value;
    assert_eq!((around.len(), around), (7, slow.around("player 50000", 3).await.unwrap().value));
}

#[tokio::test]
async fn hostile_keys_and_members_arrive_as_they_are() {
    let game = Game::start().await;
    let long = "x".repeat(1024);
    let hostile = [
        "'; drop table players; --",
        "\"q\" \\ \r\nFLUSHALL\r\n",
        "größe 😀 \u{202e}",
        "*1\r\n$4\r\nPING",
        &long,
    ];
    let sql = game.db.connect().await;
    for (score, member) in (1_i32..).zip(hostile) {
        sql.execute("insert into players values ($1, $2::int)", &[&member, &score]).await.unwrap();
    }
    for key in hostile {
        let mut wanted = definition("select name, points from players");
        wanted.publish.as_mut().unwrap().key = key.into();
        let view = game.create_or_keep(&wanted).await;
        game.publisher.publish(&game.remat, &view).await.unwrap();
        let exists = game.ask_redis(&["ZCARD", key]).await;
        assert_eq!(exists, ":21\r\n");
        for board in [game.board(&view), game.board_of_postgres(&view).await] {
            for (score, member) in (1_i32..).zip(hostile) {
                let entry = board.rank(member).await.unwrap().value.unwrap();
                assert_eq!((entry.member.as_str(), entry.score), (member, f64::from(score)));
            }
        }
    }
}

#[tokio::test]
async fn it_works_through_a_pooler_in_transaction_mode() {
    let (game, view) = Game::with_view().await;
    let pooled = crate::support::connect(&game.db.pgbouncer_url()).await;
    assert_eq!(game.publisher.publish(&pooled, &view).await.unwrap().members, 16);
    game.ask_redis(&["FLUSHALL"]).await;
    let board = remat::publish::Board::new(&pooled, &game.publisher, &view).unwrap();
    assert_eq!(board.rank("bob").await.unwrap().value.unwrap().rank, 3);
}

#[tokio::test]
async fn a_redis_that_cannot_be_reached_is_named_without_its_password() {
    let mut redis = RedisServer::start().await;
    redis.kill().await;
    let url = format!("redis://someone:hunter2@127.0.0.1:{}/3", redis.port());
    let error = Publisher::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    let told = format!("{error} {error:?}");
    assert!(told.contains(&format!("could not reach Redis at 127.0.0.1:{}/3", redis.port())), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    redis.restart().await;
    let error = Publisher::connect(&url).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    let error = Publisher::connect(&url.replace("redis:", "rediss:")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "a server without TLS: {error}");
    let error = Publisher::connect("hunter2 is no URL").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSettings);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_view_that_was_never_filled_is_not_published() {
    let game = Game::start().await;
    let view = game.remat.define(&definition("select name, points from players")).await.unwrap();
    let error = game.publisher.publish(&game.remat, &view).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let options = CreateOptions { no_data: true, ..CreateOptions::default() };
    game.remat.create(&view, options).await.unwrap().check().unwrap();
    let error = game.publisher.publish(&game.remat, &view).await.unwrap_err();
    assert!(error.complaint().primary.contains("has not been populated"), "{error}");
    assert_eq!(game.keys().await, 0);
}
