//! The server that the demo works on: the one that was named, else a private one.
//!
//! Law: whoever drops a [`Server`] stops a private one, so it ends with the demo, however that ends, unless
//! [`Server::end`] was told to keep it.

use std::{path::PathBuf, sync::OnceLock};

use remat::{
    Remat,
    embedded::{self, Cluster, ClusterOptions, EmbeddedError, Environment, RunAs, ServerBinaries},
    error::{Error, ErrorKind},
    pg::Target,
};

use super::{database, driver::Driver, report::ServerFacts};
use crate::render::{Output, Stage, Telling};

/// What was asked for.
pub(crate) struct Wishes {
    /// The server that was named.
    pub(crate) target: Option<Target>,
    /// Where a private one keeps its data, if not where remat keeps it.
    pub(crate) data_dir: Option<PathBuf>,
}

/// A server to work on.
pub(crate) enum Server {
    /// Somebody else's.
    Named(Box<Target>),
    /// Ours.
    Private(Box<Cluster>),
}

impl Server {
    /// Takes the named server, or brings up a private one.
    pub(crate) async fn open(out: &Output, wishes: Wishes) -> Result<Self, Error> {
        if let Some(target) = wishes.target {
            return Ok(Self::Named(Box::new(target)));
        }
        let env = Environment::of_process();
        let binaries = obtain(out, &env).await?;
        let home = match wishes.data_dir {
            Some(dir) => dir,
            None => default_home(&env, &binaries).await?,
        };
        let stage = Stage::start(out, "starting a private PostgreSQL", None);
        let cluster = Cluster::open(&binaries, &home, &ClusterOptions::default()).await;
        let cluster = cluster.map_err(|error| complaint(&error))?;
        let (version, home) = (binaries.version(), cluster.home().display());
        stage.finish(&format!("started a private PostgreSQL {version} in {home}"));
        Ok(Self::Private(Box::new(cluster)))
    }

    /// A way to it.
    pub(crate) fn target(&self) -> Result<Target, Error> {
        match self {
            Self::Named(target) => Ok((**target).clone()),
            // The PG* variables are about other servers.
            Self::Private(cluster) => Target::resolve(Some(&cluster.connection_url()), &|_| None),
        }
    }

    /// What there is to say about it.
    pub(super) async fn facts(&self, remat: &Remat, driver: &Driver) -> Result<ServerFacts, Error> {
        let cluster = match self {
            Self::Named(_) => None,
            Self::Private(cluster) => Some(cluster),
        };
        Ok(ServerFacts {
            version: driver.server_version().await?,
            private: cluster.is_some(),
            database: remat.target().to_string(),
            url: cluster.map(|cluster| database::on(&cluster.connection_url())),
            data_dir: cluster.map(|cluster| cluster.home().to_owned()),
            bin_dir: cluster.map(|cluster| cluster.binaries().dir().to_owned()),
        })
    }

    /// Stops a private server, or lets it run on.
    pub(crate) async fn end(self, keep: bool) -> Result<(), Error> {
        match self {
            Self::Named(_) => Ok(()),
            Self::Private(cluster) if keep => {
                cluster.leave_running();
                Ok(())
            }
            Self::Private(cluster) => cluster.stop().await.map_err(|error| complaint(&error)),
        }
    }
}

async fn default_home(env: &Environment, binaries: &ServerBinaries) -> Result<PathBuf, Error> {
    let run_as = RunAs::find().await.map_err(|error| complaint(&error))?;
    Ok(embedded::default_home(env, &run_as, binaries.major()))
}

/// Finds or downloads the server's programs.
async fn obtain(out: &Output, env: &Environment) -> Result<ServerBinaries, Error> {
    // Most machines need no download, and are not told of one.
    let (stage, telling) = (OnceLock::new(), Telling::fitting(out));
    let progress = |progress: embedded::Progress| {
        let start = || Stage::of_bytes(telling, "downloading PostgreSQL", progress.bytes_total);
        stage.get_or_init(start).at(progress.bytes_done);
    };
    let binaries = embedded::obtain(env, &progress).await.map_err(|error| complaint(&error))?;
    if let Some(stage) = stage.into_inner() {
        stage.finish(&format!("downloaded PostgreSQL {}", binaries.version()));
    }
    Ok(binaries)
}

fn complaint(error: &EmbeddedError) -> Error {
    let mut said = Error::new(ErrorKind::Connection, error.to_string());
    if let Some(detail) = error.detail() {
        said = said.with_detail(detail);
    }
    match error.hint() {
        Some(hint) => said.with_hint(hint),
        None => said,
    }
}
