//! What Ctrl-C and SIGTERM do.
//!
//! Law: the first one cancels the work at the server, and the command ends when the server has said so, with runs that
//! tell the truth; where nothing is at work, the command ends at once. The second one always ends it at once.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use remat::Remat;
use tokio::sync::Notify;

/// How often a cancel is repeated: one that arrives between two statements cancels nothing.
const REPEAT: Duration = Duration::from_millis(250);

/// Knows whether somebody asked to stop.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    asked: AtomicBool,
    at_work: AtomicUsize,
    remat: OnceLock<Remat>,
    gives_up: Notify,
}

impl Interrupt {
    /// Listens from now on. Needs a runtime.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        tokio::spawn(watch(Arc::clone(&interrupt.state)));
        interrupt
    }

    /// Says whose work is to be cancelled.
    pub(crate) fn covers(&self, remat: &Remat) {
        // A command connects once; a second connection would be the same database.
        let _ = self.state.remat.set(remat.clone());
    }

    /// Does work at the server whose end is waited for even after an interrupt.
    pub(crate) async fn attend<T>(&self, work: impl Future<Output = T>) -> T {
        self.state.at_work.fetch_add(1, Ordering::SeqCst);
        let done = work.await;
        self.state.at_work.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// True after the first interrupt: nothing new is begun.
    pub(crate) fn is_asked(&self) -> bool {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Resolves when the command must end at once.
    pub(crate) async fn gives_up(&self) {
        self.state.gives_up.notified().await;
    }
}

async fn watch(state: Arc<State>) {
    signal().await;
    state.asked.store(true, Ordering::SeqCst);
    if state.at_work.load(Ordering::SeqCst) == 0 {
        state.gives_up.notify_one();
        return;
    }
    tracing::warn!("cancelling at the server; interrupt again to leave at once");
    tokio::select! {
        () = signal() => state.gives_up.notify_one(),
        () = keep_cancelling(&state) => (),
    }
}

async fn keep_cancelling(state: &State) {
    loop {
        if let Some(remat) = state.remat.get() {
            remat.cancel_all().await;
        }
        tokio::time::sleep(REPEAT).await;
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
