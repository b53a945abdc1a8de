//! What `--json` prints, compared key by key with docs/guide/cli.md.

#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

mod support;

use remat::{
    name::Identifier,
    schedule::Dispatch,
    store::jobs::{ScheduledJob, Work},
    view::{Definition, Strategy},
};
use serde_json::{Value, json};
use support::{World, assert_documented, definition};

fn views(document: &Value) -> Vec<&str> {
    document["views"].as_array().unwrap().iter().map(|view| view["view"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn refresh_prints_the_documented_runs_also_of_failures() {
    let world = World::new().await;
    world.db.execute("create table divisors as select 1 as d").await;
    world.made("good", "select 1 as id").await;
    world.made("bad", "select 1 / d as id from divisors").await;
    world.db.execute("update divisors set d = 0").await;

    let document = world.json(&["refresh", "bad", "good"], 1);
    assert_documented("refresh", &document);
    let [bad, good] = document["runs"].as_array().unwrap().as_slice() else { panic!("{document}") };
    assert_eq!((&bad["view"], &bad["status"]), (&json!("public.bad"), &json!("failed")));
    assert_eq!(
        (&bad["error"]["message"], &bad["error"]["sqlstate"]),
        (&json!("division by zero"), &json!("22012"))
    );
    assert_eq!(
        (&good["view"], &good["status"], &good["error"]),
        (&json!("public.good"), &json!("success"), &Value::Null)
    );
}

#[tokio::test]
async fn refresh_verifies_and_status_tells_what_was_found() {
    let world = World::new().await;
    world.db.execute("create table sales (id int, cents int); insert into sales values (1, 5), (2, 6)").await;
    let query = "select id, sum(cents) as cents from sales group by id";
    let key = vec![Identifier::new("id").unwrap()];
    let view = Definition { strategy: Strategy::Incremental, key, ..definition("sums", query) };
    world.define(view).await;
    world.json(&["create", "sums"], 0);
    world.json(&["refresh", "sums"], 0);
    world.db.execute("insert into sales values (1, 1)").await;
    let finding = |document: &Value| document["runs"][0]["meta"]["verification"]["finding"].clone();
    assert_eq!(finding(&world.json(&["refresh", "sums", "--verify"], 0)), "equal");
    let document = world.json(&["status"], 0);
    assert_documented("status", &document);
    assert_eq!(document["views"][0]["verification"]["finding"], "equal");
    assert!(!world.run(&["status"]).stdout.contains("repaired"));

    world.db.execute("set remat.writing = on; delete from sums where id = 2; reset remat.writing").await;
    let document = world.json(&["refresh", "sums", "--verify"], 0);
    assert_eq!(finding(&document), "mismatch");
    let run = &document["runs"][0]["id"];
    let document = world.json(&["status"], 0);
    assert_documented("status", &document);
    assert_eq!(document["views"][0]["verification"]["facts"]["missing"], 1);
    let told = world.run(&["status"]).stdout;
    assert!(told.contains("public.sums was not what its query gives, and was repaired"), "{told}");
    assert!(told.trim_end().ends_with(&format!("see run {run}")), "{told}");
}

#[tokio::test]
async fn refresh_honours_strategy_and_row_count() {
    let world = World::new().await;
    world.made("numbers", "select n from generate_series(1, 7) n").await;
    let document = world.json(&["refresh", "numbers", "--strategy", "swap", "--row-count", "exact"], 0);
    let run = &document["runs"][0];
    assert_eq!((&run["strategy"], &run["rows_after"]), (&json!("swap"), &json!(7)));
    let document = world.json(&["refresh", "--all", "--row-count", "none"], 0);
    assert_eq!(document["runs"][0]["rows_after"], Value::Null);
}

#[tokio::test]
async fn views_that_others_read_are_created_and_refreshed_first_and_deleted_last() {
    let world = World::new().await;
    world.define(definition("a_reader", "select count(*) as n from z_source")).await;
    world.define(definition("z_source", "select 1 as id")).await;
    let order = |document: &Value| -> Vec<String> {
        document["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["view"].as_str().unwrap().to_owned())
            .collect()
    };
    let sources_first = ["public.z_source", "public.a_reader"];
    assert_eq!(order(&world.json(&["create", "--all"], 0)), sources_first);
    assert_eq!(order(&world.json(&["refresh", "--all"], 0)), sources_first);
    assert_eq!(order(&world.json(&["delete", "--all", "--yes"], 0)), ["public.a_reader", "public.z_source"]);
}

#[tokio::test]
async fn create_says_what_its_options_make_of_what_stands_there() {
    let world = World::new().await;
    world.define(definition("numbers", "select 1 as id")).await;
    assert_documented("refresh", &world.json(&["create", "numbers", "--no-data"], 0));
    assert_eq!(world.json(&["status"], 0)["views"][0]["state"], "unpopulated");
    let again = world.json(&["create", "numbers"], 1);
    assert_eq!(again["runs"][0]["error"]["sqlstate"], "42P07");
    let skipped = world.json(&["create", "numbers", "--if-not-exists"], 0);
    assert_eq!(skipped["runs"][0]["status"], "skipped");
    let forced = world.json(&["create", "numbers", "--force"], 0);
    assert_eq!(forced["runs"][0]["status"], "success");
}

#[tokio::test]
async fn status_has_the_last_run_and_can_be_narrowed() {
    let world = World::new().await;
    let tagged = Definition {
        tags: vec!["sales".into()],
        target_lag_s: Some(300),
        ..definition("tagged", "select 1 as id")
    };
    world.define(tagged).await;
    world.made("plain", "select 1 as id").await;
    world.json(&["create", "tagged"], 0);

    let document = world.json(&["status"], 0);
    assert_documented("status", &document);
    assert_eq!(views(&document), ["public.plain", "public.tagged"]);
    let [plain, tagged] = document["views"].as_array().unwrap().as_slice() else { panic!("{document}") };
    assert_eq!((&plain["state"], &tagged["state"]), (&json!("ok"), &json!("fresh")));
    assert_documented("refresh", &json!({ "runs": [tagged["last_run"]] }));
    assert_eq!(views(&world.json(&["status", "--tag", "sales"], 0)), ["public.tagged"]);
    assert_eq!(views(&world.json(&["status", "plain"], 0)), ["public.plain"]);
}

#[tokio::test]
async fn check_names_what_is_wrong_and_fails() {
    let world = World::new().await;
    world.made("fine", "select 1 as id").await;
    assert_documented("check", &world.json(&["check"], 0));
    world.define(definition("absent", "select 1 as id")).await;
    let document = world.json(&["check"], 3);
    assert_documented("check", &document);
    assert_eq!((&document["ok"], &document["problems"][0]["state"]), (&json!(false), &json!("absent")));
    world.json(&["check", "fine"], 0);
    let late = world.json(&["check", "fine", "--max-age", "soon"], 2);
    assert_eq!(late["error"]["kind"], "usage");
    world.db.execute("update remat.runs set data_as_of = data_as_of - interval '1 hour'").await;
    let late = world.json(&["check", "fine", "--max-age", "10min"], 3);
    assert_eq!(late["problems"][0]["problem"], "its data is 1 h 00 min old, the target is 10 min");
    world.json(&["pause", "fine"], 0);
    world.json(&["check", "fine", "--max-age", "10min"], 0);
}

#[tokio::test]
async fn runs_and_run_show_what_happened() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    world.json(&["refresh", "numbers"], 0);
    let document = world.json(&["runs", "numbers"], 0);
    assert_documented("refresh", &document);
    let operations: Vec<_> =
        document["runs"].as_array().unwrap().iter().map(|run| &run["operation"]).collect();
    assert_eq!(operations, ["refresh", "create"]);
    let narrowed = world.json(&["runs", "--operation", "create", "--status", "success", "--limit", "1"], 0);
    let id = narrowed["runs"][0]["id"].to_string();
    let one = world.json(&["run", &id], 0);
    assert_eq!(one["run"], narrowed["runs"][0]);
}

#[tokio::test]
async fn stats_count_successes_and_failures() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    world.json(&["refresh", "numbers"], 0);
    world.json(&["refresh", "numbers"], 0);
    world.json(&["refresh", "numbers", "--strategy", "merge"], 1);
    let document = world.json(&["stats"], 0);
    assert_documented("stats", &document);
    let stats = &document["views"][0];
    assert_eq!(
        (&stats["successes"], &stats["failures_24h"], &stats["rows"]),
        (&json!(2), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn verify_finds_what_is_missing_and_extra() {
    let world = World::new().await;
    world.db.execute("create table sales as select n from generate_series(1, 5) n").await;
    world.made("numbers", "select n from sales").await;
    let document = world.json(&["verify", "--all"], 0);
    assert_documented("verify", &document);
    world.db.execute("delete from sales where n <= 2; insert into sales values (6)").await;
    let document = world.json(&["verify", "numbers"], 1);
    assert_eq!(
        document,
        json!({"views": [{"view": "public.numbers", "equal": false, "missing": 1, "extra": 2}]})
    );
}

#[tokio::test]
async fn verify_goes_on_after_a_view_that_cannot_be_compared() {
    let world = World::new().await;
    world.define(definition("absent", "select 1 as id")).await;
    world.made("numbers", "select 1 as id").await;
    let document = world.json(&["verify", "--all"], 1);
    assert_eq!(views(&document), ["public.absent", "public.numbers"]);
    assert_eq!(
        (&document["views"][0]["error"]["kind"], &document["views"][1]["equal"]),
        (&json!("not_found"), &json!(true))
    );
}

#[tokio::test]
async fn bench_times_both_sides() {
    let world = World::new().await;
    world.made("numbers", "select n from generate_series(1, 100) n").await;
    let document = world.json(&["bench", "numbers", "--repeats", "2"], 0);
    assert_documented("bench", &document);
    assert_eq!((&document["views"][0]["rows"], &document["views"][0]["repeats"]), (&json!(100), &json!(2)));
}

#[tokio::test]
async fn schedule_shows_jobs_and_views_in_the_order_of_their_firings() {
    let world = World::new().await;
    let hourly = Definition {
        schedule: Some("0 * * * *".into()),
        schedule_zone: "Europe/Berlin".into(),
        ..definition("numbers", "select 1 as id")
    };
    world.define(hourly).await;
    let job = ScheduledJob {
        name: "cleanup".into(),
        schedule: "30 6 * * *".into(),
        zone: "UTC".into(),
        work: Work::Sql("select 1".into()),
        enabled: true,
        dispatch: Dispatch::default(),
        last_fire: None,
    };
    let session = world.remat.session().await.unwrap();
    remat::store::jobs::save(&session, &job, None).await.unwrap();

    let document = world.json(&["schedule", "--from", "2026-08-01T06:10:00Z", "--next", "2"], 0);
    let [cleanup, numbers] = document["schedules"].as_array().unwrap().as_slice() else {
        panic!("{document}")
    };
    assert_documented("schedule", &json!({ "schedules": [numbers] }));
    assert_eq!((&cleanup["kind"], &cleanup["sql"]), (&json!("job"), &json!("select 1")));
    assert_eq!(cleanup["next"], json!(["2026-08-01T06:30:00Z", "2026-08-02T06:30:00Z"]));
    assert_eq!(numbers["next"], json!(["2026-08-01T07:00:00Z", "2026-08-01T08:00:00Z"]));
    world.json(&["pause", "numbers"], 0);
    let paused = world.json(&["schedule"], 0);
    assert_eq!(
        (&paused["schedules"][1]["enabled"], &paused["schedules"][1]["next"]),
        (&json!(false), &json!([]))
    );
}

#[tokio::test]
async fn a_paused_view_is_skipped_until_it_is_resumed() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    let paused = world.json(&["pause", "numbers", "--reason", "load test", "--until", "2h"], 0);
    assert_documented("pause", &paused);
    assert_eq!(
        (&paused["views"][0]["by"], &paused["views"][0]["reason"]),
        (&json!("ada"), &json!("load test"))
    );
    let skipped = world.json(&["refresh", "numbers"], 0);
    assert_eq!(
        (&skipped["runs"][0]["status"], &skipped["runs"][0]["reason"]),
        (&json!("skipped"), &json!("paused"))
    );
    assert_eq!(world.json(&["refresh", "numbers", "--force"], 0)["runs"][0]["status"], "success");
    let resumed = world.json(&["resume", "numbers"], 0);
    assert_documented("pause", &resumed);
    assert_eq!(resumed["views"][0]["paused"], false);
    assert_eq!(world.json(&["refresh", "numbers"], 0)["runs"][0]["status"], "success");
}

#[tokio::test]
async fn prune_deletes_what_is_beyond_the_number_to_keep() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    for _ in 0..4 {
        world.json(&["refresh", "numbers"], 0);
    }
    let document = world.json(&["prune", "--keep", "2"], 0);
    assert_documented("prune", &document);
    assert_eq!(document["deleted"], 2);
    assert_eq!(world.json(&["prune", "--keep", "2"], 0)["deleted"], 0);
}

#[tokio::test]
async fn migrate_prints_or_applies_and_is_needed_once() {
    let world = World::unmigrated().await;
    assert_eq!(world.json(&["status"], 8)["error"]["kind"], "schema");
    let printed = world.json(&["migrate", "--print"], 0);
    assert!(printed["sql"].as_str().unwrap().contains("create table remat.views"));
    let document = world.json(&["migrate"], 0);
    assert_documented("migrate", &document);
    assert_eq!(document["applied"][0], "0001_tables");
    assert_eq!(world.json(&["migrate"], 0), json!({ "applied": [] }));
}

#[tokio::test]
async fn init_writes_a_project_and_overwrites_nothing() {
    let world = World::unmigrated().await;
    let document = world.json(&["init", "shop"], 0);
    assert_documented("init", &document);
    let settings = world.dir.join("shop/remat.toml");
    assert!(std::fs::read_to_string(&settings).unwrap().contains("name = \"shop\""));
    std::fs::write(&settings, "mine").unwrap();
    let again = world.json(&["init", "shop"], 0);
    assert_eq!(again["files"][0]["written"], false);
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), "mine");
}

#[tokio::test]
async fn alerts_are_listed_muted_and_tried() {
    let world = World::new().await;
    world.db.execute("create table divisors as select 1 as d").await;
    world.made("bad", "select 1 / d as id from divisors").await;
    let settings = "[project]\nname = \"shop\"\n[destinations.ops]\nkind = \"slack\"\nurl_env = \"REMAT_TEST_NOWHERE\"\n";
    std::fs::write(world.dir.join("remat.toml"), settings).unwrap();
    let applied = world.json(&["apply"], 0);
    assert_documented("apply", &applied);
    assert_eq!(applied["alerts"], json!([{ "action": "create", "what": "destination", "name": "ops" }]));
    world.db.execute("update divisors set d = 0").await;
    world.json(&["refresh", "bad"], 1);
    remat::service::alerter::Alerter::new(&world.remat).judge().await.unwrap();

    let muted = world.json(&["alert", "mute", "failed:bad", "--until", "2h", "--reason", "known"], 0);
    assert_eq!((&muted["mute"]["rule"], &muted["mute"]["by"]), (&json!("failed"), &json!("ada")));
    let listed = world.json(&["alert", "list"], 0);
    assert_documented("alert list", &listed);
    assert_eq!(
        (&listed["alerts"][0]["view"], &listed["alerts"][0]["is_muted"]),
        (&json!("public.bad"), &json!(true))
    );
    let text = world.run(&["alert", "list"]).stdout;
    assert!(
        text.contains("view public.bad failed: division by zero")
            && text.contains("failed:public.bad is muted by ada"),
        "{text}"
    );
    assert_eq!(world.json(&["alert", "unmute", "failed:bad"], 0), json!({ "ended": 1 }));

    let tried = world.json(&["alert", "test", "ops"], 1);
    assert_eq!(tried["delivery"]["status"], "failed");
    world.json(&["alert", "test", "opps"], 7);
    world.json(&["alert", "mute", "fialed"], 7);
    assert_eq!(world.json(&["alert", "deliveries"], 0)["deliveries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn check_tells_of_a_clock_that_stands_still() {
    let world = World::new().await;
    world
        .db
        .execute(
            "insert into remat.scheduled_jobs (name, schedule, sql) values ('x', '@daily', 'select 1');
             insert into remat.loops (service, turned_at, process) values ('scheduler', now() - interval '1 hour', 'gone')",
        )
        .await;
    let document = world.json(&["check"], 3);
    assert_documented("check", &document);
    assert_eq!(document["alerts"][0]["rule"], "scheduler_stalled");
    assert!(
        world
            .run(&["check"])
            .stdout
            .starts_with("the scheduler is stalled: it last looked for what is due 1 h ago. ")
    );
    world.json(&["alert", "mute", "scheduler_stalled"], 0);
    world.json(&["check"], 0);
}
