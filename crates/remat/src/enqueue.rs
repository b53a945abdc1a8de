//! Asking for runs, waiting for them, and cancelling them.
//!
//! Law: the run is in the table before anybody is told of it. A back end that does not answer loses nothing: workers look
//! into the table as well.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    Remat,
    backend::{JobBackend, Request},
    error::{Error, ErrorKind},
    job::{Job, JobKind, ViewRef},
    name::RelationName,
    operation::{self, RefreshOptions},
    run::{Run, Trigger},
    store::{
        fires::{self, Fire, Subject},
        jobs,
        queue::{self, Enqueued, Order, Reach},
        runs, views,
    },
    view::View,
};

impl Remat {
    /// Enqueues a job in the mission's form: which job, in which queue, and its arguments, the view first. The run waits in
    /// the table from the moment that this returns, and the back end is told. With the `inline` back end it is done when this
    /// returns.
    ///
    /// A refresh that is asked for while one waits joins it and gets its id.
    pub async fn enqueue(
        &self,
        backend: &dyn JobBackend,
        job: JobKind,
        queue: Option<&str>,
        arguments: &[Value],
    ) -> Result<Enqueued, Error> {
        let (view, job) = Job::from_arguments(job, arguments)?;
        let view = self.referred(&view).await?;
        self.enqueue_job(backend, &view, job, queue, Trigger::Manual).await
    }

    /// Enqueues a job that is typed already.
    pub async fn enqueue_job(
        &self,
        backend: &dyn JobBackend,
        view: &View,
        job: Job,
        queue: Option<&str>,
        trigger: Trigger,
    ) -> Result<Enqueued, Error> {
        let order = Self::order(view, job, queue, trigger, backend.kind());
        let enqueued =
            self.with_session(async |session| Ok(queue::enqueue(session, &order, false).await?)).await?;
        self.announce(backend, &[enqueued.run_id]).await?;
        Ok(enqueued)
    }

    /// Enqueues a job for somebody who has a name for the request: the same name again is the same run.
    pub async fn enqueue_named(
        &self,
        backend: &dyn JobBackend,
        view: &View,
        job: Job,
        queue: Option<&str>,
        (trigger, name): (Trigger, Option<&str>),
    ) -> Result<Enqueued, Error> {
        let mut order = Self::order(view, job, queue, trigger, backend.kind());
        order.request_key = name;
        let enqueued =
            self.with_session(async |session| Ok(queue::enqueue(session, &order, false).await?)).await?;
        self.announce(backend, &[enqueued.run_id]).await?;
        Ok(enqueued)
    }

    /// Lets a scheduled job do its work now, whether or not it is switched on, and gives the runs. Times of its schedule that
    /// have passed and were not dealt with yet are answered by this.
    pub async fn run_job(&self, backend: &dyn JobBackend, name: &str) -> Result<Vec<i64>, Error> {
        let subject = Subject::Job(name.to_owned());
        let kind = backend.kind();
        let runs = self
            .with_session(async |session| {
                let known = jobs::all(session).await?;
                if !known.iter().any(|job| job.name == name) {
                    return Err(Error::new(ErrorKind::NotFound, format!("job \"{name}\" is not known")));
                }
                let now = fires::now(session).await?;
                let fire =
                    Fire { subject: &subject, at: now, missed: 0, delay_ms: 0, skip: None, trigger: "api" };
                Ok(fires::fire(session, &[fire], kind).await?)
            })
            .await?;
        self.announce(backend, &runs).await?;
        Ok(runs)
    }

    /// Enqueues jobs of which some wait for others: each comes with the positions of earlier ones in the list, and is
    /// skipped when one of those fails.
    pub async fn enqueue_in_order(
        &self,
        backend: &dyn JobBackend,
        jobs: &[(View, Job, Vec<usize>)],
        queue: Option<&str>,
        trigger: Trigger,
    ) -> Result<Vec<Enqueued>, Error> {
        let mut enqueued: Vec<Enqueued> = Vec::with_capacity(jobs.len());
        for (view, job, after) in jobs {
            let mut order = Self::order(view, *job, queue, trigger, backend.kind());
            order.waits_for =
                after.iter().filter_map(|at| enqueued.get(*at)).map(|before| before.run_id).collect();
            let next = self.with_session(async |session| Ok(queue::enqueue(session, &order, false).await?));
            enqueued.push(next.await?);
        }
        let runs: Vec<i64> = enqueued.iter().map(|enqueued| enqueued.run_id).collect();
        self.announce(backend, &runs).await?;
        Ok(enqueued)
    }

    /// Enqueues a refresh of each view, in the order in which they read each other: each run waits for those of the views
    /// that it reads, and is skipped when one of them fails.
    pub async fn enqueue_views(
        &self,
        backend: &dyn JobBackend,
        views: &[View],
        reach: Reach,
        options: RefreshOptions,
        queue: Option<&str>,
    ) -> Result<Vec<(i64, Enqueued)>, Error> {
        self.enqueue_views_for(backend, views, reach, options, queue, Trigger::Manual).await
    }

