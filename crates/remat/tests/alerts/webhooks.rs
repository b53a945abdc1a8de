//! Messages to receivers over HTTP, and what may happen to them on the way.

use std::time::Duration;

use remat::service::{Service as _, deliverer::Deliverer};
use remat_testkit::wait_until;
use sha2::{Digest as _, Sha256};

use crate::{
    fixture::World,
    receiver::{BROKEN, FINE, Receiver},
    support,
};

/// A world whose view has failed, with one message to write home about, for this receiver.
async fn failed(receiver: &Receiver) -> World {
    let world = World::new().await;
    world.apply(&world.webhook("ops", &receiver.url("/hush?key=1"))).await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    world.judge().await;
    world
}

/// HMAC-SHA-256, written down from its definition.
fn hmac(key: &[u8], text: &[u8]) -> String {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.map(|key| key ^ byte);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn a_webhook_gets_signed_json_with_the_id_of_the_message() {
    let receiver = Receiver::start(FINE).await;
    let world = World::new().await;
    let secret = world.secret("secret", "hush");
    let destination =
        format!("{}secret_file = \"{secret}\"\n", world.webhook("ops", &receiver.url("/in?a=b")));
    world.apply(&destination).await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    world.judge().await;
    world.deliver().await;
    let delivery = &world.deliveries().await[0];
    assert_eq!((delivery.status.as_str(), delivery.answer.as_deref()), ("sent", Some("HTTP 204")));
    let arrived = &receiver.arrived()[0];
    assert_eq!(arrived.line, "POST /in?a=b HTTP/1.1");
    let header = |name: &str| arrived.headers[name].as_str();
    assert_eq!((header("host"), header("content-type")), (receiver.address.as_str(), "application/json"));
    assert_eq!(
        (header("x-remat-event"), header("x-remat-message-id")),
        ("firing", delivery.message_id.as_str())
    );
    let signed = format!("{}.{}", header("x-remat-timestamp"), arrived.body);
    assert_eq!(header("x-remat-signature"), format!("v1={}", hmac(b"hush", signed.as_bytes())));
    let body = arrived.json();
    assert_eq!(
        (&body["event"], &body["view"], &body["rule"]),
        (&"firing".into(), &"public.per_user".into(), &"failed".into())
    );
    assert_eq!(body["subject"], delivery.subject.as_str());
    assert!(body["alert_id"].is_i64() && body["run_id"].is_i64() && body["fired_at"].is_string());
}

#[tokio::test]
async fn a_receiver_that_fails_is_asked_again_with_the_same_id() {
    let receiver = Receiver::start(BROKEN).await;
    let world = failed(&receiver).await;
    world.deliver().await;
    let delivery = world.deliveries().await.remove(0);
    assert_eq!((delivery.status.as_str(), delivery.attempts), ("pending", 1));
    assert_eq!(delivery.answer.as_deref(), Some("HTTP 500"), "without what it said");
    assert!(delivery.due_at > delivery.created_at);
    world.deliver().await;
    assert_eq!(receiver.arrived().len(), 1, "not before it is due");
    receiver.answers(FINE);
    world.hurry().await;
    world.deliver().await;
    let arrived = receiver.arrived();
    assert_eq!(arrived[0].headers["x-remat-message-id"], arrived[1].headers["x-remat-message-id"]);
    assert_eq!(world.deliveries().await[0].status, "sent");
}

#[tokio::test]
async fn a_message_that_nobody_takes_is_given_up_with_a_reason() {
    let receiver = Receiver::start(BROKEN).await;
    let world = failed(&receiver).await;
    world.app.db.execute("update remat.deliveries set attempts = 11").await;
    world.deliver().await;
    let delivery = world.deliveries().await.remove(0);
    assert_eq!((delivery.status.as_str(), delivery.answer.as_deref()), ("failed", Some("HTTP 500")));
    assert!(delivery.ended_at.is_some());
    world.hurry().await;
    world.deliver().await;
    assert_eq!(receiver.arrived().len(), 1);
    let text = world.app.remat.metrics(None).await.unwrap();
    assert!(text.contains("\nremat_deliveries_failed 1\n"), "{text}");
}

#[tokio::test]
async fn a_message_whose_sender_died_before_noting_it_is_sent_again_with_the_same_id() {
    let receiver = Receiver::start("").await;
    let world = failed(&receiver).await;
    let remat = world.app.remat.clone();
    let dies = tokio::spawn(async move { Deliverer::new(&remat).run_once().await });
    receiver.has(1).await;
    dies.abort();
    assert!(dies.await.unwrap_err().is_cancelled());
    receiver.answers(FINE);
    world.deliver().await;
    assert_eq!(receiver.arrived().len(), 1, "the claim holds for a while");
    world.app.db.execute("update remat.deliveries set claimed_at = now() - interval '2 min'").await;
    world.deliver().await;
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), 2);
    assert_eq!(arrived[0].headers["x-remat-message-id"], arrived[1].headers["x-remat-message-id"]);
    let delivery = &world.deliveries().await[0];
    assert_eq!((delivery.status.as_str(), delivery.attempts), ("sent", 2));
}

