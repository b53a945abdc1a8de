//! `remat serve` as a process: the skyflow example with every back end, signals, probes, and a newer schema.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

#[path = "support/service.rs"]
mod service_of_a_world;
mod support;

use std::{fs, path::Path, process::Command};

use remat::{
    name::Identifier,
    view::{Definition, Strategy},
};
use remat_testkit::{Servers, wait_until};
use serde_json::json;
use service_of_a_world::Served;
use support::{World, definition};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/skyflow");

/// The example with a little data, its schedules set to every second and this back end, applied.
async fn skyflow(backend: &str) -> World {
    let world = World::new().await;
    for folder in ["schema", "seed"] {
        let mut files: Vec<_> =
            fs::read_dir(Path::new(EXAMPLE).join(folder)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            world.db.execute(&fs::read_to_string(file).unwrap()).await;
        }
    }
    world.db.execute("select skyflow_seed_users(20); select skyflow_seed_analyses(1, 400)").await;
    fs::create_dir(world.dir.join("views")).unwrap();
    for file in fs::read_dir(Path::new(EXAMPLE).join("views")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), world.dir.join("views").join(file.file_name())).unwrap();
    }
    let settings = fs::read_to_string(Path::new(EXAMPLE).join("remat.toml")).unwrap();
    let every_second = settings
        .lines()
        .map(|line| if line.starts_with("schedule = ") { "schedule = \"* * * * * *\"" } else { line });
    let settings = format!("{}\n{backend}\n", every_second.collect::<Vec<_>>().join("\n"));
    fs::write(world.dir.join("remat.toml"), settings).unwrap();
    world.json(&["apply"], 0);
    world
}

/// Serves the example until each of its jobs has succeeded twice, and ends it.
async fn runs_its_jobs(kind: &str, backend: &str) {
    let world = skyflow(backend).await;
    let served = Served::start(&world, &["--backend", kind]).await;
    let twice = "select count(*) from remat.scheduled_jobs j
                 where 2 <= (select count(*) from remat.runs r join remat.fires f on f.id = r.fire_id
                             where f.job_name = j.name and r.status = 'success')";
    wait_until("each job ran twice", async || world.db.query_one_i64(twice).await == 5).await;
    let woken = "select count(*) from remat.workers where state = 'running' and backend = '";
    wait_until("its back end wakes the worker", async || {
        world.db.query_one_i64(&format!("{woken}{kind}'")).await == 1
    })
    .await;
    served.drained().await;

    let count = async |what: &str| {
        world
            .db
            .query_one_i64(&format!("select count(*) from remat.runs where fire_id is not null and {what}"))
            .await
    };
    assert_eq!(count("status in ('running', 'unknown')").await, 0);
    assert_eq!(count("status in ('failed', 'cancelled')").await, 0);
    assert_eq!(count(&format!("backend <> '{kind}'")).await, 0);
    assert_eq!(world.db.query_one_i64("select count(*) from remat.workers").await, 0);
}

/// `[backend]` with names of its own in a broker that all tests share.
fn broker(world: &str, kind: &str, url: &str) -> String {
    format!("[backend]\nkind = \"{kind}\"\nurl = \"{url}\"\nprefix = \"{world}\"\n")
}

#[tokio::test]
async fn the_example_runs_its_jobs_over_postgres() {
    runs_its_jobs("postgres", "").await;
}

#[tokio::test]
async fn the_example_runs_its_jobs_inline() {
    runs_its_jobs("inline", "").await;
}

#[tokio::test]
async fn the_example_runs_its_jobs_over_redis() {
    let backend = broker("serve-redis", "redis", &Servers::read().redis_url());
    runs_its_jobs("redis", &backend).await;
}

#[tokio::test]
async fn the_example_runs_its_jobs_over_sidekiq() {
    let backend = broker("serve-sidekiq", "sidekiq", &Servers::read().redis_url());
    runs_its_jobs("sidekiq", &backend).await;
}

#[tokio::test]
async fn the_example_runs_its_jobs_over_rabbitmq() {
    let backend = broker("serve-rabbitmq", "rabbitmq", &Servers::read().rabbitmq_url());
    runs_its_jobs("rabbitmq", &backend).await;
}

/// A view whose refresh waits for as long as advisory lock 1 is held.
async fn gated(world: &World) {
    world
        .db
        .execute(
            "create function gate() returns boolean language sql volatile as $$
                        select pg_advisory_xact_lock_shared(1) is not null $$",
        )
        .await;
    world.made("gated", "select 1 as id where gate()").await;
}

