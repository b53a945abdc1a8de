//! Claims runs and does them.
//!
//! Law: the table tells what to do; whatever the back end says only tells when to look, and the worker looks from time to
//! time anyway. It never claims more than it can begin at once. When it is to stop, it claims no more and finishes; when
//! that takes too long, it cancels at the server, and what was cancelled so is enqueued again.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Stop,
    health::{Health, Pulse},
    own_session::OwnSession,
    rescuer::Held,
    told, within,
};
use crate::{
    Remat,
    backend::{Ear, EarEnd, EarState, Heard, JobBackend, PostgresBackend, Verdict},
    error::{Error, ErrorKind},
    migrate,
    operation::claimed::{self, Ended},
    run::Trigger,
    store::{
        queue::{self, Claim},
        workers::{self, Registration, State},
    },
};

/// How often a worker says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long a question about the queue may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long to wait before a back end is listened to again after it failed: at first, and at most.
const LISTEN_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// How long there is at least between two looks into the table: runs that end or come at the same time are one claim.
const LOOKS_APART: Duration = Duration::from_millis(3);
/// How long after a claim that got something the next is due: only a worker that finds nothing asks when to come again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often a cancel is repeated: one that arrives between two statements cancels nothing.
const CANCEL_AGAIN: Duration = Duration::from_millis(250);

/// How a worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// For people: host and process.
    pub name: String,
    /// The queues that it serves; every one when there are none.
    pub queues: Vec<String>,
    /// How many runs it does at once.
    pub slots: usize,
    /// How often it looks into the table although nobody called.
    pub poll: Duration,
    /// How long it may take to finish when it is to stop.
    pub grace: Duration,
}

/// A worker that is entered in `remat.workers`.
pub struct Worker {
    remat: Remat,
    backend: Arc<dyn JobBackend>,
    settings: WorkerSettings,
    id: i64,
    held: Held,
    wake: Arc<Notify>,
    health: Health,
    /// Asks the queue.
    session: OwnSession,
    /// Who wants to hear of runs that ended.
    ended: Option<mpsc::Sender<i64>>,
}

impl Worker {
    /// Enters a worker. `wake` is rung by whoever enqueues in this process.
    pub async fn register(
        remat: &Remat,
        backend: Arc<dyn JobBackend>,
        settings: WorkerSettings,
        wake: Arc<Notify>,
    ) -> Result<Self, Error> {
        let registration = registration(backend.as_ref(), &settings);
        let id =
            remat.with_session(async |session| Ok(workers::register(session, &registration).await?)).await?;
        Ok(Self {
            remat: remat.clone(),
            session: OwnSession::new(remat),
            backend,
            settings,
            id,
            held: Held::default(),
            wake,
            health: Health::default(),
            ended: None,
        })
    }

    /// Says there that its loops turn.
    #[must_use]
    pub fn watched_by(mut self, health: &Health) -> Self {
        self.health = health.clone();
        self
    }

    /// Tells there the id of each run that it has ended. Nobody waits for whoever does not listen.
    pub(crate) fn tell_ends(&mut self, ended: mpsc::Sender<i64>) {
        self.ended = Some(ended);
    }

    /// Its row, and what it holds.
    pub fn identity(&self) -> (i64, Held) {
        (self.id, self.held.clone())
    }

    /// Works until it is to stop. Fails when the database was migrated to something that this program does not
    /// understand; it has finished its work then, too.
    pub async fn run(self, stop: watch::Receiver<Stop>) -> Result<(), Error> {
        let (ear, end) = Ear::new();
        let reached = end.reached.clone();
        let outdated = Notify::new();
        let pulse = self.health.pulse("worker");
        let now = Instant::now();
        let mut crew = Crew {
            worker: &self,
            running: JoinSet::new(),
            end,
            pulse,
            look_at: now,
            looked: now,
            more_waits: false,
        };
        let result = tokio::select! {
            () = crew.work(stop.clone()) => Ok(()),
            () = outdated.notified() => Err(migrate::outdated()),
            never = self.listen(&ear, &reached) => match never {},
            never = self.listen_to_sql(ear.beside()) => match never {},
            never = self.beat(State::Running, &reached, &outdated) => match never {},
        };
        let _ = crew.end.state.send(EarState::Closed);
        tokio::select! {
            () = crew.drain(stop) => {}
            never = self.beat(State::Draining, &reached, &outdated) => match never {},
        }
        let left = self.remat.with_session(async |session| Ok(workers::leave(session, self.id).await?));
        if let Err(error) = within(ANSWER, left).await {
            tracing::debug!(%error, "the worker could not be taken out");
        }
        result
    }