    /// The same for somebody else than a person at a terminal.
    pub async fn enqueue_views_for(
        &self,
        backend: &dyn JobBackend,
        views: &[View],
        reach: Reach,
        options: RefreshOptions,
        queue: Option<&str>,
        trigger: Trigger,
    ) -> Result<Vec<(i64, Enqueued)>, Error> {
        let ids: Vec<i64> = views.iter().map(|view| view.id).collect();
        let arguments = Job::Refresh(options).to_json();
        let kind = backend.kind();
        let enqueued = self
            .with_session(async |session| {
                Ok(queue::enqueue_views(session, &ids, reach, &arguments, trigger, queue, kind).await?)
            })
            .await?;
        let runs: Vec<i64> = enqueued.iter().map(|(_, enqueued)| enqueued.run_id).collect();
        self.announce(backend, &runs).await?;
        Ok(enqueued)
    }

    /// Gives a request in another job system's words its run.
    pub(crate) async fn enqueue_request(
        &self,
        request: &Request,
        trigger: Trigger,
        backend: &str,
    ) -> Result<Enqueued, Error> {
        let kind = JobKind::parse_class(&request.job)?;
        let (view, job) = Job::from_arguments(kind, &request.arguments)?;
        let view = self.referred(&view).await?;
        let mut order = Self::order(&view, job, Some(&request.queue), trigger, backend);
        order.request_key = Some(&request.key);
        self.with_session(async |session| Ok(queue::enqueue(session, &order, false).await?)).await
    }

    fn order<'a>(
        view: &View,
        job: Job,
        queue: Option<&str>,
        trigger: Trigger,
        backend: &'a str,
    ) -> Order<'a> {
        let mut dispatch = view.definition.dispatch.clone();
        if let Some(queue) = queue {
            queue.clone_into(&mut dispatch.queue);
        }
        if backend == "inline" {
            // Whoever does it at once is told how it went, and decides.
            (dispatch.lock_retries, dispatch.work_retries) = (0, 0);
        }
        Order {
            operation: job.operation(),
            view_id: view.id,
            arguments: job.to_json(),
            trigger,
            dispatch,
            backend,
            request_key: None,
            waits_for: Vec::new(),
        }
    }

    /// Tells the back end; with `inline` does the runs instead.
    async fn announce(&self, backend: &dyn JobBackend, runs: &[i64]) -> Result<(), Error> {
        match backend.kind() {
            // Sent with the rows.
            "postgres" => Ok(()),
            "inline" => self.perform_now(runs).await,
            _ => {
                self.tell(backend, runs).await;
                Ok(())
            }
        }
    }

    /// Announces runs that are in the table. That it cannot be done loses nothing.
    pub(crate) async fn tell(&self, backend: &dyn JobBackend, runs: &[i64]) {
        let hints = self.with_session(async |session| Ok(queue::hints(session, runs).await?)).await;
        let announced = match hints {
            Ok(hints) => backend.announce(&hints).await,
            Err(error) => Err(error),
        };
        if let Err(error) = announced {
            tracing::warn!(%error, "runs could not be announced; workers find them when they look");
        }
    }

    /// Claims these runs and does them, one after the other. While somebody else is at the view, it waits for them.
    async fn perform_now(&self, runs: &[i64]) -> Result<(), Error> {
        for run_id in runs {
            while !self.run(*run_id).await?.status.is_final() {
                let claim =
                    self.with_session(async |session| Ok(queue::claim_one(session, *run_id).await?)).await?;
                match claim {
                    // How it went, its row tells.
                    Some(claim) => drop(operation::claimed::perform(self, &claim).await?),
                    None => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
        Ok(())
    }

    async fn referred(&self, view: &ViewRef) -> Result<View, Error> {
        match view {
            ViewRef::Id(id) => {
                let found = self.with_session(async |session| Ok(views::by_id(session, *id).await?)).await?;
                found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("view {id} is not known")))
            }
            ViewRef::Name(name) => self.view(&RelationName::parse(name, "public")?).await,
        }
    }

    /// Cancels a run: one that waits never begins, one that works is cancelled at the server. Gives the run once it has
    /// ended, or as it stands after `patience`.
    pub async fn cancel_run(&self, run_id: i64, patience: Duration) -> Result<Run, Error> {
        let began = Instant::now();
        loop {
            let run = self
                .with_session(async |session| {
                    queue::cancel(session, run_id).await?;
                    runs::get(session, run_id).await
                })
                .await?;
            // One that arrives between two statements cancels nothing: so it is repeated.
            if run.status.is_final() || began.elapsed() >= patience {
                return Ok(run);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a run and the attempts that follow it have ended, and gives the last.
    pub async fn wait_for_run(&self, run_id: i64) -> Result<Run, Error> {
        let mut run_id = run_id;
        let mut pause = Duration::from_millis(20);
        loop {
            let run = self.run(run_id).await?;
            match run.retried_by().or(run.coalesced_into()) {
                Some(next) => run_id = next,
                None if run.status.is_final() => return Ok(run),
                None => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
            }
        }
    }
}