async fn waits_for_gate(world: &World) {
    let sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = 1
               and database = (select oid from pg_database where datname = current_database())";
    wait_until("a query waits at the gate", async || world.db.query_one_i64(sql).await > 0).await;
}

#[tokio::test]
async fn the_first_signal_lets_a_run_finish() {
    let world = World::new().await;
    gated(&world).await;
    let gate = world.db.connect().await;
    gate.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let served = Served::start(&world, &[]).await;
    world.json(&["refresh", "gated", "--enqueue"], 0);
    waits_for_gate(&world).await;
    served.signal("-INT");
    wait_until("it drains", async || {
        world.db.query_one_i64("select count(*) from remat.workers where state = 'draining'").await == 1
    })
    .await;
    assert_eq!(served.probe("/readyz").await.body["reason"], "it is stopping");
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    let answer = served.ended().await;
    assert_eq!(answer.code, 0, "{answer:?}");
    let runs = world.json(&["runs", "--operation", "refresh"], 0);
    assert_eq!(runs["runs"][0]["status"], "success");
}

#[tokio::test]
async fn the_second_signal_cancels_at_the_server_and_the_run_waits_again() {
    let world = World::new().await;
    gated(&world).await;
    let gate = world.db.connect().await;
    gate.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let served = Served::start(&world, &[]).await;
    world.json(&["refresh", "gated", "--enqueue"], 0);
    waits_for_gate(&world).await;
    served.signal("-TERM");
    wait_until("it was told to stop", async || served.said("told to stop")).await;
    served.signal("-TERM");
    let answer = served.ended().await;
    assert_eq!(answer.code, 130, "{answer:?}");
    let runs = world.json(&["runs", "gated", "--operation", "refresh"], 0);
    let [again, cancelled] = runs["runs"].as_array().unwrap().as_slice() else { panic!("{runs}") };
    assert_eq!((&cancelled["status"], &again["status"]), (&json!("cancelled"), &json!("pending")));
    assert_eq!(again["retry_of"], cancelled["id"]);
    let shown = world.run(&["run", &cancelled["id"].to_string()]);
    assert!(shown.stdout.contains(&format!("tried again by run {}", again["id"])), "{shown:?}");
}

#[tokio::test]
async fn the_third_signal_leaves_at_once() {
    let world = World::new().await;
    gated(&world).await;
    let gate = world.db.connect().await;
    gate.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let served = Served::start(&world, &[]).await;
    world.json(&["refresh", "gated", "--enqueue"], 0);
    waits_for_gate(&world).await;
    let pid = "select pid from pg_locks where locktype = 'advisory' and not granted and objid = 1
               and database = (select oid from pg_database where datname = current_database())";
    let pid = world.db.query_one_i64(pid).await.to_string();
    // A backend that is stopped cannot act on the cancel.
    assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    served.signal("-TERM");
    wait_until("it was told", async || served.said("told to stop")).await;
    served.signal("-TERM");
    wait_until("it was told again", async || served.said("told again")).await;
    served.signal("-TERM");
    let answer = served.ended().await;
    assert!(Command::new("kill").args(["-CONT", &pid]).status().unwrap().success());
    assert_eq!(answer.code, 130, "{answer:?}");
}

#[tokio::test]
async fn the_probes_tell_whether_it_lives_and_whether_it_is_ready() {
    let world = World::new().await;
    let served = Served::start(&world, &[]).await;
    let health = served.probe("/healthz").await;
    assert_eq!((health.status, &health.body), (200, &json!({ "healthy": true, "stalled": [] })));
    let ready = served.probe("/readyz").await;
    assert_eq!((ready.status, &ready.body), (200, &json!({ "ready": true, "reason": null })));
    assert_eq!(served.probe("/other").await.status, 421, "a probe may ask under any name, nobody else");
    world.db.execute("alter schema remat rename to elsewhere").await;
    wait_until("it is not ready", async || served.probe("/readyz").await.status == 503).await;
    let reason = &served.probe("/readyz").await.body["reason"];
    assert_eq!(reason, "the tables of remat are not this program's");
    assert_eq!(served.probe("/healthz").await.status, 200, "a restart would not help");
    world.db.execute("alter schema elsewhere rename to remat").await;
    served.drained().await;
}

