//! Alerts over HTTP: the real listener over a real database.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

#[path = "support/http.rs"]
mod http;
#[path = "support/service.rs"]
mod service_of_a_world;
#[path = "support/site.rs"]
mod site;
mod support;

use std::fs;

use http::Ask;
use remat::access::Role;
use remat_testkit::wait_until;
use serde_json::json;
use service_of_a_world::Served;
use site::Site;
use support::World;

#[tokio::test]
async fn alerts_are_listed_muted_and_heard_again() {
    let site = Site::start(&[]).await;
    let operator = site.token("operator", Role::Operator).await;
    let alerts = site.get("/api/v1/alerts?firing=true&limit=5", &operator);
    assert!(alerts["alerts"].is_array() && alerts["next"].is_null(), "{alerts}");
    let mute = json!({ "rule": "stale", "reason": "we move" });
    let made = site.ask(&Ask::new("POST", "/api/v1/mutes").token(&operator).json(&mute));
    assert_eq!(made.status, 201, "{made:?}");
    let mutes = site.get("/api/v1/mutes", &operator);
    assert_eq!((&mutes["mutes"][0]["rule"], &mutes["mutes"][0]["by"]), (&json!("stale"), &json!("operator")));
    let none = json!({ "view": "nothing.there" });
    assert_eq!(site.ask(&Ask::new("POST", "/api/v1/mutes").token(&operator).json(&none)).status, 404);
    let ended = site.ask(&Ask::new("DELETE", "/api/v1/mutes?rule=stale").token(&operator));
    assert_eq!((ended.status, &ended.json()["ended"]), (200, &json!(1)), "{ended:?}");
    assert_eq!(site.get("/api/v1/mutes", &operator)["mutes"], json!([]));
    let nowhere = site.ask(&Ask::new("POST", "/api/v1/destinations/nowhere/test").token(&operator));
    assert_eq!(nowhere.status, 404, "{nowhere:?}");
}

#[tokio::test]
async fn serve_answers_metrics_and_sends_the_message_about_a_failure() {
    use std::io::{Read as _, Write as _};
    let world = World::new().await;
    world.db.execute("create table divisors as select 1 as d").await;
    world.made("bad", "select 1 / d as id from divisors").await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let settings = "[project]\nname = \"shop\"\n[destinations.ops]\nkind = \"webhook\"\nurl_env = \"OPS_URL\"\n\
                    allow_private = true\nallow_http = true\n";
    fs::write(world.dir.join("remat.toml"), settings).unwrap();
    world.json(&["apply"], 0);
    world.db.execute("update divisors set d = 0").await;
    world.json(&["refresh", "bad"], 1);
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut heard, mut piece) = (String::new(), [0; 4096]);
        while !heard.contains("\"dependents\"") {
            let read = stream.read(&mut piece).unwrap();
            heard.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        heard
    });
    let serve = ["serve", "--json", "--listen", "127.0.0.1:0"];
    let served = Served::start_command(world.command(&serve).env("OPS_URL", &url)).await;
    let sent = "select count(*) from remat.deliveries where status = 'sent'";
    wait_until("the message is sent", async || world.db.query_one_i64(sent).await == 1).await;
    let heard = heard.join().unwrap();
    assert!(heard.contains("view public.bad failed: division by zero"), "{heard}");
    let token = world.json(&["token", "create", "scraper", "--role", "viewer"], 0);
    let scrape = Ask::get("/metrics").token(token["secret"].as_str().unwrap());
    let metrics = scrape.send(&served.address().await);
    assert_eq!(metrics.status, 200, "{metrics:?}");
    assert!(metrics.text.contains("remat_view_state{"), "{metrics:?}");
    assert!(served.log().iter().all(|line| !line.to_string().contains(&url)), "the log has no address");
    served.drained().await;
}
