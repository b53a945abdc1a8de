//! The real Ruby Sidekiq on the other side.

use std::{path::PathBuf, process::Stdio};

use remat::backend::Heard;
use remat_testkit::{RedisServer, wait_until};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::worker::{Worker, hint, open};

fn program(name: &str, server: &RedisServer) -> Command {
    let mut command = Command::new(name);
    command.env("REDIS_URL", server.url()).kill_on_drop(true);
    command
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/backends").join(name)
}

async fn ruby(name: &str, server: &RedisServer) -> String {
    let output = program("ruby", server).arg(script(name)).output().await;
    let output = output.expect("Ruby is there; `cargo xtask servers start` installs it with Sidekiq");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("Ruby prints text")
}

#[tokio::test]
async fn jobs_that_ruby_pushes_are_heard_with_class_arguments_and_id() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    let mut worker = Worker::listen(&backend, &["views"]);
    let ids = ruby("sender.rb", &server).await;
    let (refresh, create) = ("MatViews::RefreshViewJob", "MatViews::CreateViewJob");
    let wanted = [
        (refresh, json!([7, "exact"])),
        (create, json!([7, {"force": true}])),
        (refresh, json!([8])),
        (refresh, json!([9])),
        (refresh, json!([7, {"row_count_strategy": "exact"}])),
    ];
    assert_eq!(ids.lines().count(), wanted.len());
    for ((class, arguments), id) in wanted.into_iter().zip(ids.lines()) {
        let Heard::Request(request) = worker.next().await else { panic!("no request") };
        assert_eq!((request.job.as_str(), Value::from(request.arguments)), (class, arguments));
        assert_eq!((request.queue.as_str(), request.key), ("views", format!("sidekiq:{id}")));
    }
}

#[tokio::test]
async fn run_that_is_announced_is_performed_by_a_sidekiq_process() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    backend.announce(&[hint(4_200_000_000_000, "views")]).await.unwrap();
    let mut sidekiq = program("sidekiq", &server);
    sidekiq.arg("-r").arg(script("worker.rb")).args(["-q", "views", "-c", "1", "-e", "production"]);
    sidekiq.current_dir(std::env::temp_dir()).stdout(Stdio::null()).stderr(Stdio::null());
    let _running = sidekiq.spawn().expect("Sidekiq is there; `cargo xtask servers start` installs it");
    let performed = async || server.ask(&["lrange", "performed", "0", "-1"]).await;
    wait_until("the run is performed", async || !performed().await.is_empty()).await;
    let performed = performed().await;
    let words: Vec<&str> = performed.split(' ').collect();
    assert_eq!((words[0], words[2]), ("4200000000000", "Integer"));
    assert!(words[1].len() == 24 && words[1].chars().all(|digit| digit.is_ascii_hexdigit()), "{performed}");
    let successes = async || server.ask(&["get", "stat:processed"]).await == "1";
    wait_until("Sidekiq counts it", successes).await;
    assert_eq!(server.ask(&["get", "stat:failed"]).await, "0");
}

#[tokio::test]
async fn announced_runs_and_dead_jobs_show_in_sidekiqs_own_pages() {
    let server = RedisServer::start().await;
    let backend = open("sidekiq", &server.url()).await;
    server.ask(&["lpush", "queue:views", "{ half"]).await;
    server.ask(&["lpush", "queue:views", r#"{"class":"A","jid":"abc"}"#]).await;
    backend.announce(&[hint(1, "views")]).await.unwrap();
    let mut worker = Worker::listen(&backend, &["views"]);
    assert_eq!(worker.runs(1).await, [1]);
    drop(worker);
    backend.announce(&[hint(2, "others")]).await.unwrap();
    backend.announce(&[hint(3, "views")]).await.unwrap();

    let shown: Value = serde_json::from_str(&ruby("reader.rb", &server).await).unwrap();
    assert_eq!(shown["queues"], json!(["others", "views"]));
    let waiting = &shown["queue"][0];
    assert_eq!((&waiting["class"], &waiting["args"]), (&json!("Remat::RunJob"), &json!([3])));
    assert!(
        waiting["enqueued"].as_f64() > Some(1.6e9) && waiting["created"] == waiting["enqueued"],
        "{waiting}"
    );
    let complaints: Vec<_> = shown["dead"].as_array().unwrap().iter().map(|job| &job["error"]).collect();
    assert_eq!(complaints.len(), 2);
    assert!(complaints.iter().all(|complaint| complaint.to_string().contains("remat cannot read this job")));
}