#[tokio::test]
async fn behind_a_pooler_it_polls_and_says_so() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    let mut command = world.command(&["serve", "--json", "--no-web"]);
    let served = Served::start_command(command.env("DATABASE_URL", world.db.pgbouncer_url())).await;
    wait_until("it says so", async || served.said("the back end does not wake this worker")).await;
    let polling = async || world.json(&["workers"], 0)["workers"][0]["state"] == "polling";
    wait_until("it polls", polling).await;
    let waited = world.json(&["refresh", "numbers", "--enqueue", "--wait"], 0);
    assert_eq!(waited["runs"][0]["status"], "success", "{waited}");
    served.drained().await;
}

#[tokio::test]
async fn the_log_says_who_did_what_and_how_long_it_took() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    let served = Served::start(&world, &["--workers", "2", "--queues", "default"]).await;
    world.json(&["refresh", "numbers", "--enqueue", "--wait"], 0);
    wait_until("the end of the run is logged", async || served.said("a run ended")).await;
    let log = served.log();
    let line = |message: &str| log.iter().find(|line| line["message"] == message).unwrap().clone();
    let ready = line("ready");
    assert_eq!((&ready["workers"], &ready["queues"]), (&json!(2), &json!("default")));
    assert!(ready["name"].as_str().unwrap().contains(':'), "{ready}");
    let ended = line("a run ended");
    assert_eq!((&ended["view"], &ended["status"]), (&json!("public.numbers"), &json!("success")));
    assert!(ended["duration_ms"].is_i64() && ended["timestamp"].is_string(), "{ended}");
    served.drained().await;
}

#[tokio::test]
async fn no_web_listens_nowhere() {
    let world = World::new().await;
    let served = Served::start_command(&mut world.command(&["serve", "--json", "--no-web"])).await;
    let worker = Served::start_command(&mut world.command(&["worker", "--json", "--queues", "a,b"])).await;
    wait_until("both say that they live", async || {
        world.json(&["workers"], 0)["workers"].as_array().unwrap().len() == 2
    })
    .await;
    assert_eq!(world.json(&["workers"], 0)["workers"][1]["queues"], json!(["a", "b"]));
    served.drained().await;
    worker.signal("-TERM");
    assert_eq!(worker.ended().await.code, 0);
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_before_anything_starts() {
    let world = World::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = world.json(&["serve", "--listen", &address], 4);
    assert_eq!(refused["error"]["message"], format!("could not listen on {address}"));

    let refused = world.run(&["serve", "--no-web", "--backend", "kafka"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("inline, postgres, redis, sidekiq, rabbitmq"), "{refused:?}");

    let refused = world.json(&["serve", "--no-web", "--backend", "redis"], 4);
    assert_eq!(refused["error"]["message"], "back end redis has no URL");
    let mut command = world.command(&["serve", "--no-web", "--backend", "redis", "--json"]);
    let refused = support::answer(command.env("REMAT_BACKEND_URL", "redis://:hunter2@127.0.0.1:1/0"));
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(!refused.all().contains("hunter2"), "{refused:?}");
    assert_eq!(world.db.query_one_i64("select count(*) from remat.workers").await, 0);

    let empty = World::unmigrated().await;
    assert_eq!(empty.json(&["serve", "--no-web"], 8)["error"]["kind"], "schema");
}

#[tokio::test]
async fn an_older_daemon_works_on_beside_what_was_added_and_ends_before_what_breaks() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    let served = Served::start(&world, &[]).await;
    let newer =
        "insert into remat.migrations (version, name, checksum, breaking) values (1000, 'newer', 'x', false)";
    world.db.execute(newer).await;
    let waited = world.json(&["refresh", "numbers", "--enqueue", "--wait"], 0);
    assert_eq!(waited["runs"][0]["status"], "success", "{waited}");
    assert_eq!(served.probe("/readyz").await.status, 200);

    world.db.execute("update remat.migrations set breaking = true where version = 1000").await;
    let answer = served.ended().await;
    assert_eq!(answer.code, 8, "{answer:?}");
    assert!(answer.stderr.contains("the remat tables are newer than this program"), "{answer:?}");
}

#[tokio::test]
async fn the_grants_of_the_guide_are_enough_for_a_daemon() {
    let world = World::new().await;
    let (owner, worker) = (world.db.create_role("owner").await, world.db.create_role("worker").await);
    world
        .db
        .execute(&format!("grant \"{owner}\" to \"{worker}\"; grant create on schema public to \"{owner}\""))
        .await;
    for statement in grants_of_the_guide() {
        world.db.execute(&statement.replace("remat_worker", &format!("\"{worker}\""))).await;
    }
    let ticking = Definition {
        schedule: Some("* * * * * *".into()),
        owner: Some(Identifier::new(owner).unwrap()),
        ..definition("ticking", "select 1 as id")
    };
    world.define(ticking).await;
    world.json(&["create", "ticking"], 0);
    let mut command = world.command(&["serve", "--json", "--no-web"]);
    let served = Served::start_command(command.env("DATABASE_URL", world.db.role_url(&worker))).await;
    let done = "select count(*) from remat.runs where fire_id is not null and status = 'success'";
    wait_until("it was refreshed twice", async || world.db.query_one_i64(done).await >= 2).await;
    let complaints: Vec<_> = served.log().into_iter().filter(|line| line["level"] != "INFO").collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    served.drained().await;
}

/// What docs/guide/operations.md grants to the worker in schema `remat`.
fn grants_of_the_guide() -> Vec<&'static str> {
    let guide = include_str!("../../../docs/guide/operations.md");
    let grants =
        guide.lines().filter(|line| line.starts_with("grant ") && line.contains(" to remat_worker;"));
    let grants: Vec<_> = grants.collect();
    assert!(grants.len() > 6, "{grants:?}");
    grants
}

