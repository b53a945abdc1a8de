//! `publish` and `board` against a Redis of the test's own.

#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

mod support;

use remat_testkit::RedisServer;
use serde_json::{Value, json};
use support::{Answer, World, answer, assert_documented};

const VIEW: &str = "/* remat\n[publish]\nkey = \"leaderboard:points\"\nmember = \"player\"\nscore = \"points\"\n*/\n\
                    select * from (values ('ada', 7), ('bob', 9.5), ('cyd', 1)) as p (player, points)";

struct Boards {
    world: World,
    redis: RedisServer,
}

impl Boards {
    /// A project with one published view, applied, and a Redis that its settings name.
    async fn new() -> Self {
        let (world, redis) = (World::new().await, RedisServer::start().await);
        std::fs::create_dir_all(world.dir.join("views")).unwrap();
        std::fs::write(world.dir.join("views/points.sql"), VIEW).unwrap();
        std::fs::write(world.dir.join("views/plain.sql"), "select 1 as id").unwrap();
        let settings = "[project]\nname = \"game\"\n\n[publish]\nurl_env = \"GAME_REDIS\"\n";
        std::fs::write(world.dir.join("remat.toml"), settings).unwrap();
        world.json(&["apply"], 0);
        Self { world, redis }
    }

    fn run(&self, args: &[&str]) -> Answer {
        answer(self.world.command(args).env("GAME_REDIS", self.redis.url()))
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        let told = self.run(&[args, &["--json"]].concat());
        assert_eq!(told.code, code, "{told:?}");
        told.json()
    }
}

#[tokio::test]
async fn publish_and_board_print_what_the_guide_documents() {
    let boards = Boards::new().await;
    let published = boards.json(&["publish"], 0);
    assert_documented("publish", &published);
    let [view] = published["views"].as_array().unwrap().as_slice() else { panic!("{published}") };
    assert_eq!((&view["members"], &view["outcome"]), (&json!(3), &json!("replaced")));
    let board = boards.json(&["board", "points", "--top", "2"], 0);
    assert_documented("board", &board);
    assert_eq!(
        board["entries"],
        json!([{"rank": 1, "member": "bob", "score": 9.5}, {"rank": 2, "member": "ada", "score": 7.0}])
    );
    assert_eq!((&board["served_by"], &board["why"]), (&json!("redis"), &Value::Null));
    assert_eq!(board["data_as_of"], view["data_as_of"]);
    let around = boards.json(&["board", "points", "--member", "cyd"], 0);
    assert_eq!(around["entries"].as_array().unwrap().len(), 3);
    let told = boards.run(&["board", "points"]).stdout;
    assert!(
        told.contains("   1  bob       9.5\n") && told.contains("Served by redis, data as of "),
        "{told}"
    );
}

#[tokio::test]
async fn a_board_that_redis_has_not_is_served_by_the_view_and_says_so() {
    let mut boards = Boards::new().await;
    let cold = boards.json(&["board", "points"], 0);
    assert_documented("board", &cold);
    assert_eq!((&cold["served_by"], &cold["why"]), (&json!("postgres"), &json!("cold_start")));
    let told = boards.run(&["board", "points"]).stdout;
    assert!(
        told.contains("Served by postgres (nothing is published there; see `remat publish`), data"),
        "{told}"
    );
    boards.redis.kill().await;
    let gone = boards.json(&["board", "points"], 0);
    assert_eq!((&gone["entries"], &gone["why"]), (&cold["entries"], &json!("unreachable")));
}

#[tokio::test]
async fn what_cannot_be_published_or_shown_is_told() {
    let mut boards = Boards::new().await;
    let told = boards.run(&["publish", "plain"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stderr.contains("view \"public.plain\" is not published"), "{told:?}");
    let document = boards.json(&["publish", "plain", "points"], 1);
    assert_eq!(document["views"][0]["error"]["kind"], "invalid_definition");
    assert_eq!(document["views"][1]["members"], 3);
    assert_eq!(boards.json(&["board", "plain"], 4)["error"]["kind"], "invalid_definition");
    let nobody = boards.json(&["board", "points", "--member", "nobody"], 7);
    assert_eq!(nobody["error"]["message"], "member \"nobody\" has no place in public.points");
    boards.redis.kill().await;
    let gone = boards.json(&["publish"], 5);
    assert_eq!(gone["error"]["kind"], "connection");
}

#[tokio::test]
async fn redis_is_where_the_project_or_the_environment_says() {
    let boards = Boards::new().await;
    let told = boards.world.run(&["publish"]);
    assert_eq!(told.code, 4, "{told:?}");
    assert!(told.stderr.contains("environment variable GAME_REDIS is not set"), "{told:?}");
    std::fs::write(boards.world.dir.join("remat.toml"), "[project]\nname = \"game\"\n").unwrap();
    let told = boards.world.run(&["publish"]);
    assert_eq!(told.code, 4, "{told:?}");
    assert!(
        told.stderr.contains("nobody says where Redis is\n  hint: Set url_env under [publish]"),
        "{told:?}"
    );
    let told = answer(boards.world.command(&["publish"]).env("REDIS_URL", boards.redis.url()));
    assert_eq!(told.code, 0, "{told:?}");
}
