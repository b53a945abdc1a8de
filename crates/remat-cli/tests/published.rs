//! Published views over HTTP: the real listener over a real database and a real Redis.

#![cfg(all(unix, feature = "redis"))]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

#[path = "support/http.rs"]
mod http;
#[path = "support/service.rs"]
mod service_of_a_world;
#[path = "support/site.rs"]
mod site;
mod support;

use http::Ask;
use remat::{access::Role, view::Definition};
use serde_json::{Value, json};
use site::Site;
use support::World;

#[tokio::test]
async fn published_views_are_read_as_rows_and_as_leaderboards_and_others_are_not() {
    let world = World::new().await;
    let redis = remat_testkit::Servers::read().redis_url();
    let key = format!("{}:board", world.db.name());
    world.db.execute("create table points (who text, points int); insert into points values ('a', 3), ('b', 7), ('c', 5)").await;
    let publish = remat::view::Publish {
        key,
        member: remat::name::Identifier::new("who").unwrap(),
        score: remat::name::Identifier::new("points").unwrap(),
        limit: None,
    };
    let board = Definition {
        publish: Some(publish),
        ..support::definition("board", "select who, points from points")
    };
    let view = world.define(board).await;
    world.remat.create(&view, remat::operation::CreateOptions::default()).await.unwrap().check().unwrap();
    world.made("secret", "select 1 as id").await;
    let mut command = world.command(&["serve", "--json", "--listen", "127.0.0.1:0"]);
    let served = service_of_a_world::Served::start_command(command.env("REDIS_URL", &redis)).await;
    let address = served.address().await;
    let site = Site { world, served, address };
    let token = site.token("ada", Role::Operator).await;

    assert_eq!(site.get("/api/v1/published", &token)["views"][0]["view"], "public.board");
    let part = site.get("/api/v1/published/board?limit=2", &token);
    assert_eq!(part["rows"], json!([{ "who": "b", "points": 7 }, { "who": "c", "points": 5 }]));
    assert_eq!((&part["served_by"], &part["next"]), (&json!("postgres"), &json!(2)));
    assert!(part["data_as_of"].is_string());
    let rest = site.get("/api/v1/published/board?offset=2", &token);
    assert_eq!((&rest["rows"], &rest["next"]), (&json!([{ "who": "a", "points": 3 }]), &Value::Null));
    for path in ["secret", "secret/top", "secret/rank?member=a"] {
        let hidden = site.json(Ask::get(&format!("/api/v1/published/{path}")), &token, 404);
        assert_eq!(hidden["title"], "view \"public.secret\" is not published");
    }

    site.json(Ask::post("/api/v1/views/board/publish"), &token, 200);
    let top = site.get("/api/v1/published/board/top?count=1", &token);
    assert_eq!((&top["served_by"], &top["entries"][0]["member"]), (&json!("redis"), &json!("b")), "{top}");
    let around = site.get("/api/v1/published/board/around?member=c&radius=1", &token);
    assert_eq!(around["entries"].as_array().unwrap().len(), 3);
    assert_eq!(site.get("/api/v1/published/board/rank?member=a", &token)["entries"][0]["rank"], 3);
    assert_eq!(site.get("/api/v1/published/board/rank?member=x", &token)["entries"], json!([]));
    site.served.drained().await;
}
