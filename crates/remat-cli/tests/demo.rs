//! The demo, from its first line to its last process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use remat::embedded::{Cluster, ClusterOptions, Listen, ServerBinaries};
use remat_testkit::{Servers, wait_until};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

const VIEWS: usize = 9;

/// A directory of the test's own that every account can reach; removed with the value.
struct Dir(PathBuf);

impl Dir {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("remat-demo-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn data(&self) -> PathBuf {
        self.0.join("server")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn bin_dir() -> PathBuf {
    Servers::read().chosen().bin_dir.clone()
}

/// remat in an environment that names no server.
fn remat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remat"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env_remove("DATABASE_URL").env("REMAT_PG_BIN_DIR", bin_dir()).stdin(Stdio::null());
    command
}

fn demo(dir: &Dir, rows: &str) -> Command {
    let mut command = remat();
    command.args(["demo", "--rows", rows, "--data-dir"]).arg(dir.data());
    command
}

fn once(dir: &Dir) -> Command {
    let mut command = demo(dir, "2000");
    command.arg("--once");
    command
}

fn document(output: &Output) -> Value {
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}: {said}{complained}", output.status);
    assert!(complained.is_empty(), "{complained}");
    serde_json::from_str(&said).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The processes that work in this directory or below, as all programs of a server do from their first moment;
/// zombies have no directory.
fn processes_in(dir: &Path) -> Vec<String> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir)))
        .collect()
}

fn assert_stopped(dir: &Dir) {
    assert_eq!(processes_in(&dir.0), Vec::<String>::new());
    assert!(!dir.data().join("data/postmaster.pid").exists());
}

fn assert_complete(report: &Value) {
    assert_eq!(report["rows"], 2000);
    let views = report["views"].as_array().unwrap();
    assert_eq!(views.len(), VIEWS);
    for view in views {
        assert_has_figures(view);
    }
    let runs = report["runs"].as_array().unwrap();
    assert!(runs.len() >= VIEWS * 5, "a creation and four refreshes each, not {}", runs.len());
    assert!(runs.iter().all(|run| run["status"] == "success"), "{runs:?}");
}

fn assert_has_figures(view: &Value) {
    assert!(view["view"].as_str().unwrap().starts_with("public."), "{view}");
    assert_eq!(view["equal"], true, "{view}");
    assert!(view["rows"].as_i64().unwrap() > 0, "{view}");
    let durations = ["duration_ms", "plain_ms", "concurrent_ms", "incremental_ms"];
    assert!(durations.iter().all(|name| view[name].as_f64().unwrap() > 0.0), "{view}");
    let of = |name: &str| view[name].as_f64().unwrap() / view["duration_ms"].as_f64().unwrap();
    let says = |name: &str| view[name].as_f64().unwrap();
    assert!((of("plain_ms") - says("times_faster_than_plain")).abs() < 0.02, "{view}");
    assert!((of("concurrent_ms") - says("times_faster_than_concurrent")).abs() < 0.02, "{view}");
    let knows_changes = ["merge", "incremental"].iter().any(|strategy| view["strategy"] == *strategy);
    assert_eq!(view["rows_changed"].is_i64(), knows_changes, "{view}");
}

fn with_no_runs(mut report: Value) -> Value {
    report["runs"] = json!([]);
    report
}

#[test]
fn a_demo_reports_on_every_view_and_leaves_no_server_and_can_be_repeated() {
    let dir = Dir::new("repeated");
    for _ in 0..2 {
        let report = document(&once(&dir).arg("--json").output().unwrap());
        assert_complete(&report);
        assert_eq!(report["server"]["private"], true);
        assert_stopped(&dir);
        support::assert_documented("refresh", &json!({ "runs": report["runs"] }));
        support::assert_documented("demo", &with_no_runs(report));
    }
}

#[test]
fn a_person_reads_tables_on_stdout_and_steps_on_stderr() {
    let dir = Dir::new("person");
    let output = once(&dir).output().unwrap();
    let (said, steps) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}{steps}");
    assert!(
        said.contains("all 9 views equal their queries") && said.contains("leaderboard_global"),
        "{said}"
    );
    assert!(said.contains("runs:\nrun  view") && said.contains("The server is stopped"), "{said}");
    assert!(steps.contains("loading 2,000 analyses\nloaded 2,000 analyses ("), "{steps}");
    assert!(!said.contains('\u{1b}') && !steps.contains('\u{1b}'), "{said}{steps}");
}