    /// Listens for as long as the worker works, again after each failure.
    async fn listen(&self, ear: &Ear, reached: &watch::Sender<bool>) -> std::convert::Infallible {
        let mut pause = LISTEN_AGAIN.0;
        loop {
            let began = Instant::now();
            let ended = self.backend.listen(&self.settings.queues, ear).await;
            reached.send_replace(false);
            if began.elapsed() > LISTEN_AGAIN.1 {
                pause = LISTEN_AGAIN.0;
            }
            if let Err(error) = ended {
                let backend = self.backend.kind();
                tracing::warn!(backend, %error, "the back end does not wake this worker; it polls until it does");
            }
            sleep(pause).await;
            pause = (pause * 2).min(LISTEN_AGAIN.1);
        }
    }

    /// Whoever enqueues from SQL tells the database alone, so a worker with a broker listens there as well. It is as well
    /// off as the broker makes it where that fails: behind a pooler it does.
    async fn listen_to_sql(&self, ear: Ear) -> std::convert::Infallible {
        if matches!(self.backend.kind(), "postgres" | "inline") {
            return std::future::pending().await;
        }
        let database = PostgresBackend::new(&self.remat);
        loop {
            if let Err(error) = database.listen(&self.settings.queues, &ear).await {
                tracing::debug!(%error, "runs enqueued from SQL do not wake this worker; it polls for them");
            }
            sleep(LISTEN_AGAIN.1).await;
        }
    }

    /// Says that the worker lives, and does what the answer asks for.
    async fn beat(
        &self,
        state: State,
        reached: &watch::Sender<bool>,
        outdated: &Notify,
    ) -> std::convert::Infallible {
        let pulse = self.health.pulse("heartbeat");
        loop {
            pulse.back_within(HEARTBEAT + ANSWER * 3);
            let state = match (state, *reached.borrow()) {
                (State::Running, false) => State::Polling,
                (state, _) => state,
            };
            let pulse = self.remat.with_session(async |session| {
                Ok(workers::beat(session, self.id, state, migrate::newest()).await?)
            });
            match within(ANSWER, pulse).await {
                Ok(pulse) => {
                    for run_id in &pulse.cancel {
                        self.remat.cancel_here(*run_id).await;
                    }
                    if !pulse.registered {
                        self.enter_again().await;
                    }
                    if pulse.outdated {
                        outdated.notify_one();
                    }
                }
                Err(error) => tracing::debug!(%error, "a heartbeat failed"),
            }
            sleep(HEARTBEAT).await;
        }
    }

    /// Somebody took the worker for dead: a machine that slept, or a backup that was restored.
    async fn enter_again(&self) {
        let registration = registration(self.backend.as_ref(), &self.settings);
        let entered = self
            .remat
            .with_session(async |session| Ok(workers::enter(session, self.id, &registration).await?))
            .await;
        if let Err(error) = entered {
            tracing::debug!(%error, "the worker could not be entered again");
        }
    }

    /// How long until it is worth while to look again although nobody calls.
    async fn rest(&self) -> Duration {
        let due = self.session.with(async |session| Ok(queue::until_next_due(session).await?));
        match within(ANSWER, due).await {
            Ok(Some(due)) => due.min(self.settings.poll).max(Duration::from_millis(1)),
            _ => self.settings.poll,
        }
    }

    async fn claim(&self, slots: usize) -> Result<Vec<Claim>, Error> {
        let claimed = self
            .session
            .with(async |session| Ok(queue::claim(session, self.id, &self.settings.queues, slots).await?));
        within(ANSWER, claimed).await
    }

    /// Gives what was asked for in another job system's words a row. No verdict means that the message must come again.
    async fn take(&self, heard: &Heard) -> Option<Verdict> {
        let Heard::Request(request) = heard else { return Some(Verdict::Safe) };
        let enqueued = self.remat.enqueue_request(request, Trigger::Api, self.backend.kind());
        match within(ANSWER, enqueued).await {
            Ok(_) => Some(Verdict::Safe),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidDefinition | ErrorKind::NotFound) => {
                tracing::error!(job = request.job, key = request.key, %error, "a request cannot be done");
                Some(Verdict::Refused(error.complaint().primary.clone()))
            }
            Err(error) => {
                tracing::debug!(key = request.key, %error, "a request could not be written");
                None
            }
        }
    }
}

/// A worker at work.
struct Crew<'a> {
    worker: &'a Worker,
    running: JoinSet<()>,
    end: EarEnd,
    pulse: Pulse,
    /// When it looks into the table next, and when it did so last.
    look_at: Instant,
    looked: Instant,
    /// Whether the last look found as much as there was room for.
    more_waits: bool,
}

