//! A private server as a value: opened, connected to, stopped; stopped also when the value is dropped.
//!
//! One remat at a time holds a home directory, by a file lock that the system releases however the process ends. A
//! server that still runs there is taken over if its settings are the wished ones, else restarted.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use super::pidfile::PidFile;
use super::server::Server;
use super::{ClusterOptions, EmbeddedError, Listen, RunAs, ServerBinaries, settings};

/// How long a start is tried again while the processes of a killed predecessor go away, or ports are taken.
const START_PATIENCE: Duration = Duration::from_secs(15);

/// How long a server that says it accepts connections may take to answer the first.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// The socket's path must fit `sockaddr_un`, which holds 103 bytes on macOS and 107 on Linux.
const SOCKET_PATH_MAX: usize = 103;

/// The port that names the socket file; nothing listens on it.
const SOCKET_PORT: u16 = 5432;
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// A running private server. Dropping it stops the server and blocks until that is done.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    port: u16,
    /// None where the server listens on the loopback.
    socket_dir: Option<PathBuf>,
    stops_on_drop: bool,
    _lock: File,
}

impl Cluster {
    /// Opens the server of this home directory: makes its data where there is none, replaces data of another
    /// major version (which only a remat can have made), takes over a server that already runs, else starts one.
    pub async fn open(
        binaries: &ServerBinaries,
        home: &Path,
        options: &ClusterOptions,
    ) -> Result<Self, EmbeddedError> {
        let wishes = settings::wishes(options)?;
        let mut cluster = Self::claim(binaries, home).await?;
        if let Some(running) = cluster.server.running().await {
            cluster.adopt(&running, options.listen);
            if cluster.is_as_wished(&wishes, options.listen) && cluster.check_answer().await.is_ok() {
                return Ok(cluster);
            }
            cluster.server.stop().await?;
        }
        cluster.server.prepare_data().await?;
        cluster.start(&wishes, options.listen).await?;
        cluster.check_answer().await?;
        Ok(cluster)
    }

    /// The server of this home directory if it runs already; nothing is made or started.
    pub async fn running(binaries: &ServerBinaries, home: &Path) -> Result<Option<Self>, EmbeddedError> {
        if !home.join("remat.lock").exists() {
            return Ok(None);
        }
        let mut cluster = Self::claim(binaries, home).await?;
        let Some(running) = cluster.server.running().await else { return Ok(None) };
        let on_loopback = cluster.server.written_configuration().contains("listen_addresses = '127.0.0.1'");
        cluster.adopt(&running, if on_loopback { Listen::AnyPort } else { Listen::Socket });
        cluster.stops_on_drop = false;
        Ok(Some(cluster))
    }

    /// The URL of database `postgres` as superuser. It holds no secret.
    pub fn connection_url(&self) -> String {
        let host = match &self.socket_dir {
            Some(dir) => percent_encode(&dir.to_string_lossy()),
            None => Ipv4Addr::LOCALHOST.to_string(),
        };
        format!("postgresql://postgres@{host}:{}/postgres", self.port)
    }

    /// The port on the loopback, if the server listens there.
    pub fn port(&self) -> Option<u16> {
        self.socket_dir.is_none().then_some(self.port)
    }

    /// The server's home directory.
    pub fn home(&self) -> &Path {
        &self.server.home
    }

    /// Who runs the server.
    pub fn run_as(&self) -> &RunAs {
        &self.server.run_as
    }

    /// The programs that the server was started from.
    pub fn binaries(&self) -> &ServerBinaries {
        &self.server.binaries
    }

