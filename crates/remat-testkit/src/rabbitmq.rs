//! A `RabbitMQ` node of one's own, in a directory of its own.
//!
//! It has its own port mapper too, so that nodes of other directories and the system's never meet it. A start takes
//! seconds: tests share the node that `cargo xtask servers start` runs, and a test that kills one starts another.

use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::redis::{answers, free_port};
use crate::{Servers, wait_until};

/// Where Debian keeps the script itself; the one on the PATH refuses everybody but root and `rabbitmq`.
const DEBIAN: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// How long a delivery may wait for its acknowledgement, as `RabbitMQ` has it by itself.
const PATIENCE: Duration = Duration::from_mins(30);

/// A node, by its directory.
#[derive(Debug)]
pub struct RabbitNode {
    dir: PathBuf,
    ports: Ports,
    patience: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    clients: u16,
    mapper: u16,
    nodes: u16,
}

impl RabbitNode {
    /// Starts a node whose files are in this directory, or takes over the one that runs there.
    ///
    /// # Errors
    /// Says why the program could not be run.
    pub async fn start(dir: &Path) -> io::Result<Self> {
        Self::start_with_patience(dir, PATIENCE).await
    }

    /// The same, with a limit of its own to how long a delivery may wait for its acknowledgement.
    ///
    /// # Errors
    /// Says why the program could not be run.
    pub async fn start_with_patience(dir: &Path, patience: Duration) -> io::Result<Self> {
        let ports = ports_of(dir).unwrap_or_else(|| Ports {
            clients: free_port(),
            mapper: free_port(),
            nodes: free_port(),
        });
        let node = Self { dir: dir.to_owned(), ports, patience };
        if node.pid().is_none() {
            node.start_again().await?;
        }
        Ok(node)
    }

    /// The node of this directory, if one was ever started there.
    pub fn of(dir: &Path) -> Option<Self> {
        Some(Self { dir: dir.to_owned(), ports: ports_of(dir)?, patience: PATIENCE })
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.ports.clients
    }

    /// The URL of its user `guest`, who may do everything.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port())
    }

    /// Starts it after it was stopped or killed; durable queues and persistent messages are there again.
    ///
    /// # Errors
    /// Says why the program could not be run.
    pub async fn start_again(&self) -> io::Result<()> {
        for dir in ["home", "data", "log"] {
            std::fs::create_dir_all(self.dir.join(dir))?;
        }
        let Ports { clients, mapper, nodes } = self.ports;
        std::fs::write(self.dir.join("ports"), format!("{clients} {mapper} {nodes}\n"))?;
        std::fs::write(self.dir.join("plugins"), "[].\n")?;
        std::fs::write(self.dir.join("node.config"), self.configuration())?;
        let status = self.command().arg("-detached").status().await?;
        if !status.success() {
            return Err(io::Error::other(format!("rabbitmq-server -detached failed: {status}")));
        }
        wait_until("RabbitMQ accepts connections", || answers(clients)).await;
        Ok(())
    }

    /// Kills it as a crash would.
    pub async fn kill(&self) {
        self.signal("-KILL").await;
    }

    /// Stops it in good order, and its port mapper; what it kept stays in the directory.
    pub async fn stop(&self) {
        self.signal("-TERM").await;
        self.end_mapper();
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.pid().is_some()
    }

    /// Kills it and its port mapper without waiting, and removes the directory.
    pub fn destroy(&self) {
        if let Some(pid) = self.pid() {
            send("-KILL", &pid);
        }
        // The mapper goes only when it knows of no node, and it hears of the end by the closed connection.
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.end_mapper() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }

    /// True if there is none any more.
    fn end_mapper(&self) -> bool {
        let mut epmd = std::process::Command::new("epmd");
        epmd.arg("-kill").env("ERL_EPMD_PORT", self.ports.mapper.to_string());
        let answer = epmd.stdin(Stdio::null()).output();
        answer.is_ok_and(|answer| answer.status.success())
    }

    async fn signal(&self, signal: &str) {
        let Some(pid) = self.pid() else { return };
        send(signal, &pid);
        // The file goes when the node begins to stop, long before the process does.
        wait_until("RabbitMQ has ended", async || !is_erlang(&pid)).await;
    }

    /// The process of the pid file, if it is an Erlang still.
    fn pid(&self) -> Option<String> {
        let pid = std::fs::read_to_string(self.dir.join("pid")).ok()?.trim().to_owned();
        is_erlang(&pid).then_some(pid)
    }

    fn configuration(&self) -> String {
        let patience = self.patience.as_millis();
        format!(
            "[{{rabbit, [
  {{consumer_timeout, {patience}}},
  {{channel_tick_interval, 1000}},
  {{disk_free_limit, 1000000}},
  {{vm_memory_high_watermark, {{absolute, 1000000000}}}}
]}}].
"
        )
    }

    fn command(&self) -> Command {
        let program = if Path::new(DEBIAN).exists() { DEBIAN } else { "rabbitmq-server" };
        let mut command = Command::new(program);
        let file = |name: &str| self.dir.join(name);
        command
            .env("RABBITMQ_NODENAME", "remat-test@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.ports.clients.to_string())
            .env("RABBITMQ_DIST_PORT", self.ports.nodes.to_string())
            .env("ERL_EPMD_PORT", self.ports.mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", file("data"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_PID_FILE", file("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", file("node.config"))
            .env("RABBITMQ_CONFIG_FILE", file("none"))
            .env("RABBITMQ_CONF_ENV_FILE", file("none"))
            .env("HOME", file("home"))
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

fn send(signal: &str, pid: &str) {
    // The shell's own kill: not every Debian has the program.
    let mut kill = std::process::Command::new("sh");
    kill.args(["-c", "kill \"$1\" \"$2\"", "sh", signal, pid]);
    kill.status().expect("every system has a shell");
}

fn is_erlang(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.contains("(beam.smp)") && !stat.contains(") Z "))
}

fn ports_of(dir: &Path) -> Option<Ports> {
    let text = std::fs::read_to_string(dir.join("ports")).ok()?;
    let ports: Vec<u16> = text.split_whitespace().map_while(|port| port.parse().ok()).collect();
    let [clients, mapper, nodes] = ports[..] else { return None };
    Some(Ports { clients, mapper, nodes })
}

/// A node that one test starts, kills and restarts; it ends with the value.
#[derive(Debug)]
pub struct OwnRabbitNode(RabbitNode);

impl OwnRabbitNode {
    /// What the names of the directories begin with; the number of the process follows.
    pub const DIR: &str = "rabbitmq-of-";

    /// Starts one, with a limit of its own to how long a delivery may wait for its acknowledgement.
    pub async fn start(patience: Duration) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{}-{count}", Self::DIR, std::process::id());
        let dir = Servers::target_dir().join("test-servers").join(name);
        let started = RabbitNode::start_with_patience(&dir, patience).await;
        Self(started.unwrap_or_else(|error| {
            panic!("RabbitMQ cannot be run ({error}); run `cargo xtask servers start`, which installs it")
        }))
    }
}

impl Deref for OwnRabbitNode {
    type Target = RabbitNode;

    fn deref(&self) -> &RabbitNode {
        &self.0
    }
}

impl Drop for OwnRabbitNode {
    fn drop(&mut self) {
        self.0.destroy();
    }
}
