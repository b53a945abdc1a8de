//! `remat serve` and `remat worker`: from the settings to a daemon that runs until it is told to stop.
//!
//! Law: whatever can be refused is refused before anything starts: settings, a port that is taken, tables that do not
//! fit, a back end that cannot be reached. Flags win over `remat.toml`.

pub(crate) mod backend;
mod options;
mod signals;
mod systemd;

use std::{sync::Arc, time::Instant};

pub(crate) use options::{Charge, WorkOptions};
use remat::{
    Remat,
    backend::{JobBackend, PostgresBackend},
    daemon::{Daemon, DaemonSettings},
    error::Error,
    service::{Service, alerter::Alerter, verifier::Verifier, worker::WorkerSettings},
};
use tokio::net::TcpListener;

use crate::{
    app::App,
    exit::Exit,
    http::{self, Door, Live},
    serve::signals::Signals,
};

/// Sessions beside those of the runs: heartbeats, claims, the scheduler, the rescuer and their like.
const SESSIONS_BESIDE: usize = 4;

/// Runs until it is told to stop.
pub(crate) async fn run(app: &App, mut charge: Charge) -> Result<Exit, Error> {
    let mut signals = Signals::listen()?;
    let ready = tokio::select! {
        ready = prepare(app, &mut charge) => ready?,
        () = signals.told() => return Ok(Exit::Success),
    };
    ready.run(&signals).await
}

/// Everything that had to be found, reached and checked.
struct Ready {
    remat: Remat,
    daemon: Daemon,
    listener: Option<TcpListener>,
    /// Who is let in beside the probes.
    door: Option<(Door, String)>,
    backend: Arc<dyn JobBackend>,
    #[cfg(feature = "redis")]
    publisher: Option<remat::publish::Publisher>,
    name: String,
}

/// Whoever asks over HTTP does not wait for the work: with `inline` the workers of this process find it.
fn reached_from_pages(remat: &Remat, backend: Arc<dyn JobBackend>) -> Arc<dyn JobBackend> {
    if backend.kind() == "inline" { Arc::new(PostgresBackend::new(remat)) } else { backend }
}

async fn prepare(app: &App, charge: &mut Charge) -> Result<Ready, Error> {
    let listener = match charge.listen {
        Some(address) => Some(http::bind(address).await?),
        None => None,
    };
    let sessions = SESSIONS_BESIDE + if charge.door.is_some() { http::READERS } else { 0 };
    let remat = app.connect_as("api", charge.slots + sessions).await?;
    remat.check_schema().await?;
    let backend = backend::connect(app, &remat, charge.backend).await?;
    let (kind, name) = (backend.kind(), worker_name());
    let settings = DaemonSettings {
        worker: Some(WorkerSettings {
            name: name.clone(),
            queues: charge.queues.clone(),
            slots: charge.slots,
            poll: charge.poll,
            grace: charge.grace,
        }),
        schedules: charge.schedules,
        retention: charge.retention,
    };
    let mut services = services(app, &remat, charge)?;
    if let Some(interval) = charge.verify_every {
        services.push(Box::new(Verifier::new(&remat, Arc::clone(&backend), interval)));
    }
    let mut daemon = Daemon::prepare(&remat, Arc::clone(&backend), &settings).await?;
    for service in services {
        daemon.add(service);
    }
    #[cfg(feature = "otel")]
    if let Some(collector) = remat::service::tracer::Collector::from_environment(&crate::app::environment)? {
        let (tracer, told) = remat::service::tracer::Tracer::new(&remat, collector);
        daemon.add(Box::new(tracer));
        daemon.tell_ends(told);
    }
    let (queues, schedules) = (charge.queues_in_words(), charge.schedules);
    let database = remat.target().to_string();
    tracing::info!(name, database, backend = kind, workers = charge.slots, queues, schedules, "ready");
    Ok(Ready {
        #[cfg(feature = "redis")]
        publisher: app.publisher().ok(),
        remat,
        daemon,
        listener,
        door: charge.door.take(),
        backend,
        name,
    })
}

/// What a daemon does beside what is its own: it judges alerts and sends their messages, and it publishes, where
/// `[publish]` says where.
fn services(app: &App, remat: &Remat, charge: &Charge) -> Result<Vec<Box<dyn Service>>, Error> {
    let mut services: Vec<Box<dyn Service>> = Vec::new();
    if charge.alerts {
        services.push(Box::new(Alerter::new(remat)));
        #[cfg(feature = "alerts")]
        services.push(Box::new(remat::service::deliverer::Deliverer::new(remat)));
    }
    #[cfg(feature = "redis")]
    if charge.publishes {
        let publisher = app.publisher()?;
        services.push(Box::new(remat::publish::PublishService { remat: remat.clone(), publisher }));
    }
    #[cfg(not(feature = "redis"))]
    let _ = app;
    Ok(services)
}

impl Ready {
    async fn run(self, signals: &Signals) -> Result<Exit, Error> {
        let (remat, health, began) = (self.remat, self.daemon.health(), Instant::now());
        if let Some(listener) = self.listener {
            let (remat, health, stop) = (remat.clone(), health.clone(), signals.stop());
            match self.door {
                Some((door, base)) => {
                    let (base, door, live) = (Arc::from(base), Arc::new(door), Live::new(&remat));
                    let backend = reached_from_pages(&remat, self.backend);
                    let web = http::Web {
                        remat,
                        health,
                        stop,
                        base,
                        door,
                        backend,
                        known: crate::dashboard::Known::default(),
                        metrics: http::LastMetrics::default(),
                        live,
                        #[cfg(feature = "redis")]
                        publisher: self.publisher,
                    };
                    tokio::spawn(http::answer(listener, web));
                }
                None => drop(tokio::spawn(http::answer_probes(listener, remat, health, stop))),
            }
        }
        tokio::spawn(systemd::attend(health, signals.stop()));
        let ended = tokio::select! {
            ended = self.daemon.run(signals.stop()) => ended,
            () = signals.leave() => {
                tracing::warn!("leaving at once; what was at work is found and enqueued again by others");
                return Ok(Exit::Interrupted);
            }
        };
        let seconds = began.elapsed().as_secs();
        tracing::info!(name = self.name, seconds, cancelled = remat.is_stopping(), "ended");
        ended?;
        Ok(if remat.is_stopping() { Exit::Interrupted } else { Exit::Success })
    }
}

/// For people: this machine and this process.
fn worker_name() -> String {
    let of_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let named = of_kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let host = if named.trim().is_empty() { "localhost" } else { named.trim() };
    format!("{host}:{}", std::process::id())
}
