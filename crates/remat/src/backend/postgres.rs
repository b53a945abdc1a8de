//! The database itself carries the wake-ups: `NOTIFY`, sent in the transaction that enqueues.
//!
//! Law: nothing beside PostgreSQL is needed. Where notifications do not arrive, listening fails within seconds, and the
//! worker looks into the table from time to time instead and says so.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::{Instant, interval_at};

use super::{Ear, Heard, Hint, JobBackend};
use crate::{
    Remat,
    error::{Error, ErrorKind},
    pg::{Listener, Session, send_notification},
};

/// How often listening is proven.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// Wake-ups by `NOTIFY`.
pub struct PostgresBackend {
    remat: Remat,
}

impl PostgresBackend {
    /// Over the database of this `Remat`.
    pub fn new(remat: &Remat) -> Self {
        Self { remat: remat.clone() }
    }

    async fn attend(&self, ear: &Ear) -> Result<(), Error> {
        let mut listener = Listener::open(self.remat.target()).await?;
        // Its own: one that waited for its next use may be as dead as the listener that was lost before.
        let speaker = self.remat.target().connect().await?;
        let mut probes = 0_u64;
        prove(&mut listener, &speaker, &mut probes).await?;
        ear.is_reached();
        // What was enqueued before anybody listened.
        ear.nudge(Heard::Something).await?;
        let mut due = interval_at(Instant::now() + PROBE_EVERY, PROBE_EVERY);
        loop {
            tokio::select! {
                () = ear.closed() => return Ok(()),
                payload = listener.next() => match payload {
                    Some(payload) if payload == "run" => {
                        listener.skip_arrived();
                        ear.nudge(Heard::Something).await?;
                    }
                    Some(_) => {}
                    None => return Err(Error::new(ErrorKind::Connection, "the listening connection was lost")),
                },
                _ = due.tick() => {
                    if prove(&mut listener, &speaker, &mut probes).await? > 0 {
                        ear.nudge(Heard::Something).await?;
                    }
                }
            }
        }
    }
}

impl JobBackend for PostgresBackend {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn announce<'a>(&'a self, _hints: &'a [Hint]) -> BoxFuture<'a, Result<(), Error>> {
        async {
            let session = self.remat.session().await?;
            send_notification(&session, "run").await?;
            self.remat.give_back(session);
            Ok(())
        }
        .boxed()
    }

    fn listen<'a>(&'a self, _queues: &'a [String], ear: &'a Ear) -> BoxFuture<'a, Result<(), Error>> {
        self.attend(ear).boxed()
    }
}

/// Sends a probe and waits until it is heard; gives how many others came meanwhile.
async fn prove(listener: &mut Listener, speaker: &Session, probes: &mut u64) -> Result<usize, Error> {
    *probes += 1;
    let word = format!("probe {} {}", std::process::id(), *probes);
    listener.prove(speaker, &word).await
}
