//! The face of the library.
//!
//! Law: a [`Remat`] is cheap to clone and safe to share. Every method does one thing that the command line, the API and
//! a program may ask for; none of them prints.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{
    builder::Builder,
    compare::{self, Benchmark, Verification},
    error::{Error, ErrorKind},
    failure::FailureKind,
    migrate,
    name::RelationName,
    operation::{self, Asked, CreateOptions, DeleteOptions, RefreshOptions},
    pg::{Canceller, Session, Target, catalog},
    run::{Run, Status, Trigger},
    status::{self, ViewStatus},
    store::{
        events::{self, Event},
        jobs::{self, ScheduledJob},
        retention::{self, Position, Pruned, Retention},
        runs::{self, Filter},
        stats::{self, ViewStats},
        views,
    },
    view::{Definition, Pause, View},
};

/// remat on one database.
#[derive(Clone)]
pub struct Remat {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    idle: Mutex<Vec<Session>>,
    idle_sessions: usize,
    working: Mutex<HashMap<u64, Canceller>>,
    tickets: AtomicU64,
    at_work: Mutex<HashMap<i64, Canceller>>,
    stopping: AtomicBool,
    source: &'static str,
}

/// Keeps a session in the list of those that [`Remat::cancel_all`] reaches.
pub(crate) struct Cancellable {
    shared: Arc<Shared>,
    ticket: u64,
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        lock(&self.shared.working).remove(&self.ticket);
    }
}

/// Keeps a run in the list of those that [`Remat::cancel_here`] reaches.
pub(crate) struct AtWork {
    shared: Arc<Shared>,
    run_id: i64,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        lock(&self.shared.at_work).remove(&self.run_id);
    }
}

impl Remat {
    /// Says which database and in whose name, before [`Builder::connect`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Connects with the defaults of [`Remat::builder`]. The tables of remat need not exist yet; see
    /// [`Remat::migrate`] and [`Remat::check_schema`].
    pub async fn connect(target: Target) -> Result<Self, Error> {
        Self::builder().target(target).connect().await
    }

