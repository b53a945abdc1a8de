//! The brokers: a private Redis and a private `RabbitMQ` node, and the Ruby Sidekiq whose jobs the tests exchange. With
//! them comes `faketime`, by which a test moves a server's clock.
//!
//! Tests may empty them; both listen on the loopback. Redis keeps nothing, the node keeps what is durable in its
//! directory.

use std::net::TcpListener;
use std::path::Path;

use remat_testkit::{OwnRabbitNode, RabbitNode};
use tokio::process::Command;

use crate::{Outcome, shell};

/// Programs and the Debian packages that have them.
const NEEDED: [(&str, &str); 4] = [
    ("redis-server", "redis-server"),
    ("rabbitmq-server", "rabbitmq-server"),
    ("sidekiq", "ruby-sidekiq"),
    ("faketime", "faketime"),
];

/// Makes sure that the programs are there.
pub(super) async fn require() -> Outcome {
    let missing = NEEDED.iter().filter(|(program, _)| !shell::on_path(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() { Ok(()) } else { shell::install(&packages).await }
}

/// Starts Redis, or takes over the one that runs; returns its port.
pub(super) async fn start_redis(dir: &Path) -> Outcome<u16> {
    if let (Some(_), Ok(port)) = (living_redis(dir), std::fs::read_to_string(dir.join("port"))) {
        return Ok(port.trim().parse()?);
    }
    std::fs::create_dir_all(dir)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(dir).arg("--pidfile").arg(dir.join("redis.pid"));
    command.arg("--logfile").arg(dir.join("redis.log")).args(["--daemonize", "yes"]);
    shell::run(&mut command).await?;
    let answers = || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
    remat_testkit::wait_until("Redis accepts connections", answers).await;
    std::fs::write(dir.join("port"), port.to_string())?;
    Ok(port)
}

/// Stops Redis if it runs.
pub(super) async fn stop_redis(dir: &Path) -> Outcome {
    let Some(pid) = living_redis(dir) else { return Ok(()) };
    shell::ask(Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid])).await?;
    remat_testkit::wait_until("Redis has ended", || async { living_redis(dir).is_none() }).await;
    println!("stopped Redis");
    Ok(())
}

/// Starts the node, or takes over the one that runs; returns its port.
pub(super) async fn start_rabbitmq(dir: &Path) -> Outcome<u16> {
    if RabbitNode::of(dir).is_none_or(|node| !node.runs()) {
        // Queues of tests that ended are of no use.
        let _ = std::fs::remove_dir_all(dir.join("data"));
    }
    Ok(RabbitNode::start(dir).await?.port())
}

/// Stops the node if it runs.
pub(super) async fn stop_rabbitmq(dir: &Path) {
    if let Some(node) = RabbitNode::of(dir) {
        node.stop().await;
        println!("stopped RabbitMQ");
    }
}

/// Ends nodes that killed tests left behind.
pub(super) fn sweep_rabbitmq(root: &Path) {
    let Ok(entries) = root.read_dir() else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for name in names {
        let test = name.strip_prefix(OwnRabbitNode::DIR).and_then(|rest| rest.split('-').next());
        if let Some(pid) = test
            && !Path::new("/proc").join(pid).exists()
            && let Some(node) = RabbitNode::of(&root.join(&name))
        {
            node.destroy();
        }
    }
}

/// The process of the pid file, if it is a Redis still.
fn living_redis(dir: &Path) -> Option<String> {
    let pid = std::fs::read_to_string(dir.join("redis.pid")).ok()?.trim().to_owned();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    (stat.contains("(redis-server)") && !stat.contains(") Z ")).then_some(pid)
}
