//! Players with points, a view that ranks them, and a Redis of the test's own.

use remat::{
    Remat,
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    publish::{Board, Entry, Publisher, Served, ServedBy},
    view::{Definition, Publish, Strategy, View},
};
use remat_testkit::{RedisServer, TestDb, wait_until};

use crate::support;

pub(crate) const KEY: &str = "leaderboard:players";

/// Ties at every score, and texts whose order differs between languages and bytes.
pub(crate) const PLAYERS: &str = "
create table players (name text collate \"und-x-icu\", points numeric);
insert into players values
  ('ada', 70), ('Ada', 70), ('ángel', 70), ('zoe', 70), ('Zoe', 70), ('a b', 70), ('a_b', 70), ('', 70), ('😀', 70),
  ('bob', 99.5), ('cyd', -3), ('dee', 1e20), ('eve', 0), ('fay', 0.1), ('gus', 0.3), ('hal', 9007199254740993);";

pub(crate) struct Game {
    pub(crate) db: TestDb,
    pub(crate) remat: Remat,
    pub(crate) redis: RedisServer,
    pub(crate) publisher: Publisher,
}

impl Game {
    /// A database with [`PLAYERS`] and an empty Redis.
    pub(crate) async fn start() -> Self {
        let db = TestDb::create().await;
        db.execute(PLAYERS).await;
        let remat = support::connect(&db.url()).await;
        remat.migrate().await.unwrap();
        let redis = RedisServer::start().await;
        let publisher = Publisher::connect(&redis.url()).await.unwrap();
        Self { db, remat, redis, publisher }
    }

    /// The game with its view of players, filled.
    pub(crate) async fn with_view() -> (Self, View) {
        let game = Self::start().await;
        let view = game.create(&definition("select name, points from players")).await;
        (game, view)
    }

    pub(crate) async fn create(&self, definition: &Definition) -> View {
        let view = self.remat.define(definition).await.unwrap();
        self.remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
        self.remat.view(&definition.name).await.unwrap()
    }

    /// The same, where the relation may stand already.
    pub(crate) async fn create_or_keep(&self, definition: &Definition) -> View {
        let view = self.remat.define(definition).await.unwrap();
        let options = CreateOptions { if_not_exists: true, ..CreateOptions::default() };
        self.remat.create(&view, options).await.unwrap().check().unwrap();
        self.remat.view(&definition.name).await.unwrap()
    }

    pub(crate) async fn refresh(&self, view: &View) {
        self.remat.refresh(view, RefreshOptions::default()).await.unwrap().check().unwrap();
    }

    pub(crate) fn board(&self, view: &View) -> Board {
        Board::new(&self.remat, &self.publisher, view).unwrap()
    }

    /// The board as the view has it, whatever Redis has.
    pub(crate) async fn board_of_postgres(&self, view: &View) -> Board {
        // Nobody listens there: a port that was free a moment ago.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        drop(listener);
        Board::new(&self.remat, &Publisher::new(&url).unwrap(), view).unwrap()
    }

    /// Waits until Redis serves the board again, and gives what it says.
    pub(crate) async fn served_by_redis(&self, view: &View) -> Served<Vec<Entry>> {
        let board = self.board(view);
        wait_until("redis serves", async || board.top(1).await.unwrap().served_by == ServedBy::Redis).await;
        board.top(u32::MAX).await.unwrap()
    }

    /// Redis's own answer, in the words of its protocol.
    pub(crate) async fn ask_redis(&self, words: &[&str]) -> String {
        self.redis.command(words).await
    }

    pub(crate) async fn keys(&self) -> i64 {
        let answer = self.ask_redis(&["DBSIZE"]).await;
        answer.trim_start_matches(':').trim().parse().unwrap()
    }
}

pub(crate) fn definition(query: &str) -> Definition {
    let publish =
        Publish { key: KEY.into(), member: identifier("name"), score: identifier("points"), limit: None };
    Definition {
        strategy: Strategy::Swap,
        publish: Some(publish),
        ..Definition::new(RelationName::new("public", "ranking").unwrap(), query)
    }
}

pub(crate) fn identifier(name: &str) -> Identifier {
    Identifier::new(name).unwrap()
}

pub(crate) fn members(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.member.as_str()).collect()
}