    pub(crate) async fn start(
        target: Target,
        source: &'static str,
        idle_sessions: usize,
    ) -> Result<Self, Error> {
        let first = target.connect().await?;
        let shared = Shared {
            target,
            idle: Mutex::new(vec![first]),
            idle_sessions,
            working: Mutex::default(),
            tickets: AtomicU64::default(),
            at_work: Mutex::default(),
            stopping: AtomicBool::default(),
            source,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The database, without its password.
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// An idle session, or a new one.
    pub async fn session(&self) -> Result<Session, Error> {
        let idle = lock(&self.shared.idle).pop().filter(serves_again);
        match idle {
            Some(session) => Ok(session),
            None => self.shared.target.connect().await,
        }
    }

    /// Keeps a session for the next caller. It must be outside any transaction, with nothing set that outlives one.
    pub fn give_back(&self, session: Session) {
        let mut idle = lock(&self.shared.idle);
        if idle.len() < self.shared.idle_sessions && serves_again(&session) {
            idle.push(session);
        }
    }

    /// Who acts, for the audit.
    pub(crate) fn source(&self) -> &'static str {
        self.shared.source
    }

    pub(crate) fn cancellable(&self, session: &Session) -> Cancellable {
        let ticket = self.shared.tickets.fetch_add(1, Ordering::Relaxed);
        lock(&self.shared.working).insert(ticket, session.canceller());
        Cancellable { shared: Arc::clone(&self.shared), ticket }
    }

    /// Cancels the operations of this `Remat` and its clones. Their runs end as `cancelled`, unless one has committed
    /// already. What begins afterwards is not touched.
    pub async fn cancel_all(&self) {
        let working: Vec<_> = lock(&self.shared.working).values().cloned().collect();
        for canceller in working {
            if let Err(error) = canceller.cancel().await {
                tracing::warn!(%error, "a cancel request did not reach the server");
            }
        }
    }

    pub(crate) fn at_work(&self, run_id: i64, session: &Session) -> AtWork {
        lock(&self.shared.at_work).insert(run_id, session.canceller());
        AtWork { shared: Arc::clone(&self.shared), run_id }
    }

    /// Cancels a run that this process works on; false when it does not.
    pub(crate) async fn cancel_here(&self, run_id: i64) -> bool {
        let canceller = lock(&self.shared.at_work).get(&run_id).cloned();
        let Some(canceller) = canceller else { return false };
        if let Err(error) = canceller.cancel().await {
            tracing::warn!(run_id, %error, "a cancel request did not reach the server");
        }
        true
    }

    /// From now on a claimed run that is cancelled here is enqueued again: it was stopped with its worker.
    pub(crate) fn set_stopping(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
    }

    /// True once a worker of this process that was told to stop has cancelled what it had at work.
    pub fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::SeqCst)
    }

    /// Makes or updates remat's own tables; gives the names of the migrations that it applied.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        self.with_session(async |session| migrate::migrate(session).await).await
    }

    /// The SQL that [`Remat::migrate`] would run.
    pub async fn migration_sql(&self) -> Result<String, Error> {
        self.with_session(async |session| migrate::pending_sql(session).await).await
    }

    /// Refuses tables that are missing, too old or too new, and ends runs whose session was lost, where the role may.
    pub async fn check_schema(&self) -> Result<(), Error> {
        self.with_session(async |session| {
            migrate::check(session).await?;
            match runs::resolve_lost(session, None, &[]).await {
                // Who may only read, on a standby or by privilege, leaves them to others.
                Err(failure)
                    if matches!(failure.kind, FailureKind::ReadOnly | FailureKind::PermissionDenied) =>
                {
                    Ok(())
                }
                resolved => resolved.map(drop).map_err(Error::from),
            }
        })
        .await
    }

    /// Keeps a definition. Nothing is created yet; see [`Remat::create`].
    pub async fn define(&self, definition: &Definition) -> Result<View, Error> {
        crate::view::validate(definition)?;
        self.with_session(async |session| views::save(session, definition, None).await).await
    }

    /// Every view by name.
    pub async fn views(&self) -> Result<Vec<View>, Error> {
        self.with_session(async |session| views::all(session).await).await
    }

    /// One view.
    pub async fn view(&self, name: &RelationName) -> Result<View, Error> {
        self.with_session(async |session| views::get(session, name).await).await
    }

    /// Makes the relation of a view. The run tells how it went.
    ///
    /// ```
    /// # use remat::{Remat, error::Error, name::RelationName, operation::*, pg::Target, run::Status, view::*};
    /// # async fn example(remat: Remat, view: View) -> Result<(), Error> {
    /// let run = remat.create(&view, CreateOptions { no_data: true, ..CreateOptions::default() }).await?;
    /// assert_eq!(run.status, Status::Success);
    /// let again = remat.create(&view, CreateOptions { if_not_exists: true, ..CreateOptions::default() }).await?;
    /// assert_eq!(again.reason.as_deref(), Some("already_exists"));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// #     let db = remat_testkit::TestDb::create().await;
    /// #     let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    /// #     remat.migrate().await.unwrap();
    /// #     let name = RelationName::new("public", "numbers").unwrap();
    /// #     let view = Definition::new(name, "select n from generate_series(1, 3) n");
    /// #     let view = remat.define(&view).await.unwrap();
    /// #     example(remat, view).await.unwrap();
    /// # });
    /// ```
    pub async fn create(&self, view: &View, options: CreateOptions) -> Result<Run, Error> {
        let run = operation::create::create(self, view.id, options, Asked::Now(Trigger::Manual)).await?;
        self.audited(run, view).await
    }

    /// Brings a view up to date. The run tells how it went.
    ///
    /// ```
    /// # use remat::{Remat, error::Error, name::RelationName, operation::*, pg::Target, run::Status, view::*};
    /// # async fn example(remat: Remat, view: View) -> Result<(), Error> {
    /// let run = remat.refresh(&view, RefreshOptions { strategy: Some(Strategy::Swap), ..RefreshOptions::default() }).await?;
    /// run.check()?;
    /// assert_eq!((run.strategy.as_deref(), run.rows_after), (Some("swap"), Some(3)));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// #     let db = remat_testkit::TestDb::create().await;
    /// #     let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    /// #     remat.migrate().await.unwrap();
    /// #     let name = RelationName::new("public", "numbers").unwrap();
    /// #     let view = Definition::new(name, "select n from generate_series(1, 3) n");
    /// #     let view = remat.define(&view).await.unwrap();
    /// #     remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    /// #     example(remat, view).await.unwrap();
    /// # });
    /// ```
    pub async fn refresh(&self, view: &View, options: RefreshOptions) -> Result<Run, Error> {
        operation::refresh::refresh(self, view.id, options, Asked::Now(Trigger::Manual)).await
    }

    /// Drops the relation of a view; its definition and runs stay. The run tells how it went.
    ///
    /// ```
    /// # use remat::{Remat, error::Error, name::RelationName, operation::*, pg::Target, run::Status, view::*};
    /// # async fn example(remat: Remat, view: View) -> Result<(), Error> {
    /// remat.delete(&view, DeleteOptions::default()).await?.check()?;
    /// let run = remat.delete(&view, DeleteOptions { if_exists: true, ..DeleteOptions::default() }).await?;
    /// assert_eq!(run.reason.as_deref(), Some("does_not_exist"));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// #     let db = remat_testkit::TestDb::create().await;
    /// #     let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    /// #     remat.migrate().await.unwrap();
    /// #     let name = RelationName::new("public", "numbers").unwrap();
    /// #     let view = Definition::new(name, "select n from generate_series(1, 3) n");
    /// #     let view = remat.define(&view).await.unwrap();
    /// #     remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    /// #     example(remat, view).await.unwrap();
    /// # });
    /// ```
    pub async fn delete(&self, view: &View, options: DeleteOptions) -> Result<Run, Error> {
        let run = operation::delete::delete(self, view.id, options, Asked::Now(Trigger::Manual)).await?;
        self.audited(run, view).await
    }

    /// Takes a view out of every list, after its relation was deleted. Its runs stay.
    pub async fn retire(&self, view: &View) -> Result<(), Error> {
        self.with_session(async |session| {
            views::retire(session, view.id).await?;
            self.note(session, "retire", view.id, None, None).await
        })
        .await
    }

    /// How fresh every view is.
    ///
    /// ```
    /// # use remat::{Remat, error::Error, name::RelationName, operation::*, pg::Target, run::Status, view::*};
    /// # async fn example(remat: Remat, view: View) -> Result<(), Error> {
    /// let views = remat.status().await?;
    /// assert!(views[0].data_as_of.is_some());
    /// assert!(!views[0].state.is_bad());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// #     let db = remat_testkit::TestDb::create().await;
    /// #     let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    /// #     remat.migrate().await.unwrap();
    /// #     let name = RelationName::new("public", "numbers").unwrap();
    /// #     let view = Definition::new(name, "select n from generate_series(1, 3) n");
    /// #     let view = remat.define(&view).await.unwrap();
    /// #     remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    /// #     example(remat, view).await.unwrap();
    /// # });
    /// ```
    pub async fn status(&self) -> Result<Vec<ViewStatus>, Error> {
        self.with_session(async |session| status::read(session).await).await
    }

    /// Runs, the newest first.
    pub async fn runs(&self, filter: &Filter) -> Result<Vec<Run>, Error> {
        self.with_session(async |session| runs::list(session, filter).await).await
    }

    /// One run.
    pub async fn run(&self, id: i64) -> Result<Run, Error> {
        self.with_session(async |session| runs::get(session, id).await).await
    }

    /// Puts views in an order in which each comes after those that it reads.
    pub async fn refresh_order(&self, views: Vec<View>) -> Result<Vec<View>, Error> {
        let ids: Vec<i64> = views.iter().map(|view| view.id).collect();
        let order = self.with_session(async |session| Ok(views::refresh_order(session, &ids).await?)).await?;
        let mut by_id: HashMap<i64, View> = views.into_iter().map(|view| (view.id, view)).collect();
        Ok(order.iter().filter_map(|id| by_id.remove(id)).collect())
    }

    /// Deletes what `retention` does not keep, in steps that are short transactions. `progress` hears after each how much
    /// has gone so far. Where very much went, the table is vacuumed at the end. A service takes one step at a time with [`retention::prune_step`].
    pub async fn prune(
        &self,
        retention: &Retention,
        mut progress: impl FnMut(&Pruned) + Send,
    ) -> Result<Pruned, Error> {
        self.with_session(async |session| {
            let (mut gone, mut place) = (Pruned::default(), Some(Position::default()));
            while let Some(position) = place {
                let (pruned, next) = retention::prune_step(session, retention, &position).await?;
                gone += pruned;
                place = next;
                progress(&gone);
            }
            if gone.runs >= retention::MANY {
                retention::vacuum(session).await?;
            }
            Ok(gone)
        })
        .await
    }

    /// What refreshes cost and how often they fail.
    pub async fn stats(&self) -> Result<Vec<ViewStats>, Error> {
        self.with_session(async |session| stats::all(session).await).await
    }

    /// What deleting a view with `cascade` would take along, as `type identity`.
    pub async fn dependents(&self, view: &View) -> Result<Vec<String>, Error> {
        self.with_session(async |session| {
            match catalog::relation_named(session, &view.definition.name).await? {
                Some(relation) => Ok(catalog::dependents(session, relation.oid).await?),
                None => Ok(Vec::new()),
            }
        })
        .await
    }

    /// Compares a view's contents with its query, both ways, in one snapshot.
    ///
    /// ```
    /// # use remat::{Remat, error::Error, name::RelationName, operation::*, pg::Target, run::Status, view::*};
    /// # async fn example(remat: Remat, view: View) -> Result<(), Error> {
    /// let verification = remat.verify(&view).await?;
    /// assert!(verification.equal, "{} rows are missing", verification.missing);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// #     let db = remat_testkit::TestDb::create().await;
    /// #     let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    /// #     remat.migrate().await.unwrap();
    /// #     let name = RelationName::new("public", "numbers").unwrap();
    /// #     let view = Definition::new(name, "select n from generate_series(1, 3) n");
    /// #     let view = remat.define(&view).await.unwrap();
    /// #     remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    /// #     example(remat, view).await.unwrap();
    /// # });
    /// ```
    pub async fn verify(&self, view: &View) -> Result<Verification, Error> {
        self.with_session(async |session| {
            let _cancellable = self.cancellable(session);
            compare::verify(session, view).await
        })
        .await
    }

    /// Times the query against reading the view, and checks that both give the same rows.
    pub async fn bench(&self, view: &View, repeats: usize) -> Result<Benchmark, Error> {
        self.with_session(async |session| {
            let _cancellable = self.cancellable(session);
            compare::bench(session, view, repeats).await
        })
        .await
    }

    /// Stops refreshing a view until it is resumed or the pause ends by itself.
    pub async fn pause(&self, view: &View, pause: &Pause) -> Result<(), Error> {
        self.with_session(async |session| {
            views::set_pause(session, view.id, Some(pause)).await?;
            self.note(session, "pause", view.id, None, serde_json::to_value(pause).ok()).await
        })
        .await
    }

    /// Ends a pause.
    pub async fn resume(&self, view: &View) -> Result<(), Error> {
        self.with_session(async |session| {
            views::set_pause(session, view.id, None).await?;
            self.note(session, "resume", view.id, serde_json::to_value(&view.pause).ok(), None).await
        })
        .await
    }

    /// Every scheduled job by name.
    pub async fn jobs(&self) -> Result<Vec<ScheduledJob>, Error> {
        self.with_session(async |session| jobs::all(session).await).await
    }

    pub(crate) async fn note(
        &self,
        session: &Session,
        action: &str,
        view_id: i64,
        before: Option<serde_json::Value>,
        after: Option<serde_json::Value>,
    ) -> Result<(), Error> {
        let event =
            Event { source: self.shared.source, action, view_id: Some(view_id), run_id: None, before, after };
        Ok(events::record(session, &event).await?)
    }

    /// Leaves a run that a person asked for in the audit, if it changed something.
    async fn audited(&self, run: Run, view: &View) -> Result<Run, Error> {
        if run.status == Status::Success {
            let (source, action, view_id) = (self.shared.source, run.operation.as_str(), Some(view.id));
            let event = Event { source, action, view_id, run_id: Some(run.id), ..Event::default() };
            self.with_session(async |session| Ok(events::record(session, &event).await?)).await?;
        }
        Ok(run)
    }

    /// Lends a session outside any transaction; it is dropped, not given back, when the server refused something.
    pub(crate) async fn with_session<T, W>(&self, work: W) -> Result<T, Error>
    where
        W: AsyncFnOnce(&Session) -> Result<T, Error>,
    {
        let session = self.session().await?;
        let result = work(&session).await;
        if result.as_ref().err().is_none_or(leaves_session_whole) {
            self.give_back(session);
        }
        result
    }
}

fn serves_again(session: &Session) -> bool {
    !session.is_closed() && !session.is_cancelled()
}

/// What remat itself found, when no statement had failed.
fn leaves_session_whole(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidDefinition | ErrorKind::NeedsConfirmation)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
