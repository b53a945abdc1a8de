//! Listening for notifications, and knowing whether they arrive.
//!
//! Law: a connection that listens may be deaf without an error: half-open, or through a pooler that gives each
//! transaction another server connection. So whoever listens proves it, with a probe that is sent over another session
//! and must be heard; until one is heard, nothing is assumed.

use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::types::Type;

use super::{Session, Target};
use crate::{
    error::{Error, ErrorKind},
    failure::Failure,
};

/// The channel of remat.
pub(crate) const CHANNEL: &str = "remat";

/// How long a probe may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that listens.
pub(crate) struct Listener {
    // Kept for as long as its notifications are wanted.
    _session: Session,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Listener {
    pub(crate) async fn open(target: &Target) -> Result<Self, Error> {
        let (notified, heard) = mpsc::unbounded_channel();
        let session = target.connect_with(Some(notified)).await?;
        session.batch(&format!("listen {CHANNEL}")).await?;
        Ok(Self { _session: session, heard })
    }

    /// The next payload; none when the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.heard.recv().await
    }

    /// Forgets what has arrived already: whoever looks now sees what it told of.
    pub(crate) fn skip_arrived(&mut self) {
        while self.heard.try_recv().is_ok() {}
    }

    /// Proves that notifications arrive. Gives how many others came meanwhile; fails when the probe did not come.
    pub(crate) async fn prove(&mut self, other: &Session, word: &str) -> Result<usize, Error> {
        let deaf = || {
            Error::new(ErrorKind::Connection, "notifications of the server do not arrive").with_hint(
                "A pooler in transaction mode does not pass them on; give remat a direct connection.",
            )
        };
        timeout(PATIENCE, send(other, word)).await.map_err(|_| deaf())??;
        let others = timeout(PATIENCE, self.until(word)).await.map_err(|_| deaf())?;
        others.ok_or_else(deaf)
    }

    async fn until(&mut self, word: &str) -> Option<usize> {
        let mut others = 0;
        while let Some(payload) = self.next().await {
            if payload == word {
                return Some(others);
            }
            others += usize::from(!payload.starts_with("probe"));
        }
        None
    }
}

/// Sends a notification, outside any transaction block. Its commit need not reach the disk: a notification does not survive
/// the server in any case.
pub(crate) async fn send(session: &Session, payload: &str) -> Result<(), Failure> {
    let params = [(&CHANNEL as _, Type::TEXT), (&payload as _, Type::TEXT)];
    let sql =
        "select pg_catalog.set_config('synchronous_commit', 'off', true), pg_catalog.pg_notify($1, $2)::text";
    session.execute(sql, &params).await.map(drop)
}
