//! A daemon with its pages beside something else that this process does: the demo.
//!
//! Law: closed like every other listener. It is reached from this machine alone, with a token that was made for it and is
//! shown once.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use remat::{
    Remat,
    access::{Act, NewToken, Role},
    backend::{JobBackend, PostgresBackend},
    daemon::{Daemon, DaemonSettings},
    error::Error,
    project::ServeSettings,
    service::{Stop, alerter::Alerter, worker::WorkerSettings},
};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    app::io_error,
    http::{self, DoorOptions, Web},
    serve::worker_name,
};

/// A daemon that is ready to run, and where its pages are.
pub(crate) struct Beside {
    daemon: Daemon,
    web: Web,
    listener: TcpListener,
    /// Whoever drops it stops the daemon.
    told: watch::Sender<Stop>,
    /// Where the pages are.
    pub(crate) url: String,
    /// What opens them.
    pub(crate) token: String,
}

impl Beside {
    /// Prepares it, at the usual port or, if that is taken, at a free one.
    pub(crate) async fn prepare(remat: &Remat) -> Result<Self, Error> {
        let written = ServeSettings::default();
        let (listener, address) = listen(written.listen).await?;
        let backend: Arc<dyn JobBackend> = Arc::new(PostgresBackend::new(remat));
        let settings = DaemonSettings { worker: Some(slots(&written)), schedules: true, retention: None };
        let mut daemon = Daemon::prepare(remat, Arc::clone(&backend), &settings).await?;
        daemon.add(Box::new(Alerter::new(remat)));
        let (told, stop) = watch::channel(Stop::No);
        let door = DoorOptions::default().resolve(address, &written)?;
        let web = Web::new(remat, daemon.health(), stop, door, backend);
        let (url, token) = (format!("http://{address}/"), token(remat).await?);
        Ok(Self { daemon, web, listener, told, url, token })
    }

    /// Works and answers until it is dropped.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let Self { daemon, web, listener, told, .. } = self;
        tokio::spawn(http::answer(listener, web));
        daemon.run(told.subscribe()).await
    }
}

async fn listen(usual: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listener = match TcpListener::bind(usual).await {
        Ok(listener) => listener,
        Err(_) => http::bind(SocketAddr::new(usual.ip(), 0)).await?,
    };
    let address = listener.local_addr().map_err(|error| io_error("could not listen", &error))?;
    Ok((listener, address))
}

fn slots(written: &ServeSettings) -> WorkerSettings {
    WorkerSettings {
        name: worker_name(),
        queues: Vec::new(),
        slots: written.workers,
        poll: written.poll,
        grace: written.grace,
    }
}

/// A token that ends by itself: the demo is over by then, and its database is made anew the next time.
async fn token(remat: &Remat) -> Result<String, Error> {
    let day = Duration::from_hours(24);
    // Never a name that was given before: where the tables were kept, so were the tokens.
    let name = format!("demo-{}", std::process::id());
    let wanted = NewToken { name, role: Role::Admin, schemas: Vec::new(), lasts: Some(day) };
    let (_, secret) = remat.create_token(&wanted, &Act::default()).await?;
    Ok(secret.reveal().to_owned())
}
