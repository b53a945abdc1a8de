//! Where the test servers are: the file that `cargo xtask servers start` writes and every test reads.
//!
//! A missing file is a panic with the command to run; a test without its server must never pass by being skipped.

use std::env;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The test servers of one target directory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Servers {
    /// In the order in which they were asked for; the first is the default.
    pub servers: Vec<Server>,
    /// The loopback port of a Redis that tests may empty; 0 where none was started.
    #[serde(default)]
    pub redis_port: u16,
    /// The loopback port of a `RabbitMQ` node whose user `guest` may do everything; 0 where none was started.
    #[serde(default)]
    pub rabbitmq_port: u16,
}

/// One running PostgreSQL server for tests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    /// The major version.
    pub major: u32,
    /// The loopback port.
    pub port: u16,
    /// The directory of its programs.
    pub bin_dir: PathBuf,
    /// Its home, as `remat::embedded` means it.
    pub home: PathBuf,
    /// The loopback port of the `PgBouncer` in transaction mode in front of it.
    pub pgbouncer_port: u16,
}

impl Servers {
    /// Reads the file, or panics with the command that makes it.
    pub fn read() -> Self {
        let complaint = "no test servers run; run `cargo xtask servers start` or `cargo xtask test`";
        Self::find().unwrap_or_else(|| panic!("{complaint} ({} is missing or old)", Self::path().display()))
    }

    /// Reads the file if it is there and of this version.
    pub fn find() -> Option<Self> {
        let text = std::fs::read_to_string(Self::path()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The file: `REMAT_TEST_SERVERS`, or in the target directory of this workspace.
    pub fn path() -> PathBuf {
        let named = env::var_os("REMAT_TEST_SERVERS").map(PathBuf::from);
        named.unwrap_or_else(|| Self::target_dir().join("test-servers/servers.json"))
    }

    /// The target directory of this workspace.
    pub fn target_dir() -> PathBuf {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let workspace = workspace.canonicalize().unwrap_or(workspace);
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |dir| workspace.join(dir))
    }

    /// The server that this run of the tests is about: `REMAT_TEST_SERVER` names its major version, else the first.
    pub fn chosen(&self) -> &Server {
        match env::var("REMAT_TEST_SERVER") {
            Ok(major) if !major.is_empty() => {
                self.of_major(major.parse().expect("REMAT_TEST_SERVER is a major version"))
            }
            _ => self.servers.first().expect("the file of test servers names at least one"),
        }
    }

    /// The URL of the Redis.
    pub fn redis_url(&self) -> String {
        assert!(self.redis_port != 0, "no Redis for tests runs; run `cargo xtask servers start`");
        format!("redis://127.0.0.1:{}/0", self.redis_port)
    }

    /// The URL of the `RabbitMQ` node.
    pub fn rabbitmq_url(&self) -> String {
        assert!(self.rabbitmq_port != 0, "no RabbitMQ for tests runs; run `cargo xtask servers start`");
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.rabbitmq_port)
    }

    /// The server of this major version.
    pub fn of_major(&self, major: u32) -> &Server {
        let found = self.servers.iter().find(|server| server.major == major);
        found.unwrap_or_else(|| panic!("no test server of version {major}; run `cargo xtask servers start`"))
    }
}

impl Server {
    /// The URL of a database for a role. Authentication is trust; there is no password.
    pub fn url(&self, role: &str, database: &str) -> String {
        url(role, self.port, database)
    }

    /// The same through `PgBouncer`.
    pub fn pgbouncer_url(&self, role: &str, database: &str) -> String {
        url(role, self.pgbouncer_port, database)
    }
}

fn url(role: &str, port: u16, database: &str) -> String {
    format!("postgresql://{role}@127.0.0.1:{port}/{database}")
}
