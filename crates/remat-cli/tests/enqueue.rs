//! Work that is left to workers, and what is shown of it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

#[path = "support/service.rs"]
mod service_of_a_world;
mod support;

use remat::view::Definition;
use remat_testkit::wait_until;
use serde_json::{Value, json};
use service_of_a_world::Served;
use support::{World, assert_documented, definition};

fn field<'a>(document: &'a Value, list: &str, key: &str) -> Vec<&'a Value> {
    document[list].as_array().unwrap().iter().map(|item| &item[key]).collect()
}

/// `below`, and `above` which reads it; `below` fails when the divisor is 0.
async fn storeys(world: &World) {
    world.db.execute("create table divisors as select 1 as d").await;
    world.made("below", "select 1 / d as id from divisors").await;
    world.made("above", "select count(*) as n from below").await;
}

#[tokio::test]
async fn a_refresh_is_enqueued_joined_and_waited_for() {
    let world = World::new().await;
    storeys(&world).await;
    let enqueued = world.json(&["refresh", "above", "--with-upstream", "--enqueue", "--queue", "slow"], 0);
    assert_documented("enqueue", &enqueued);
    assert_eq!(field(&enqueued, "enqueued", "view"), ["public.below", "public.above"]);
    let joined = world.json(&["refresh", "below", "--enqueue"], 0);
    assert_eq!(joined["enqueued"][0]["outcome"], "joined");
    let queue = world.json(&["queue"], 0);
    assert_documented("queue", &queue);
    assert_eq!(
        (&queue["queues"][0]["queue"], &queue["queues"][0]["due"], &queue["queues"][0]["waiting"]),
        (&json!("slow"), &json!(1), &json!(1))
    );

    let served = Served::start(&world, &[]).await;
    let waited = world.json(&["refresh", "above", "--enqueue", "--wait"], 0);
    assert_documented("refresh", &waited);
    assert_eq!(waited["runs"][0]["status"], "success");
    assert!(waited["runs"][0]["worker"].as_str().unwrap().contains(':'), "{waited}");
    served.drained().await;
}

#[tokio::test]
async fn with_the_back_end_inline_it_is_done_when_the_command_ends() {
    let world = World::new().await;
    storeys(&world).await;
    let settings = "[project]\nname = \"shop\"\n[backend]\nkind = \"inline\"\n";
    std::fs::write(world.dir.join("remat.toml"), settings).unwrap();
    let done = world.json(&["refresh", "above", "--with-upstream", "--enqueue"], 0);
    for id in field(&done, "enqueued", "run") {
        assert_eq!(world.json(&["run", &id.to_string()], 0)["run"]["status"], "success");
    }
}

#[tokio::test]
async fn creates_and_deletes_are_enqueued_in_their_order() {
    let world = World::new().await;
    world.define(definition("a_reader", "select count(*) as n from z_source")).await;
    world.define(definition("z_source", "select 1 as id")).await;
    let served = Served::start(&world, &[]).await;
    let created = world.json(&["create", "--all", "--enqueue", "--wait"], 0);
    assert_eq!(field(&created, "runs", "view"), ["public.z_source", "public.a_reader"]);
    assert_eq!(field(&created, "runs", "status"), ["success", "success"]);
    let deleted = world.json(&["delete", "--all", "--yes", "--enqueue", "--wait"], 0);
    assert_eq!(field(&deleted, "runs", "view"), ["public.a_reader", "public.z_source"]);
    assert_eq!(field(&deleted, "runs", "status"), ["success", "success"]);
    served.drained().await;
}