/// Starts the command and waits until stderr says a step. The rest of stderr stays open with the second value.
fn spawn_until(command: &mut Command, step: &str) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut steps = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(steps.any(|line| line.unwrap().starts_with(step)), "no step \"{step}\"");
    (child, steps)
}

/// Interrupts as a terminal does, and waits for the end.
fn interrupt(mut child: Child) -> Option<i32> {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap().code()
}

fn is_stopped_by_an_interrupt_at(step: &str, rows: &str) {
    let dir = Dir::new(&format!("interrupted-at-{}", step.split(' ').next().unwrap()));
    let (child, _stderr) = spawn_until(&mut demo(&dir, rows), step);
    assert_eq!(interrupt(child), Some(130));
    assert_stopped(&dir);
}

#[test]
fn an_interrupt_while_the_server_starts_leaves_none() {
    is_stopped_by_an_interrupt_at("starting a private PostgreSQL", "2000");
}

#[test]
fn an_interrupt_while_rows_load_stops_the_server() {
    is_stopped_by_an_interrupt_at("loading 2,000,000 analyses", "2000000");
}

#[test]
fn a_demo_that_goes_on_refreshes_until_it_is_interrupted() {
    is_stopped_by_an_interrupt_at("refreshed every view, round 2", "2000");
}

#[test]
fn a_kept_server_answers_until_the_next_demo_takes_it_over() {
    let dir = Dir::new("kept");
    let report = document(&once(&dir).args(["--keep", "--json"]).output().unwrap());
    let url = report["server"]["url"].as_str().unwrap();
    let status = document(&remat().args(["status", "--json", "--database-url", url]).output().unwrap());
    assert_eq!(status["views"].as_array().unwrap().len(), VIEWS);
    assert_complete(&document(&once(&dir).arg("--json").output().unwrap()));
    assert_stopped(&dir);
}

#[test]
fn a_folder_of_others_is_refused_and_left_alone() {
    let dir = Dir::new("foreign");
    fs::create_dir(dir.data()).unwrap();
    fs::write(dir.data().join("letter.txt"), "dear").unwrap();
    let output = once(&dir).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(dir.data()).unwrap().count(), 1);
}

async fn named_server(dir: &Dir) -> Cluster {
    let binaries = ServerBinaries::at(&bin_dir()).await.unwrap();
    let options = ClusterOptions::default().listen(Listen::AnyPort).set("fsync", "off");
    Cluster::open(&binaries, &dir.0.join("named"), &options).await.unwrap()
}

async fn connect(cluster: &Cluster) -> Client {
    let (client, connection) = tokio_postgres::connect(&cluster.connection_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn count(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

const RELATIONS: &str = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
const DATABASES: &str = "select count(*) from pg_database where datname = 'remat_demo'";
const SESSIONS: &str = "select count(*) from pg_stat_activity where datname = 'remat_demo'";

#[tokio::test(flavor = "multi_thread")]
async fn a_named_server_gets_a_database_of_its_own_and_one_of_others_is_refused() {
    let dir = Dir::new("named");
    let cluster = named_server(&dir).await;
    let client = connect(&cluster).await;
    let demo = || once(&dir).arg("--json").env("DATABASE_URL", cluster.connection_url()).output().unwrap();
    for _ in 0..2 {
        let report = document(&demo());
        assert_complete(&report);
        assert_eq!(report["server"]["private"], false);
        wait_until("the demo's sessions are gone", async || count(&client, SESSIONS).await == 0).await;
    }
    assert_eq!((count(&client, RELATIONS).await, count(&client, DATABASES).await), (0, 1));
    assert!(!dir.data().exists(), "a private server was made too");

    client.batch_execute("comment on database remat_demo is 'sales of 2019'").await.unwrap();
    let refused = demo();
    assert_eq!(refused.status.code(), Some(1));
    let complaint = text(&refused.stderr);
    assert!(complaint.contains("database \"remat_demo\" exists and was not made by the demo"), "{complaint}");
    assert!(complaint.contains("hint: "), "{complaint}");
    assert_eq!(count(&client, DATABASES).await, 1);
    cluster.stop().await.unwrap();
}
