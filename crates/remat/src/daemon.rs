//! The daemon: starts the services, watches over them, and ends them in order.
//!
//! Law: any number of daemons may share a database; none of them leads. A service that breaks is begun anew and takes no
//! other one down. The daemon ends when it is told to, or when the database was migrated to something that it does not
//! understand.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};

use crate::{
    Remat,
    backend::JobBackend,
    error::Error,
    service::{
        Service, Stop,
        health::{Health, Watched},
        logs::Logs,
        pruner::Pruner,
        recorder::Recorder,
        repeat,
        rescuer::Rescuer,
        scheduler::Scheduler,
        told,
        worker::{Worker, WorkerSettings},
    },
    store::retention::Retention,
};

/// What a daemon does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// How it works on runs; none to leave that to others.
    pub worker: Option<WorkerSettings>,
    /// Whether it makes runs of what falls due.
    pub schedules: bool,
    /// What it keeps of the history, and how long it rests between two rounds; none to delete nothing.
    pub retention: Option<(Retention, Duration)>,
}

/// A daemon that is ready to run.
pub struct Daemon {
    worker: Option<Worker>,
    services: Vec<Box<dyn Service>>,
    health: Health,
}

impl Daemon {
    /// Enters the worker and prepares the services. The tables of remat must be this program's; see
    /// [`Remat::check_schema`].
    pub async fn prepare(
        remat: &Remat,
        backend: Arc<dyn JobBackend>,
        settings: &DaemonSettings,
    ) -> Result<Self, Error> {
        let (wake, health) = (Arc::new(Notify::new()), Health::default());
        let worker = match &settings.worker {
            Some(worker) => {
                let (backend, wake) = (Arc::clone(&backend), Arc::clone(&wake));
                Some(Worker::register(remat, backend, worker.clone(), wake).await?.watched_by(&health))
            }
            None => None,
        };
        let rescuer = Rescuer::new(remat, worker.as_ref().map(Worker::identity));
        let process = settings
            .worker
            .as_ref()
            .map_or_else(|| std::process::id().to_string(), |worker| worker.name.clone());
        let recorder = Recorder::new(remat, health.clone(), process);
        let mut services: Vec<Box<dyn Service>> =
            vec![Box::new(rescuer), Box::new(Logs::new(remat)), Box::new(recorder)];
        if settings.schedules {
            let seed = RandomState::new().hash_one("jitter");
            services.push(Box::new(Scheduler::new(remat, backend, wake, seed)));
        }
        if let Some((retention, every)) = settings.retention {
            services.push(Box::new(Pruner::new(remat, retention, every)));
        }
        Ok(Self { worker, services, health })
    }

    /// Adds a service to those that it came with.
    pub fn add(&mut self, service: Box<dyn Service>) {
        self.services.push(service);
    }

    /// Tells there the id of each run that its worker has ended, if it has one.
    pub fn tell_ends(&mut self, ended: mpsc::Sender<i64>) {
        if let Some(worker) = &mut self.worker {
            worker.tell_ends(ended);
        }
    }

    /// Tells whether its loops turn, also while it runs.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Runs until it is told to stop.
    pub async fn run(self, mut stop: watch::Receiver<Stop>) -> Result<(), Error> {
        let (services_told, services_stop) = watch::channel(Stop::No);
        let mut loops = JoinSet::new();
        for service in self.services {
            let service = Box::new(Watched::new(service, &self.health));
            loops.spawn(repeat(service, services_stop.clone()));
        }
        let result = if let Some(worker) = self.worker {
            Box::pin(worker.run(stop)).await
        } else {
            told(&mut stop, Stop::Drain).await;
            Ok(())
        };
        services_told.send_replace(Stop::Drain);
        let ended = tokio::time::timeout(Duration::from_secs(5), async {
            while let Some(ended) = loops.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a service broke off");
                }
            }
        });
        if ended.await.is_err() {
            tracing::debug!("a service did not end in time");
        }
        result
    }
}
