//! What changes, as it changes: streams and looking from time to time.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

#[path = "support/http.rs"]
mod http;
#[path = "support/service.rs"]
mod service_of_a_world;
#[path = "support/site.rs"]
mod site;
mod support;

use http::{Ask, Stream};
use remat::access::Role;
use remat_testkit::wait_until;
use site::Site;

#[tokio::test]
async fn a_stream_tells_of_runs_and_events_and_goes_on_where_it_broke_off() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Operator).await;
    site.world.made("numbers", "select 1 as id").await;
    let mut stream = Stream::open(&site.address, &token, None);
    assert!(stream.heard.contains("text/event-stream") && stream.heard.contains("event: ready"));
    let asked = site.json(Ask::post("/api/v1/views/numbers/refresh"), &token, 202);
    stream.until(&format!("\"id\":{},\"view\":\"public.numbers\"", asked["enqueued"][0]["run"]));
    stream.until("\"status\":\"success\"");
    let place = stream.last_id().to_owned();
    drop(stream);

    site.json(Ask::post("/api/v1/views/numbers/pause"), &token, 200);
    let path = format!("/api/v1/events?after={place}");
    wait_until("the pause was told", async || site.get(&path, &token).to_string().contains("\"pause\""))
        .await;
    let mut stream = Stream::open(&site.address, &token, Some(&place));
    stream.until("\"action\":\"pause\"");
    assert!(!stream.heard.contains("event: run"), "told before: {}", stream.heard);

    let mut lost = Stream::open(&site.address, &token, Some("1-1"));
    lost.until("event: reset");
    site.served.drained().await;
}

#[tokio::test]
async fn who_looks_from_time_to_time_misses_nothing() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Operator).await;
    site.world.made("numbers", "select 1 as id").await;
    let first = site.get("/api/v1/events", &token);
    assert_eq!((first["events"].as_array().unwrap().len(), &first["reset"]), (0, &false.into()));
    let asked = site.json(Ask::post("/api/v1/views/numbers/refresh"), &token, 202);
    let run = asked["enqueued"][0]["run"].clone();
    let path = format!("/api/v1/events?after={}", first["next"].as_str().unwrap());
    let ended = |events: &serde_json::Value| {
        let is_end =
            |event: &serde_json::Value| event["data"]["id"] == run && event["data"]["status"] == "success";
        events["events"].as_array().unwrap().iter().any(is_end)
    };
    wait_until("the end of the run was told", async || ended(&site.get(&path, &token))).await;
    assert_eq!(site.get("/api/v1/events?after=nonsense", &token)["reset"], true);
    site.served.drained().await;
}

#[tokio::test]
async fn a_token_of_some_schemas_hears_of_those_alone() {
    let site = Site::start(&[]).await;
    let (all, token) =
        (site.token("ada", Role::Operator).await, site.scoped("seller", Role::Viewer, &["sales"]).await);
    site.world.made("numbers", "select 1 as id").await;
    site.world.db.execute("create schema sales").await;
    let name = remat::name::RelationName::new("sales", "daily").unwrap();
    site.world.define(remat::view::Definition::new(name, "select 1 as id")).await;
    let mut stream = Stream::open(&site.address, &token, None);
    for view in ["numbers", "sales.daily"] {
        site.json(Ask::post(&format!("/api/v1/views/{view}/pause")), &all, 200);
    }
    stream.until("sales.daily");
    assert!(!stream.heard.contains("numbers"), "{}", stream.heard);
    site.served.drained().await;
}

#[tokio::test]
async fn a_hundred_streams_take_no_more_connections_than_one() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Operator).await;
    site.world.made("numbers", "select 1 as id").await;
    let mut streams: Vec<Stream> = (0..100).map(|_| Stream::open(&site.address, &token, None)).collect();
    let listening =
        "select count(*) from pg_stat_activity where datname = current_database() and query = 'listen remat'";
    // One of the worker, one of the feed.
    wait_until("they listen", async || site.world.db.query_one_i64(listening).await == 2).await;
    site.json(Ask::post("/api/v1/views/numbers/pause"), &token, 200);
    for stream in &mut streams {
        stream.until("\"action\":\"pause\"");
    }
    assert_eq!(site.world.db.query_one_i64(listening).await, 2);
    site.served.drained().await;
}
