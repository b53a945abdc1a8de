//! The real `remat serve` beside a test.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part, and panics where it must fail"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use remat_testkit::wait_until;
use serde_json::Value;

use crate::support::{Answer, World};

/// A service that runs; it is killed with the value, if it has not ended.
pub(crate) struct Served {
    child: Option<Child>,
    log: Arc<Mutex<Vec<Value>>>,
}

/// What a probe answered.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Served {
    /// Starts `remat serve` on a free port with these further arguments, and waits until it is ready.
    pub(crate) async fn start(world: &World, args: &[&str]) -> Self {
        let serve = ["serve", "--json", "--listen", "127.0.0.1:0"];
        Self::start_command(&mut world.command(&[&serve, args].concat())).await
    }

    /// Starts a service that logs JSON, and waits until it is ready.
    pub(crate) async fn start_command(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().unwrap();
        thread::spawn({
            let log = Arc::clone(&log);
            move || keep(stderr, &log)
        });
        let mut served = Self { child: Some(child), log };
        wait_until("the service is ready, or has ended", async || served.said("ready") || served.has_ended())
            .await;
        assert!(!served.has_ended(), "it ended: {:?}", served.log());
        served
    }

    /// Whether the log has a line with this beginning.
    pub(crate) fn said(&self, message: &str) -> bool {
        let begins = |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        self.log.lock().unwrap().iter().any(begins)
    }

    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    fn has_ended(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    /// Sends a signal such as `-TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits until it has ended by itself, and gives what it said.
    pub(crate) async fn ended(mut self) -> Answer {
        wait_until("the service has ended", async || self.has_ended()).await;
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: self.log().iter().map(Value::to_string).collect::<Vec<_>>().join("\n"),
        }
    }

    /// Tells it to stop, waits, and expects that all went well.
    pub(crate) async fn drained(self) {
        self.signal("-TERM");
        let answer = self.ended().await;
        assert_eq!((answer.code, answer.stdout.as_str()), (0, ""), "{answer:?}");
    }

    /// Where it listens.
    pub(crate) async fn address(&self) -> String {
        wait_until("it listens", async || self.said("listening")).await;
        let log = self.log();
        let line = log.iter().find(|line| line["address"].is_string()).unwrap();
        line["address"].as_str().unwrap().to_owned()
    }

    /// Asks a probe.
    pub(crate) async fn probe(&self, path: &str) -> Probe {
        let mut stream = TcpStream::connect(self.address().await).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: remat\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Probe { status, body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Keeps the log; what is no JSON, such as an error for people, as a text.
fn keep(stderr: ChildStderr, log: &Mutex<Vec<Value>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
        log.lock().unwrap().push(line);
    }
}