#[tokio::test]
async fn a_sender_that_was_taken_for_dead_notes_nothing() {
    let receiver = Receiver::start("").await;
    let world = failed(&receiver).await;
    let remat = world.app.remat.clone();
    let late = tokio::spawn(async move { Deliverer::new(&remat).run_once().await });
    receiver.has(1).await;
    // Its successor gives the message up.
    world.app.db.execute("update remat.deliveries set fence = fence + 1, status = 'failed', ended_at = now(), answer = 'gone'").await;
    receiver.answers(FINE);
    late.await.unwrap().unwrap();
    let delivery = &world.deliveries().await[0];
    assert_eq!((delivery.status.as_str(), delivery.answer.as_deref()), ("failed", Some("gone")));
}

#[tokio::test]
async fn deliverers_of_several_processes_send_each_message_once() {
    let receiver = Receiver::start(FINE).await;
    let world = failed(&receiver).await;
    world
        .app
        .db
        .execute(
            "insert into remat.deliveries (event, destination, message)
             select 'test', destination, message from remat.deliveries, generate_series(1, 39)",
        )
        .await;
    let mut senders = Vec::new();
    for _ in 0..4 {
        let remat = support::connect(&world.app.db.url()).await;
        senders.push(tokio::spawn(async move {
            let mut deliverer = Deliverer::new(&remat);
            while deliverer.run_once().await.unwrap().rest == Duration::ZERO {}
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    wait_until("all are sent", async || {
        world.app.count("select count(*) from remat.deliveries where status = 'sent'").await == 40
    })
    .await;
    assert_eq!(receiver.arrived().len(), 40);
}

#[tokio::test]
async fn the_end_of_an_alert_is_not_told_before_its_beginning() {
    let receiver = Receiver::start(BROKEN).await;
    let world = failed(&receiver).await;
    world.deliver().await;
    let view = world.app.remat.views().await.unwrap().remove(0);
    world.mend_it(&view).await;
    assert_eq!(world.judge().await.messages, 1);
    receiver.answers(FINE);
    world.deliver().await;
    assert_eq!(receiver.arrived().len(), 1, "the first is not due yet, and the second waits for it");
    world.hurry().await;
    world.deliver().await;
    world.deliver().await;
    let events: Vec<_> = receiver.arrived().iter().map(|one| one.headers["x-remat-event"].clone()).collect();
    assert_eq!(events, ["firing", "firing", "resolved"]);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(FINE).await;
    let answer =
        format!("HTTP/1.1 307 There\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url("/"));
    let receiver = Receiver::start(&answer).await;
    let world = failed(&receiver).await;
    world.deliver().await;
    assert_eq!(world.deliveries().await[0].answer.as_deref(), Some("HTTP 307; redirects are not followed"));
    assert!(elsewhere.arrived().is_empty());
}

#[tokio::test]
async fn this_machine_is_not_reached_unless_that_is_allowed() {
    let receiver = Receiver::start(FINE).await;
    let world = World::new().await;
    let port = receiver.address.rsplit(':').next().unwrap();
    for (name, host) in
        [("a", "127.0.0.1"), ("b", "localhost"), ("c", "[::ffff:127.0.0.1]"), ("d", "2130706433")]
    {
        let url = world.secret(name, &format!("http://{host}:{port}/hush"));
        let settings =
            format!("[destinations.{name}]\nkind = \"webhook\"\nurl_file = \"{url}\"\nallow_http = true\n");
        world.apply(&settings).await;
        let delivery = world.app.remat.test_destination(name).await.unwrap();
        let answer = delivery.answer.unwrap();
        assert_eq!(delivery.status, "failed");
        assert!(answer.contains("is not on the public network") && !answer.contains("hush"), "{answer}");
    }
    assert!(receiver.arrived().is_empty());
}

#[tokio::test]
async fn a_test_says_how_it_went_and_is_tried_once() {
    let receiver = Receiver::start(FINE).await;
    let world = World::new().await;
    world.apply(&world.webhook("ops", &receiver.url("/"))).await;
    let delivery = world.app.remat.test_destination("ops").await.unwrap();
    assert_eq!((delivery.status.as_str(), delivery.answer.as_deref()), ("sent", Some("HTTP 204")));
    assert_eq!(receiver.arrived()[0].json()["event"], "test");
    receiver.answers(BROKEN);
    assert_eq!(world.app.remat.test_destination("ops").await.unwrap().status, "failed");
    world.deliver().await;
    assert_eq!(receiver.arrived().len(), 2);
    let unknown = world.app.remat.test_destination("opps").await.unwrap_err();
    assert!(unknown.to_string().contains("The destinations are ops."), "{unknown}");
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named_and_nothing_else_is_kept_of_it() {
    let receiver = Receiver::start(FINE).await;
    let world = failed(&receiver).await;
    world.deliver().await;
    let everything =
        "select string_agg(d::text, ' ') || (select string_agg(o::text, ' ') from remat.destinations o)
                      from remat.deliveries d";
    assert!(!world.app.text(everything).await.contains("hush"));
    world.apply("[destinations.gone]\nkind = \"slack\"\nurl_env = \"REMAT_TEST_NOWHERE\"\n").await;
    let delivery = world.app.remat.test_destination("gone").await.unwrap();
    assert_eq!(
        delivery.answer.as_deref(),
        Some("the environment variable REMAT_TEST_NOWHERE is missing, cannot be read, or is empty")
    );
}

#[tokio::test]
async fn what_slack_gets_is_a_text() {
    let receiver = Receiver::start(FINE).await;
    let world = World::new().await;
    let url = world.secret("chat", &receiver.url("/services/T/B/x"));
    let settings = format!(
        "[destinations.chat]\nkind = \"slack\"\nurl_file = \"{url}\"\nallow_private = true\nallow_http = true\n"
    );
    world.apply(&settings).await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    world.judge().await;
    world.deliver().await;
    let text = receiver.arrived()[0].json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("view public.per_user failed: division by zero*\nwhat to do: "), "{text}");
}

#[tokio::test]
async fn a_receiver_that_speaks_no_tls_or_is_not_there_is_told_as_that() {
    let receiver = Receiver::start(FINE).await;
    let world = World::new().await;
    let url = world.secret("tls", &format!("https://{}/", receiver.address));
    let settings = |url: &str| {
        format!("[destinations.ops]\nkind = \"webhook\"\nurl_file = \"{url}\"\nallow_private = true\n")
    };
    world.apply(&settings(&url)).await;
    let answer = world.app.remat.test_destination("ops").await.unwrap().answer.unwrap();
    assert!(answer.starts_with("TLS failed"), "{answer}");
    let nobody = world.secret("nobody", "https://127.0.0.1:1/");
    world.apply(&settings(&nobody)).await;
    let answer = world.app.remat.test_destination("ops").await.unwrap().answer.unwrap();
    assert_eq!(answer, "could not connect: connection refused");
}
