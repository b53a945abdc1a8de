//! A Redis server of a test's own.
//!
//! It listens on a free port of the loopback, keeps nothing on disk, and ends with the value: also when the test's
//! process is killed, because a shell beside it waits for the end of its standard input. A server that is restarted has
//! the same port and URL and has forgotten everything.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::wait_until;

/// Another test may take the free port before the server does.
const ATTEMPTS: usize = 5;

/// Ends the server when nobody holds the other end of the input any more, and itself when the server ends.
const KEEPER: &str = r#"redis-server "$@" </dev/null >/dev/null 2>&1 & server=$!
(cat >/dev/null; kill -9 $server) 2>/dev/null <&3 3<&- &
wait $server"#;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A Redis server on the loopback; it ends with the value.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    dir: PathBuf,
    password: Option<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts an empty server. Panics when `redis-server` is not installed.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts one that asks for this password.
    pub async fn start_with_password(password: &str) -> Self {
        Self::start_with(Some(password.to_owned())).await
    }

    async fn start_with(password: Option<String>) -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("remat_redis_{}_{number}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("the temporary directory can be written");
        let mut server = Self { port: 0, dir, password, process: None };
        for _ in 0..ATTEMPTS {
            server.port = free_port();
            if server.launch().await {
                return server;
            }
        }
        panic!("`redis-server` did not start in {ATTEMPTS} attempts; is it installed?");
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends it at once, as `kill -9` does. Does nothing when it has ended already.
    pub async fn kill(&mut self) {
        if let Some(mut keeper) = self.process.take() {
            drop(keeper.stdin.take());
            keeper.wait().await.expect("the server's process can be waited for");
        }
    }

    /// Starts it anew, empty, on the same port; ends it before if it runs.
    pub async fn restart(&mut self) {
        self.kill().await;
        wait_until("the Redis server has its port again", async || self.launch().await).await;
    }

    /// Starts it again after a kill, empty, on the same port.
    pub async fn start_again(&mut self) {
        self.restart().await;
    }

    /// Asks it something with `redis-cli` and gives what that printed, without the last line break.
    pub async fn ask(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).args(words);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.kill_on_drop(true).output().await.expect("redis-cli can be run");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Sends one command and gives the answer as the protocol has it.
    pub async fn command(&self, words: &[&str]) -> String {
        let answer = ask(self.port, self.password.as_deref(), words).await;
        answer.unwrap_or_else(|error| panic!("{words:?} to {}: {error}", self.url()))
    }

    /// True when the server runs and is this one, not another that was quicker to take the port.
    async fn launch(&mut self) -> bool {
        let mut keeper = self.spawn();
        loop {
            if keeper.try_wait().expect("the server's process can be asked").is_some() {
                return false;
            }
            let question = ["CONFIG", "GET", "dir"];
            let dir = ask(self.port, self.password.as_deref(), &question).await.unwrap_or_default();
            if dir.contains(&*self.dir.to_string_lossy()) {
                self.process = Some(keeper);
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn spawn(&self) -> Child {
        let (port, dir) = (self.port.to_string(), self.dir.to_string_lossy().into_owned());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec 3<&0\n{KEEPER}"), "redis-server"]);
        command.args([
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--dir",
            &dir,
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap_or_else(|error| panic!("could not run `sh` for `redis-server`: {error}"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.process.take());
        // What is left in the temporary directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A port of the loopback that nobody used a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// One command over a connection of its own. The answer is read until the server closes.
async fn ask(port: u16, password: Option<&str>, words: &[&str]) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    if let Some(password) = password {
        connection.write_all(as_array(&["AUTH", password]).as_bytes()).await?;
        connection.read_exact(&mut [0; 5]).await?;
    }
    connection.write_all((as_array(words) + &as_array(&["QUIT"])).as_bytes()).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned())
}

fn as_array(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), words.collect::<String>())
}

/// True when something listens there.
pub(crate) async fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}