/// A view that follows changes and was filled two days ago.
async fn due_for_a_verification(world: &World) {
    world.db.execute("create table sales (id int, cents int); insert into sales values (1, 5)").await;
    let query = "select id, sum(cents) as cents from sales group by id";
    let key = vec![Identifier::new("id").unwrap()];
    let view = Definition { strategy: Strategy::Incremental, key, ..definition("sums", query) };
    world.define(view).await;
    world.json(&["create", "sums"], 0);
    world.json(&["refresh", "sums"], 0);
    world.db.execute("update remat.view_plans set made_at = now() - interval '2 days'").await;
}

const VERIFIED: &str = "select count(*) from remat.runs where trigger = 'verifier' and meta ? 'verification'";

#[tokio::test]
async fn views_that_follow_changes_are_verified_once_a_day() {
    let world = World::new().await;
    due_for_a_verification(&world).await;
    let served = Served::start(&world, &[]).await;
    wait_until("it is verified", async || world.db.query_one_i64(VERIFIED).await == 1).await;
    served.drained().await;
    let asked = "select count(*) from remat.verifications where asked_at > now() - interval '1 hour'";
    assert_eq!(world.db.query_one_i64(asked).await, 1);
}

#[tokio::test]
async fn nothing_is_verified_where_that_is_off() {
    let world = World::new().await;
    due_for_a_verification(&world).await;
    fs::write(world.dir.join("remat.toml"), "[project]\nname = \"a\"\n[serve]\nverify_every = \"0\"\n")
        .unwrap();
    for flags in [&[][..], &["--verify-every", "0"]] {
        let served = Served::start(&world, flags).await;
        // Its first passes are over when it has done what was enqueued after its start.
        let run = world.json(&["refresh", "sums", "--enqueue", "--wait"], 0);
        assert_eq!(run["runs"][0]["status"], "success", "{run}");
        served.drained().await;
        fs::remove_file(world.dir.join("remat.toml")).unwrap_or_default();
    }
    assert_eq!(world.db.query_one_i64("select count(*) from remat.verifications").await, 0);
}

/// Hears what a service tells systemd.
struct Systemd {
    socket: std::os::unix::net::UnixDatagram,
    path: std::path::PathBuf,
}

impl Systemd {
    fn new(world: &World) -> Self {
        let path = world.dir.join("notify");
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        Self { socket, path }
    }

    /// Reads on until this is said.
    fn hears(&self, wanted: &str) {
        let mut buffer = [0; 512];
        loop {
            let length = self.socket.recv(&mut buffer).unwrap();
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == wanted) {
                return;
            }
        }
    }
}

#[tokio::test]
async fn systemd_hears_that_it_is_ready_that_it_lives_and_that_it_stops() {
    let world = World::new().await;
    let systemd = Systemd::new(&world);
    let mut command = world.command(&["serve", "--json", "--no-web"]);
    command.env("NOTIFY_SOCKET", &systemd.path).env("WATCHDOG_USEC", "200000");
    let served = Served::start_command(&mut command).await;
    systemd.hears("READY=1");
    systemd.hears("WATCHDOG=1");
    served.signal("-TERM");
    systemd.hears("STOPPING=1");
    assert_eq!(served.ended().await.code, 0);
}
