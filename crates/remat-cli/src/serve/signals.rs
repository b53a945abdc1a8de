//! What a service makes of Ctrl-C and SIGTERM.
//!
//! Law: the first one drains, the second cancels at the server, the third leaves at once. None is lost: the streams are
//! open from the beginning.

use std::sync::Arc;

use remat::{error::Error, service::Stop};
use tokio::sync::{Notify, watch};

/// What was asked for so far.
pub(super) struct Signals {
    stop: watch::Receiver<Stop>,
    leave: Arc<Notify>,
}

impl Signals {
    /// Listens from now on. Needs a runtime.
    pub(super) fn listen() -> Result<Self, Error> {
        let (told, stop) = watch::channel(Stop::No);
        let leave = Arc::new(Notify::new());
        let stream = Stream::open()?;
        tokio::spawn(count(stream, told, Arc::clone(&leave)));
        Ok(Self { stop, leave })
    }

    /// Where what is wanted can be read.
    pub(super) fn stop(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }

    /// Resolves at the first one.
    pub(super) async fn told(&mut self) {
        let told = self.stop.wait_for(|stop| *stop >= Stop::Drain).await;
        if told.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves at the third one.
    pub(super) async fn leave(&self) {
        self.leave.notified().await;
    }
}

async fn count(mut stream: Stream, told: watch::Sender<Stop>, leave: Arc<Notify>) {
    stream.next().await;
    tracing::info!("told to stop: claiming no more, finishing what is at work; a second signal cancels that");
    told.send_replace(Stop::Drain);
    stream.next().await;
    tracing::warn!("told again: not waiting any longer; a third signal leaves at once");
    told.send_replace(Stop::Cancel);
    stream.next().await;
    leave.notify_one();
    // The channel stays open for as long as the process lives.
    std::future::pending::<()>().await;
    drop(told);
}

#[cfg(unix)]
struct Stream {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stream {
    fn open() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error| crate::app::io_error("could not listen to signals", &error);
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate()).map_err(failed)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}

#[cfg(not(unix))]
struct Stream;

#[cfg(not(unix))]
impl Stream {
    #[allow(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
    fn open() -> Result<Self, Error> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