#[tokio::test]
async fn what_reads_a_view_that_failed_is_skipped_with_the_root_cause() {
    let world = World::new().await;
    storeys(&world).await;
    world.made("roof", "select count(*) as n from above").await;
    world.made("aside", "select 1 as id").await;
    let whole = world.json(&["refresh", "above", "--with-upstream", "--with-downstream"], 0);
    assert_eq!(field(&whole, "runs", "view"), ["public.below", "public.above", "public.roof"]);

    world.db.execute("update divisors set d = 0").await;
    let told = world.json(&["refresh", "below", "--with-downstream"], 1);
    let [below, above, roof] = told["runs"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!(below["status"], "failed");
    for skipped in [above, roof] {
        assert_eq!(
            (&skipped["status"], &skipped["reason"], &skipped["meta"]["root_cause"]),
            (&json!("skipped"), &json!("upstream_failed"), &below["id"])
        );
    }
    let shown = world.run(&["run", &roof["id"].to_string()]);
    assert!(shown.stdout.contains(&format!("root cause   run {}", below["id"])), "{shown:?}");
}

#[tokio::test]
async fn a_run_is_cancelled_before_it_begins_at_work_or_not_at_all() {
    let world = World::new().await;
    world.db.execute("create table naps as select 0.0 as seconds").await;
    world.made("slow", "select pg_sleep(seconds)::text as nap from naps").await;
    world.db.execute("update naps set seconds = 600").await;
    let id = |document: &Value| document["enqueued"][0]["run"].to_string();

    let waiting = id(&world.json(&["refresh", "slow", "--enqueue"], 0));
    let cancelled = world.json(&["run", "cancel", &waiting], 0);
    assert_documented("cancel", &cancelled);
    assert_eq!(
        (&cancelled["outcome"], &cancelled["run"]["status"]),
        (&json!("never_began"), &json!("cancelled"))
    );
    assert_eq!(world.json(&["run", "cancel", &waiting], 0)["outcome"], "had_ended");

    let served = Served::start(&world, &[]).await;
    let at_work = id(&world.json(&["refresh", "slow", "--enqueue"], 0));
    let workers = async || world.json(&["workers"], 0);
    wait_until("it is at work", async || workers().await["workers"][0]["runs"] != json!([])).await;
    let workers = workers().await;
    assert_documented("workers", &workers);
    assert_eq!(workers["workers"][0]["runs"][0]["id"].to_string(), at_work);
    let cancelled = world.run(&["run", "cancel", &at_work]);
    assert_eq!(cancelled.code, 0, "{cancelled:?}");
    assert!(cancelled.stdout.contains("was cancelled at the server"), "{cancelled:?}");
    assert_eq!(world.json(&["run", "cancel", "999"], 7)["error"]["kind"], "not_found");
    served.drained().await;
}

#[tokio::test]
async fn the_schedule_tells_of_targets_and_of_what_fired_last() {
    let world = World::new().await;
    let lagging = Definition { target_lag_s: Some(3600), ..definition("lagging", "select 1 as id") };
    let ticking =
        Definition { schedule: Some("* * * * * *".into()), ..definition("ticking", "select 1 as id") };
    for definition in [lagging, ticking] {
        world.define(definition).await;
    }
    world.json(&["create", "--all"], 0);
    let served = Served::start(&world, &[]).await;
    let fired = "select count(*) from remat.fires";
    wait_until("it fired", async || world.db.query_one_i64(fired).await > 0).await;
    served.drained().await;

    let document = world.json(&["schedule"], 0);
    assert_documented("schedule", &document);
    let [ticking, lagging] = document["schedules"].as_array().unwrap().as_slice() else {
        panic!("{document}")
    };
    assert_eq!((&ticking["name"], &ticking["last"]["reason"]), (&json!("public.ticking"), &Value::Null));
    let answering = &ticking["last"]["runs"][0]["id"];
    assert_eq!(world.json(&["run", &answering.to_string()], 0)["run"]["view"], "public.ticking");
    assert_eq!((&lagging["target_lag_seconds"], &lagging["schedule"]), (&json!(3600), &Value::Null));
    assert_eq!(lagging["next"].as_array().unwrap().len(), 1);

    world.json(&["pause", "--all"], 0);
    let paused = world.json(&["schedule"], 0);
    assert_eq!(field(&paused, "schedules", "paused"), [true, true]);
    assert!(world.run(&["schedule"]).stdout.starts_with("next"), "a table");
    assert!(world.run(&["schedule"]).stdout.contains("paused"), "{paused}");
}