    /// Stops the server: ends every session, writes everything to disk, and returns when no process is left.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        self.server.stop().await?;
        self.stops_on_drop = false;
        Ok(())
    }

    /// Lets the server run on after this process. A later [`open`](Self::open) takes it over.
    pub fn leave_running(mut self) {
        self.stops_on_drop = false;
    }

    async fn claim(binaries: &ServerBinaries, home: &Path) -> Result<Self, EmbeddedError> {
        let run_as = RunAs::find().await?;
        run_as.check_reach(binaries.dir())?;
        run_as.private_dir(home)?;
        let home = home.canonicalize().map_err(EmbeddedError::io("look at", home))?;
        let lock = lock(&home)?;
        let server = Server::new(binaries.clone(), home, run_as);
        Ok(Self { server, port: SOCKET_PORT, socket_dir: None, stops_on_drop: true, _lock: lock })
    }

    fn adopt(&mut self, running: &PidFile, listen: Listen) {
        self.port = running.port;
        self.socket_dir = running.socket_dir.clone().filter(|_| listen == Listen::Socket);
    }

    fn is_as_wished(&self, wishes: &str, listen: Listen) -> bool {
        let address_fits = match listen {
            Listen::Socket => self.socket_dir.is_some(),
            Listen::AnyPort => true,
            Listen::Port(port) => self.port == port,
        };
        address_fits && self.server.written_configuration().starts_with(wishes)
    }

    async fn start(&mut self, wishes: &str, listen: Listen) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            self.choose_address(listen)?;
            let configuration =
                settings::with_address(wishes.to_owned(), self.port, self.socket_dir.as_deref());
            match self.server.start(&configuration).await {
                Err(error) if passes_by_itself(&error, listen) && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                result => return result,
            }
        }
    }

    fn choose_address(&mut self, listen: Listen) -> Result<(), EmbeddedError> {
        match listen {
            Listen::Socket => {
                let dir = self.make_socket_dir()?;
                forget_stale_socket(&dir);
                self.socket_dir = Some(dir);
            }
            Listen::AnyPort => self.port = free_port()?,
            Listen::Port(port) => self.port = port,
        }
        Ok(())
    }

    /// The home itself, or a short private directory where the home's path is too long for a socket.
    fn make_socket_dir(&self) -> Result<PathBuf, EmbeddedError> {
        let home = &self.server.home;
        if home.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_MAX {
            return Ok(home.clone());
        }
        let short = PathBuf::from(format!("/tmp/remat-{:016x}", fnv1a(home.as_os_str().as_encoded_bytes())));
        self.server.run_as.private_dir(&short)?;
        Ok(short)
    }

    /// Connects once, and asks whether it is this home's server that answers.
    async fn check_answer(&self) -> Result<(), EmbeddedError> {
        let silent = |reason| EmbeddedError::Silent { home: self.server.home.clone(), reason };
        let asked = tokio::time::timeout(ANSWER_PATIENCE, data_directory(&self.connection_url())).await;
        let said = asked.map_err(|_| silent("no answer in time".into()))?;
        let said = said.map_err(|error| silent(error.to_string()))?;
        if said.canonicalize().ok() == self.server.data().canonicalize().ok() {
            return Ok(());
        }
        Err(silent(format!("the server of \"{}\" answers", said.display())))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.stops_on_drop {
            self.server.stop_blocking();
        }
    }
}

/// Takes the lock, whose file also marks the directory as made by remat.
fn lock(home: &Path) -> Result<File, EmbeddedError> {
    let path = home.join("remat.lock");
    let is_empty = || home.read_dir().is_ok_and(|mut children| children.next().is_none());
    if !path.exists() && !is_empty() {
        return Err(EmbeddedError::Foreign { home: home.to_owned() });
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(EmbeddedError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse { home: home.to_owned() }),
        Err(TryLockError::Error(error)) => Err(EmbeddedError::io("lock", &path)(error)),
    }
}

/// A killed server's backends keep its shared memory for a moment; a free port may be taken before we use it.
fn passes_by_itself(error: &EmbeddedError, listen: Listen) -> bool {
    let EmbeddedError::Program { output, .. } = error else { return false };
    output.contains("pre-existing shared memory block")
        || (listen == Listen::AnyPort && output.contains("Address already in use"))
}

/// A killed server leaves its socket's lock file, which its successor believes while the process is a zombie. The
/// directory is ours alone and no server runs on this home, so the file is stale. Usually there is none.
fn forget_stale_socket(dir: &Path) {
    for name in [SOCKET_NAME.to_owned(), format!("{SOCKET_NAME}.lock")] {
        let _ = std::fs::remove_file(dir.join(name));
    }
}

fn free_port() -> Result<u16, EmbeddedError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    Ok(bound.map_err(EmbeddedError::io("find a free port on", Path::new("127.0.0.1")))?.port())
}

async fn data_directory(url: &str) -> Result<PathBuf, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let row = client.query_one("select current_setting('data_directory')", &[]).await;
    drop(client);
    let _ = connection.await;
    Ok(PathBuf::from(row?.get::<_, String>(0)))
}

fn percent_encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode =
        |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// FNV-1a: a name for a path, stable across builds; nothing depends on it being hard to invert.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_directory_survives_the_url() {
        let url = format!("postgresql://postgres@{}:5432/postgres", percent_encode("/home/a b/ü"));
        let config: tokio_postgres::Config = url.parse().unwrap();
        assert_eq!(config.get_hosts(), [tokio_postgres::config::Host::Unix("/home/a b/ü".into())]);
    }

    #[test]
    fn directory_with_foreign_files_is_refused() {
        let home = std::env::temp_dir().join(format!("remat-foreign-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("PG_VERSION"), "15").unwrap();
        assert!(matches!(lock(&home), Err(EmbeddedError::Foreign { .. })));
        assert!(!home.join("remat.lock").exists());
        std::fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn second_holder_of_a_home_is_refused() {
        let home = std::env::temp_dir().join(format!("remat-held-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let held = lock(&home).unwrap();
        assert!(matches!(lock(&home), Err(EmbeddedError::InUse { .. })));
        drop(held);
        lock(&home).unwrap();
        std::fs::remove_dir_all(home).unwrap();
    }
}
