//! The server's own programs, `initdb` and `pg_ctl`, on one home directory.
//!
//! The home holds `remat.lock` (held while a remat uses the server, and by its presence the mark that remat made
//! this directory), `data/`, `remat.conf`, and `server.log` of the last start. All programs run inside the home with relative
//! paths, so no path is ever quoted for the shell that `pg_ctl` uses. Data appears under its name only when complete.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::pidfile::{self, PidFile};
use super::{EmbeddedError, RunAs, ServerBinaries};

/// Longer than any start or fast stop of a small server, crash recovery included.
const PATIENCE_S: &str = "60";

/// How much of a program's or the server's words an error repeats.
const QUOTED_LINES: usize = 8;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) binaries: ServerBinaries,
    pub(super) home: PathBuf,
    pub(super) run_as: RunAs,
    /// Held while `pg_ctl start` runs; true once no start may begin any more. A start that was cancelled half way
    /// would otherwise bring up a server after the destructor had found none to stop.
    is_closed: Arc<Mutex<bool>>,
}

impl Server {
    pub(super) fn new(binaries: ServerBinaries, home: PathBuf, run_as: RunAs) -> Self {
        Self { binaries, home, run_as, is_closed: Arc::default() }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The living server of this home, if there is one.
    pub(super) async fn running(&self) -> Option<PidFile> {
        let text = tokio::fs::read_to_string(self.data().join("postmaster.pid")).await.ok()?;
        let file = pidfile::parse(&text)?;
        pidfile::is_living_server(file.pid, &self.data()).await.then_some(file)
    }

    /// Makes sure that the data directory exists and fits these binaries.
    pub(super) async fn prepare_data(&self) -> Result<(), EmbeddedError> {
        let version = tokio::fs::read_to_string(self.data().join("PG_VERSION")).await.unwrap_or_default();
        if version.trim() == self.binaries.major().to_string() {
            return self.forget_stale_pid().await;
        }
        self.remove_dir(&self.data()).await?;
        self.init().await
    }

    async fn init(&self) -> Result<(), EmbeddedError> {
        let unfinished = self.home.join("data.new");
        self.remove_dir(&unfinished).await?;
        let args = [
            "--pgdata=data.new",
            "--username=postgres",
            "--no-sync",
            "-A",
            "trust",
            "--no-locale",
            "-E",
            "UTF8",
        ];
        self.run("initdb", &args).await?;
        let renamed = tokio::fs::rename(&unfinished, self.data()).await;
        renamed.map_err(EmbeddedError::io("rename", &unfinished))
    }

    /// Starts the server with this configuration and waits until it accepts connections.
    pub(super) async fn start(&self, configuration: &str) -> Result<(), EmbeddedError> {
        self.write_configuration(configuration)?;
        let log = self.home.join("server.log");
        // The log of the start before stays beside it: it may tell of a crash. There is none the first time.
        let _ = tokio::fs::rename(&log, self.home.join("server.log.old")).await;
        let (wait, options) = (format!("--timeout={PATIENCE_S}"), "--options=-c config_file=remat.conf");
        let args = ["start", "--wait", &wait, "--pgdata=data", "--log=server.log", options];
        let Err(error) = self.run_even_if_cancelled("pg_ctl", &args).await else { return Ok(()) };
        let said = tokio::fs::read_to_string(&log).await.unwrap_or_default();
        match error {
            EmbeddedError::Program { .. } if !said.is_empty() => {
                Err(EmbeddedError::Program { program: "postgres", output: last_lines(&said) })
            }
            other => Err(other),
        }
    }

    /// Ends all sessions, writes everything to disk and waits until no process is left.
    pub(super) async fn stop(&self) -> Result<(), EmbeddedError> {
        let Some(running) = self.running().await else { return Ok(()) };
        let stopped = self.run("pg_ctl", &Self::STOP).await;
        if stopped.is_err() && self.running().await.is_some() {
            return stopped;
        }
        while pidfile::is_living_server(running.pid, &self.data()).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    const STOP: [&str; 5] = ["stop", "--wait", "--timeout=60", "--mode=fast", "--pgdata=data"];

    /// The same for a destructor, which cannot wait otherwise and has nobody to tell of a failure.
    pub(super) fn stop_blocking(&self) {
        *self.is_closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        if self.data().join("postmaster.pid").exists() {
            let mut pg_ctl = self.run_as.command(&self.binaries.program("pg_ctl"), &self.home);
            let _ = pg_ctl.args(Self::STOP).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }

    pub(super) fn written_configuration(&self) -> String {
        std::fs::read_to_string(self.home.join("remat.conf")).unwrap_or_default()
    }

    /// Written as a new file: the home belongs to the server's account, and root must not follow its links.
    fn write_configuration(&self, text: &str) -> Result<(), EmbeddedError> {
        let path = self.home.join("remat.conf");
        let _ = std::fs::remove_file(&path);
        let written = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(EmbeddedError::io("write", &path))?;
        self.run_as.give(&path)
    }

    async fn forget_stale_pid(&self) -> Result<(), EmbeddedError> {
        let path = self.data().join("postmaster.pid");
        if !path.exists() || self.running().await.is_some() {
            return Ok(());
        }
        tokio::fs::remove_file(&path).await.map_err(EmbeddedError::io("remove", &path))
    }

    async fn remove_dir(&self, dir: &Path) -> Result<(), EmbeddedError> {
        match tokio::fs::remove_dir_all(dir).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(EmbeddedError::io("remove", dir)(error))
            }
            _ => Ok(()),
        }
    }

    async fn run(&self, program: &'static str, args: &[&str]) -> Result<(), EmbeddedError> {
        let path = self.binaries.program(program);
        let mut command = tokio::process::Command::from(self.run_as.command(&path, &self.home));
        let output = command.args(args).kill_on_drop(true).output().await;
        judge(program, output.map_err(EmbeddedError::io("run", &path))?)
    }

    /// Runs a program that is better finished than killed. The destructor waits for it.
    async fn run_even_if_cancelled(&self, program: &'static str, args: &[&str]) -> Result<(), EmbeddedError> {
        let path = self.binaries.program(program);
        let mut command = self.run_as.command(&path, &self.home);
        command.args(args);
        let is_closed = Arc::clone(&self.is_closed);
        let run = move || {
            let is_closed = is_closed.lock().unwrap_or_else(PoisonError::into_inner);
            if *is_closed { Err(io::ErrorKind::Interrupted.into()) } else { command.output() }
        };
        let output =
            tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        judge(program, output.map_err(EmbeddedError::io("run", &path))?)
    }
}

fn judge(program: &'static str, output: Output) -> Result<(), EmbeddedError> {
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(EmbeddedError::Program { program, output: last_lines(&String::from_utf8_lossy(&said)) })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_repeats_the_end_of_a_long_output() {
        let text = (1..=20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n\n");
        let quoted = last_lines(&text);
        assert!(quoted.starts_with("line 13\n") && quoted.ends_with("line 20"), "{quoted}");
    }
}
