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

use http::Ask;
use remat::access::Role;
use serde_json::json;
use site::Site;

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
