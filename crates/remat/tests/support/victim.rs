//! A server of a test's own.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part of this, and fails by panicking"
)]

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use remat::embedded::{Cluster, ClusterOptions, Listen, ServerBinaries};
use remat_testkit::{Servers, wait_until};
use tokio_postgres::{Client, NoTls};

/// A server of the test's own, which it may end as it likes.
pub(crate) struct Victim {
    cluster: Option<Cluster>,
    dir: PathBuf,
    port: u16,
}

impl Victim {
    pub(crate) async fn start(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("remat-victim-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let mut victim = Self { cluster: None, dir, port: 0 };
        victim.open(Listen::AnyPort).await;
        victim.port = victim.cluster.as_ref().unwrap().port().unwrap();
        victim
    }

    async fn open(&mut self, listen: Listen) {
        let binaries = ServerBinaries::at(&Servers::read().chosen().bin_dir).await.unwrap();
        let options = ClusterOptions::default().listen(listen);
        self.cluster = Some(Cluster::open(&binaries, &self.dir.join("home"), &options).await.unwrap());
    }

    pub(crate) async fn open_again(&mut self) {
        self.open(Listen::Port(self.port)).await;
    }

    /// Stops it in good order, without waiting for its clients.
    pub(crate) async fn stop(&mut self) {
        self.cluster.take().unwrap().stop().await.unwrap();
    }

    /// Stops it as `pg_ctl stop -m immediate` does: nothing more is written, and the next start recovers.
    pub(crate) async fn crash(&mut self) {
        let cluster = self.cluster.take().unwrap();
        let file = fs::read_to_string(cluster.home().join("data/postmaster.pid")).unwrap();
        let pid = file.lines().next().unwrap();
        assert!(Command::new("sh").args(["-c", "kill -QUIT $1", "sh", pid]).status().unwrap().success());
        let process = PathBuf::from(format!("/proc/{pid}/exe"));
        wait_until("the server is gone", async || fs::read_link(&process).is_err()).await;
        // Only its lock is left to give back.
        drop(cluster);
    }

    pub(crate) fn url(&self) -> String {
        self.cluster.as_ref().unwrap().connection_url()
    }

    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.cluster.take());
        let _ = fs::remove_dir_all(&self.dir);
    }
}
