//! A server of a test's own whose clock the test sets.
//!
//! It runs under `faketime`, which tells it what time it is; so does everything that it starts, and nothing else.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part of this, and fails by panicking"
)]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use remat_testkit::wait_until;

use crate::victim::Victim;

const URL_FILE: &str = "REMAT_TEST_CLOCK_URL";

/// The server. It ends with the value.
pub(crate) struct Server {
    child: Child,
    dir: PathBuf,
    pub(crate) url: String,
}

impl Server {
    /// `test` is the ignored test of this program that calls [`serve`].
    pub(crate) async fn start(test: &str) -> Self {
        let name = format!("remat-clock-{}-{}", std::process::id(), test.replace(':', "_"));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let preload = Command::new("faketime").args(["now", "printenv", "LD_PRELOAD"]).output();
        let preload = preload.expect("faketime can be run; `cargo xtask servers start` installs it");
        fs::write(dir.join("offset"), "+0\n").unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(URL_FILE, dir.join("url"))
            .env("LD_PRELOAD", String::from_utf8(preload.stdout).unwrap().trim())
            .env("FAKETIME_TIMESTAMP_FILE", dir.join("offset"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let file = dir.join("url");
        wait_until("the server runs", async || file.exists()).await;
        Self { child, url: fs::read_to_string(file).unwrap(), dir }
    }

    /// So many seconds from the true time.
    pub(crate) fn set(&self, offset: i64) {
        // Renamed, so that nobody reads half of it.
        fs::write(self.dir.join("new"), format!("{offset:+}\n")).unwrap();
        fs::rename(self.dir.join("new"), self.dir.join("offset")).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Is the server, where a test has started this program for that.
pub(crate) fn serve() {
    let Some(file) = std::env::var_os(URL_FILE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let victim = runtime.block_on(Victim::start("clock"));
    fs::write(file.with_extension("new"), victim.url()).unwrap();
    fs::rename(file.with_extension("new"), file).unwrap();
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
