//! The server on which everything is measured.
//!
//! Without a URL it is a private one in a directory of its own that goes with it, with the settings of a new
//! installation but for [`SETTINGS`], which are the same for all that is compared.

use std::path::PathBuf;

use remat::{
    Remat,
    embedded::{Cluster, ClusterOptions, Environment, locate},
    pg::Target,
};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::{Outcome, args::Args};

/// No checkpoint and no autovacuum may fall into one measurement and not into the other.
const SETTINGS: [(&str, &str); 3] =
    [("max_wal_size", "8GB"), ("checkpoint_timeout", "1h"), ("autovacuum", "off")];

/// Settings that decide what the figures mean.
const TOLD: &str = "shared_buffers work_mem maintenance_work_mem max_wal_size checkpoint_timeout autovacuum fsync \
     synchronous_commit full_page_writes wal_level wal_compression max_parallel_workers_per_gather jit";

/// A database to measure in, and remat on it.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) remat: Remat,
    pub(crate) sql: Client,
    server: Option<Private>,
}

impl Place {
    /// Connects to the named database, or starts a server, and makes remat's tables.
    pub(crate) async fn open(args: &Args) -> Outcome<Self> {
        let server = if args.database_url.is_some() { None } else { Some(start().await?) };
        let own = server.as_ref().and_then(|own| own.cluster.as_ref()).map(Cluster::connection_url);
        let url = args.database_url.clone().or(own).unwrap_or_default();
        let remat = Remat::connect(Target::resolve(Some(&url), &|_| None)?).await?;
        remat.migrate().await?;
        let sql = connect(&url).await?;
        sql.batch_execute("create schema bench").await?;
        Ok(Self { url, remat, sql, server })
    }

    /// What a reader of the figures must know about the server.
    pub(crate) async fn facts(&self) -> Outcome<Value> {
        let row = self
            .sql
            .query_one(
                "select current_setting('server_version'),
                        (select json_object_agg(name, current_setting(name))::text
                         from   unnest(string_to_array($1, ' ')) as told(name)
                         where  name <> '')",
                &[&TOLD.split_whitespace().collect::<Vec<_>>().join(" ")],
            )
            .await?;
        let settings: Value = serde_json::from_str(row.get(1))?;
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Ok(json!({
            "server_version": row.get::<_, String>(0),
            "private_server": self.server.is_some(),
            "cores": cores,
            "settings": settings,
        }))
    }
}

/// A server of our own; with the value it stops and its files go.
struct Private {
    cluster: Option<Cluster>,
    home: PathBuf,
}

impl Drop for Private {
    fn drop(&mut self) {
        drop(self.cluster.take());
        if let Err(error) = std::fs::remove_dir_all(&self.home) {
            eprintln!("{} could not be removed: {error}", self.home.display());
        }
    }
}

async fn start() -> Outcome<Private> {
    let binaries = locate(&Environment::of_process()).await?;
    let home = std::env::temp_dir().join(format!("remat-bench-{}", std::process::id()));
    let options = SETTINGS.iter().fold(ClusterOptions::default(), |all, (name, value)| all.set(name, value));
    eprintln!("starting PostgreSQL {} in {}", binaries.version(), home.display());
    let cluster = Cluster::open(&binaries, &home, &options).await?;
    Ok(Private { cluster: Some(cluster), home })
}

/// A connection of its own.
pub(crate) async fn connect(url: &str) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