impl Crew<'_> {
    async fn work(&mut self, mut stop: watch::Receiver<Stop>) {
        loop {
            self.gather();
            if self.free() > 0 && self.look_at <= Instant::now() {
                self.look().await;
            }
            let free = self.free() > 0;
            let state = if free { EarState::Open } else { EarState::Busy };
            self.end.state.send_if_modified(|now| std::mem::replace(now, state) != state);
            // A full crew waits for its runs, however long they take.
            if free {
                self.pulse.back_within(self.worker.settings.poll + ANSWER * 3);
            } else {
                self.pulse.waits();
            }
            tokio::select! {
                () = told(&mut stop, Stop::Drain) => return,
                Some(finished) = self.running.join_next(), if !self.running.is_empty() => {
                    tell_broken(&finished);
                    self.look_soon();
                }
                Some((heard, word)) = self.end.heard.recv(), if free => {
                    if let Some(verdict) = self.worker.take(&heard).await {
                        // The back end may have lost its connection meanwhile; it will bring the message again.
                        let _ = word.send(verdict);
                    }
                    self.look_soon();
                }
                () = self.worker.wake.notified() => self.look_soon(),
                () = sleep_until(self.look_at), if free => {}
            }
        }
    }

    fn free(&self) -> usize {
        self.worker.settings.slots.saturating_sub(self.running.len())
    }

    /// Counts out what else has finished, so that one claim fills all their places.
    fn gather(&mut self) {
        while let Some(finished) = self.running.try_join_next() {
            tell_broken(&finished);
            self.look_soon();
        }
    }

    /// Something may wait. Where more waited than there was room for, half a crew that rests is reason enough to look at
    /// once.
    fn look_soon(&mut self) {
        let rests = self.free() * 2 >= self.worker.settings.slots;
        let soon = if self.more_waits && rests { Instant::now() } else { self.looked + LOOKS_APART };
        self.look_at = self.look_at.min(soon);
    }

    /// Claims what there is room for.
    async fn look(&mut self) {
        let free = self.free();
        let claimed = self.worker.claim(free).await;
        self.more_waits = claimed.as_ref().is_ok_and(|claims| claims.len() == free);
        let rest = match claimed {
            Ok(claims) if claims.is_empty() => self.worker.rest().await,
            Ok(claims) => {
                for claim in claims {
                    self.begin(claim);
                }
                LOOK_AGAIN
            }
            Err(error) => {
                tracing::debug!(%error, "nothing could be claimed");
                Duration::from_secs(1)
            }
        };
        self.looked = Instant::now();
        self.look_at = self.looked + rest;
    }

    fn begin(&mut self, claim: Claim) {
        let remat = self.worker.remat.clone();
        let holding = self.worker.held.hold(claim.lease.run_id);
        let listens = self.worker.ended.clone();
        self.running.spawn(async move {
            let run_id = claim.lease.run_id;
            match claimed::perform(&remat, &claim).await {
                Ok(ended) => {
                    tell(&claim, &ended);
                    if let Some(listens) = listens {
                        let _ = listens.try_send(run_id);
                    }
                }
                Err(error) => tracing::warn!(run_id, %error, "the end of a run is not known yet"),
            }
            drop(holding);
        });
    }

    /// Finishes what is at work; cancels it when that takes longer than the grace, or when somebody says so.
    async fn drain(&mut self, mut stop: watch::Receiver<Stop>) {
        let grace = self.worker.settings.grace;
        self.pulse.waits();
        tokio::select! {
            () = self.finish() => return,
            () = sleep(grace) => {}
            () = told(&mut stop, Stop::Cancel) => {}
        }
        self.worker.remat.set_stopping();
        let runs = self.running.len();
        tracing::warn!(runs, "cancelling at the server what is at work; it is enqueued again");
        loop {
            self.worker.remat.cancel_all().await;
            tokio::select! {
                () = self.finish() => return,
                () = sleep(CANCEL_AGAIN) => {}
            }
        }
    }

    async fn finish(&mut self) {
        while let Some(finished) = self.running.join_next().await {
            tell_broken(&finished);
        }
    }
}

/// What the worker says of itself.
fn registration(backend: &dyn JobBackend, settings: &WorkerSettings) -> Registration {
    Registration {
        name: settings.name.clone(),
        backend: backend.kind().to_owned(),
        queues: settings.queues.clone(),
        slots: settings.slots,
    }
}

fn tell_broken(finished: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = finished {
        tracing::error!(%error, "a run broke off; the rescuer will find out how it ended");
    }
}

fn tell(claim: &Claim, ended: &Ended) {
    let (id, operation, status) = (claim.lease.run_id, claim.operation.as_str(), ended.status.as_str());
    let (view, job) = (ended.view.as_ref().map(ToString::to_string), claim.job_name.as_deref());
    let (duration_ms, error) = (ended.duration_ms, ended.error.as_deref());
    tracing::info!(run = id, operation, view, job, status, duration_ms, error, "a run ended");
}
