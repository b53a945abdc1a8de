//! The private server, from its binaries to its last process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use remat::embedded::{Cluster, ClusterOptions, EmbeddedError, Environment, Listen, ServerBinaries, locate};
use remat_testkit::{Servers, wait_until};
use tokio_postgres::{Client, NoTls};

/// A directory of the test's own that every account can reach; removed with the value.
struct Dir(PathBuf);

impl Dir {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("remat-embedded-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
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

async fn open(home: &Path, options: ClusterOptions) -> Result<Cluster, EmbeddedError> {
    let binaries = ServerBinaries::at(&bin_dir()).await.unwrap();
    Cluster::open(&binaries, home, &options.set("fsync", "off")).await
}

async fn open_default(home: &Path) -> Cluster {
    open(home, ClusterOptions::default()).await.unwrap()
}

async fn connect(cluster: &Cluster) -> Client {
    let (client, connection) = tokio_postgres::connect(&cluster.connection_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(cluster: &Cluster, query: &str) -> String {
    connect(cluster).await.query_one(&format!("select ({query})::text"), &[]).await.unwrap().get(0)
}

async fn remember(cluster: &Cluster, what: &str) {
    let script = format!("create table memory as select '{what}'::text as what");
    connect(cluster).await.batch_execute(&script).await.unwrap();
}

fn postmaster(home: &Path) -> u32 {
    let text = fs::read_to_string(home.join("data/postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

/// The processes that work in this directory or below, as all programs of a server do from their first moment;
/// zombies have no directory.
fn processes_in(home: &Path) -> Vec<String> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(home)))
        .collect()
}

fn kill(signal: &str, pid: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn server_never_runs_as_root_and_stops_without_a_trace() {
    let dir = Dir::new("stop");
    let cluster = open_default(&dir.home()).await;
    assert_eq!(ask(&cluster, "40 + 2").await, "42");
    let status = fs::read_to_string(format!("/proc/{}/status", postmaster(&dir.home()))).unwrap();
    let uid = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    assert!(!uid.split_whitespace().any(|field| field == "0"), "{uid}");
    assert!(!processes_in(&dir.home()).is_empty());
    cluster.stop().await.unwrap();
    assert_eq!(processes_in(&dir.home()), Vec::<String>::new());
    assert!(!dir.home().join("data/postmaster.pid").exists());
}

#[tokio::test]
async fn server_on_a_socket_has_no_port_and_a_private_directory() {
    let dir = Dir::new("socket");
    let cluster = open_default(&dir.home()).await;
    assert_eq!(cluster.port(), None);
    assert_eq!(ask(&cluster, "current_setting('listen_addresses')").await, "");
    assert_eq!(fs::metadata(dir.home()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn home_with_a_long_path_gets_a_short_socket() {
    let dir = Dir::new("long");
    let home = dir.home().join("x".repeat(120));
    let cluster = open_default(&home).await;
    assert_eq!(ask(&cluster, "1").await, "1");
    let socket_dir = ask(&cluster, "current_setting('unix_socket_directories')").await;
    assert!(socket_dir.contains("/tmp/remat-"), "{socket_dir}");
    cluster.stop().await.unwrap();
    fs::remove_dir(socket_dir.trim_matches('"')).unwrap();
}

#[tokio::test]
async fn second_open_finds_the_data_of_the_first() {
    let dir = Dir::new("again");
    let cluster = open_default(&dir.home()).await;
    remember(&cluster, "first").await;
    cluster.stop().await.unwrap();
    let cluster = open_default(&dir.home()).await;
    assert_eq!(ask(&cluster, "select what from memory").await, "first");
}

#[tokio::test]
async fn dropped_cluster_stops_its_server() {
    let dir = Dir::new("drop");
    drop(open_default(&dir.home()).await);
    assert!(dir.home().join("data/PG_VERSION").exists());
    wait_until("no process is left", async || processes_in(&dir.home()).is_empty()).await;
}

#[tokio::test]
async fn server_left_running_is_taken_over_and_restarted_only_for_other_settings() {
    let dir = Dir::new("left");
    let on_port = || ClusterOptions::default().listen(Listen::AnyPort);
    let cluster = open(&dir.home(), on_port()).await.unwrap();
    let (first, port) = (postmaster(&dir.home()), cluster.port());
    cluster.leave_running();
    let cluster = open(&dir.home(), on_port()).await.unwrap();
    assert_eq!((postmaster(&dir.home()), cluster.port()), (first, port));
    cluster.leave_running();
    let cluster = open(&dir.home(), on_port().set("max_connections", "33")).await.unwrap();
    assert_ne!(postmaster(&dir.home()), first);
    assert_eq!(ask(&cluster, "current_setting('max_connections')").await, "33");
}

#[tokio::test]
async fn running_server_can_be_found_without_starting_one() {
    let dir = Dir::new("find");
    let binaries = ServerBinaries::at(&bin_dir()).await.unwrap();
    assert!(Cluster::running(&binaries, &dir.home()).await.unwrap().is_none());
    open_default(&dir.home()).await.leave_running();
    let found = Cluster::running(&binaries, &dir.home()).await.unwrap().expect("it runs");
    assert_eq!(ask(&found, "1").await, "1");
    found.stop().await.unwrap();
    assert!(Cluster::running(&binaries, &dir.home()).await.unwrap().is_none());
}

#[tokio::test]
async fn killed_postmaster_is_recovered_with_what_it_committed() {
    let dir = Dir::new("killed");
    let cluster = open_default(&dir.home()).await;
    remember(&cluster, "before the kill").await;
    let killed = postmaster(&dir.home());
    // What a remat killed at the same moment leaves: no destructor has run.
    cluster.leave_running();
    kill("KILL", killed);
    let cluster = open_default(&dir.home()).await;
    assert_ne!(postmaster(&dir.home()), killed);
    assert_eq!(ask(&cluster, "select what from memory").await, "before the kill");
}

#[tokio::test]
async fn pid_file_that_names_a_stranger_is_stale() {
    let dir = Dir::new("stranger");
    open_default(&dir.home()).await.stop().await.unwrap();
    // As after a crash, when the number has gone to another process: this one.
    let pid_file = dir.home().join("data/postmaster.pid");
    let text =
        format!("{}\n{}\n1763715000\n5432\n\n\n", std::process::id(), dir.home().join("data").display());
    fs::write(&pid_file, text).unwrap();
    let cluster = open_default(&dir.home()).await;
    assert_eq!(ask(&cluster, "1").await, "1");
}

#[tokio::test]
async fn home_in_use_is_refused_and_its_server_lives_on() {
    let dir = Dir::new("in-use");
    let cluster = open_default(&dir.home()).await;
    let refused = open(&dir.home(), ClusterOptions::default()).await;
    assert!(matches!(refused, Err(EmbeddedError::InUse { .. })));
    assert_eq!(ask(&cluster, "1").await, "1");
}

#[tokio::test]
async fn own_data_of_another_major_version_is_replaced() {
    let dir = Dir::new("major");
    let cluster = open_default(&dir.home()).await;
    remember(&cluster, "old").await;
    cluster.stop().await.unwrap();
    fs::write(dir.home().join("data/PG_VERSION"), "9.6\n").unwrap();
    let cluster = open_default(&dir.home()).await;
    assert_eq!(ask(&cluster, "to_regclass('memory') is null").await, "true");
}

#[tokio::test]
async fn unfinished_initdb_is_begun_again() {
    let dir = Dir::new("unfinished");
    open_default(&dir.home()).await.stop().await.unwrap();
    fs::rename(dir.home().join("data"), dir.home().join("data.new")).unwrap();
    fs::remove_file(dir.home().join("data.new/PG_VERSION")).unwrap();
    let cluster = open_default(&dir.home()).await;
    assert_eq!(ask(&cluster, "1").await, "1");
}

#[tokio::test]
async fn bad_setting_is_told_in_the_servers_words() {
    let dir = Dir::new("setting");
    let refused = open(&dir.home(), ClusterOptions::default().set("work_mem", "many")).await.unwrap_err();
    let detail = refused.detail().unwrap();
    assert!(detail.contains("invalid value for parameter \"work_mem\": \"many\""), "{detail}");
}

#[tokio::test]
async fn named_directory_without_a_server_is_refused_without_a_search() {
    let dir = Dir::new("named");
    let env = Environment { bin_dir: Some(dir.0.clone()), ..Environment::of_process() };
    let refused = locate(&env).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("\"{}\" does not hold a PostgreSQL server", dir.0.display()));
    assert_eq!(refused.detail().unwrap(), "There is no initdb in it.");
}

#[tokio::test]
async fn link_in_path_leads_to_its_siblings() {
    let dir = Dir::new("link");
    symlink(bin_dir().join("postgres"), dir.0.join("postgres")).unwrap();
    let env = Environment { path: vec![dir.0.clone()], ..Environment::default() };
    assert_eq!(locate(&env).await.unwrap().dir(), bin_dir().canonicalize().unwrap());
}

#[tokio::test]
async fn wrapper_in_path_is_resolved_by_pg_config() {
    let dir = Dir::new("wrapper");
    dir.script("postgres", "exec something-else \"$@\"");
    dir.script("pg_config", &format!("echo {}", bin_dir().display()));
    let env = Environment { path: vec![dir.0.clone()], ..Environment::default() };
    assert_eq!(locate(&env).await.unwrap().dir(), bin_dir());
}

#[tokio::test]
async fn start_cancelled_at_any_moment_leaves_no_server() {
    let dir = Dir::new("cancelled");
    open_default(&dir.home()).await.stop().await.unwrap();
    for moment_ms in (0..120).step_by(6) {
        let moment = std::time::Duration::from_millis(moment_ms);
        drop(tokio::time::timeout(moment, open(&dir.home(), ClusterOptions::default())).await);
        let fact = format!("no process is left of a start that was cancelled after {moment:?}");
        wait_until(&fact, async || processes_in(&dir.home()).is_empty()).await;
    }
}
