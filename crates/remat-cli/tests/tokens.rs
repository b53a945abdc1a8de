//! `remat token` and `remat audit`.

#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

mod support;

use support::{World, assert_documented};

#[tokio::test]
async fn a_secret_is_printed_once_and_never_listed() {
    let world = World::new().await;
    let made = world.json(&["token", "create", "ci", "--role", "operator", "--expires", "90d"], 0);
    assert_documented("token create", &made);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("remat_") && secret.len() == 70, "{secret}");
    let plain = world.run(&["token", "create", "person", "--role", "viewer", "--schema", "sales", "--quiet"]);
    assert_eq!(plain.stdout.trim().len(), 70, "{plain:?}");
    let listed = world.json(&["token", "list"], 0);
    assert_documented("token list", &listed);
    assert!(!listed.to_string().contains(secret));
    assert_eq!(listed["tokens"][0]["schemas"][0], "sales");
    let shown = world.run(&["token", "list"]);
    assert!(shown.stdout.contains("active") && shown.stdout.contains("operator"), "{shown:?}");

    let revoked = world.json(&["token", "revoke", "ci"], 0);
    assert_documented("token revoke", &revoked);
    assert_eq!(revoked["token"]["state"], "revoked");
    let audit = world.json(&["audit", "--since", "1h"], 0);
    assert_documented("audit", &audit);
    assert_eq!(audit["audit"][0]["action"], "token.revoke");
    assert!(world.run(&["audit"]).stdout.contains("token.create"));
}

#[tokio::test]
async fn a_token_that_cannot_be_is_refused() {
    let world = World::new().await;
    world.json(&["token", "create", "ci", "--role", "viewer"], 0);
    let taken = world.json(&["token", "create", "ci", "--role", "viewer"], 1);
    assert_eq!(taken["error"]["message"], "there is a token \"ci\" already");
    assert_eq!(world.run(&["token", "create", "x", "--role", "king"]).code, 2);
    assert_eq!(world.run(&["token", "create", "x"]).code, 2);
    assert_eq!(world.json(&["token", "revoke", "nobody-knows"], 7)["error"]["kind"], "not_found");
}
