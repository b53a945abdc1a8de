//! Server binaries by whatever way there is: found on this machine, else downloaded.
//!
//! The order is fixed and nothing is guessed: a directory that was named is used or refused, and a download happens
//! only where no server was found and the feature `download` is built in.

use super::{EmbeddedError, Environment, RunAs, ServerBinaries, locate};

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes received so far.
    pub bytes_done: u64,
    /// Bytes in all, where the server tells.
    pub bytes_total: Option<u64>,
}

/// Finds server binaries; downloads them into remat's data directory where there are none, telling the progress.
pub async fn obtain(
    env: &Environment,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<ServerBinaries, EmbeddedError> {
    match locate(env).await {
        Err(EmbeddedError::NotFound { searched, .. }) => {
            let run_as = RunAs::find().await?;
            let downloaded = download(env, &run_as, progress).await;
            downloaded.map_err(|reason| EmbeddedError::NotFound { searched, download: Some(reason) })
        }
        result => result,
    }
}

#[cfg(feature = "download")]
async fn download(
    env: &Environment,
    run_as: &RunAs,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<ServerBinaries, String> {
    super::download::download(&super::root::data_dir(env, run_as), progress).await
}

#[cfg(not(feature = "download"))]
#[expect(clippy::unused_async, reason = "the face is that of a build that can download")]
async fn download(
    _env: &Environment,
    _run_as: &RunAs,
    _progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<ServerBinaries, String> {
    Err("this remat was built without the feature `download`".into())
}
