//! What a person or a probe asks of the queue, its workers and the clock.
//!
//! Law: these read and change nothing, but for [`Remat::skip_downstream_of`], which records that nothing was tried.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    Remat,
    compare::{self, Verification},
    error::Error,
    maintain::{self, Explanation},
    migrate,
    name::RelationName,
    operation::group::skip_downstream,
    run::{Operation, Run, Trigger},
    schedule::misfire,
    store::{
        backlog::{self, Backlog},
        fires::{self, LastFire, Subject, Timing},
        queue::Reach,
        runs,
        views::{self, Version},
        workers::{self, WorkerRow},
    },
    view::View,
};

impl Remat {
    /// The database answers, and remat's tables are this program's. Changes nothing; see [`Remat::check_schema`].
    pub async fn is_ready(&self) -> Result<(), Error> {
        self.with_session(async |session| migrate::check(session).await).await
    }

    /// Every process that claims runs, with what it works on.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, Error> {
        self.with_session(async |session| workers::all(session).await).await
    }

    /// What waits and works in which queue.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        self.with_session(async |session| Ok(backlog::read(session).await?)).await
    }

    /// How the newest nominal time of each scheduled job and view was dealt with.
    pub async fn last_fires(&self) -> Result<HashMap<Subject, LastFire>, Error> {
        let fires = self.with_session(async |session| fires::last(session).await).await?;
        Ok(fires.into_iter().collect())
    }

    /// When the freshness targets of views without a schedule ask for their next refreshes, by view id; a time that has
    /// passed means at once.
    pub async fn lag_due(&self) -> Result<BTreeMap<i64, Timestamp>, Error> {
        let (now, sources) = self.with_session(async |session| Ok(fires::sources(session).await?)).await?;
        let seconds = |number: i64| Duration::from_secs(u64::try_from(number).unwrap_or_default());
        let due = sources.into_iter().filter_map(|source| match (source.subject, source.timing) {
            (Subject::View(id), Timing::Lag { target_s, data_as_of: Some(as_of), usual_ms }) => {
                let usual = Duration::from_millis(u64::try_from(usual_ms).unwrap_or_default());
                Some((id, misfire::lag_due(Some(as_of), seconds(target_s), usual)))
            }
            (Subject::View(id), Timing::Lag { data_as_of: None, .. }) => Some((id, now)),
            _ => None,
        });
        Ok(due.collect())
    }

    /// Tells how a view follows the changes of what it reads, or why it does not. Changes nothing.
    ///
    /// ```
    /// # use remat::{Remat, error::Error, name::RelationName, operation::*, pg::Target, view::*};
    /// # async fn example(remat: Remat, view: View) -> Result<(), Error> {
    /// let explanation = remat.explain(&view).await?;
    /// let refusal = explanation.refusal.expect("a function makes the rows");
    /// assert!(!explanation.incremental && refusal.code.starts_with('R'));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// #     let db = remat_testkit::TestDb::create().await;
    /// #     let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    /// #     remat.migrate().await.unwrap();
    /// #     let name = RelationName::new("public", "numbers").unwrap();
    /// #     let view = Definition::new(name, "select random() as n");
    /// #     let view = remat.define(&view).await.unwrap();
    /// #     remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    /// #     example(remat, view).await.unwrap();
    /// # });
    /// ```
    pub async fn explain(&self, view: &View) -> Result<Explanation, Error> {
        self.with_session(async |session| {
            let _cancellable = self.cancellable(session);
            maintain::explain(session, view).await
        })
        .await
    }

    /// These views and, as far as asked for, all that they read and all that read them, in the order in which they read
    /// each other.
    pub async fn with_reach(&self, views: Vec<View>, reach: Reach) -> Result<Vec<View>, Error> {
        let reads = self.reads().await?;
        let named: Vec<_> = views.iter().map(|view| view.definition.name.clone()).collect();
        let reads_of = |reader: &RelationName, read: &RelationName| {
            reads.get(reader).is_some_and(|all| all.contains(read))
        };
        let mut wanted = self.views().await?;
        wanted.retain(|view| {
            let name = &view.definition.name;
            named.contains(name)
                || (reach.upstream && named.iter().any(|named| reads_of(named, name)))
                || (reach.downstream && named.iter().any(|named| reads_of(name, named)))
        });
        self.refresh_order(wanted).await
    }

    /// Compares a view's contents with its query as [`Remat::verify`] does, for somebody who does not wait for ever: none when it took longer, and was cancelled.
    pub async fn verify_within(&self, view: &View, limit: Duration) -> Result<Option<Verification>, Error> {
        self.with_session(async |session| {
            let _cancellable = self.cancellable(session);
            match tokio::time::timeout(limit, compare::verify(session, view)).await {
                Ok(compared) => compared.map(Some),
                Err(_) => session.canceller().cancel().await.map(|()| None),
            }
        })
        .await
    }

    /// The definitions that a view has had, the newest first: those before version `before`, at most `limit`.
    pub async fn versions(
        &self,
        view: &View,
        before: Option<i32>,
        limit: i64,
    ) -> Result<Vec<Version>, Error> {
        self.with_session(async |session| Ok(views::versions(session, view.id, before, limit).await?)).await
    }

    /// Which views read which others, directly or through others.
    pub async fn reads(&self) -> Result<BTreeMap<RelationName, Vec<RelationName>>, Error> {
        self.with_session(async |session| views::reads(session).await).await
    }

    /// Records that a view was not refreshed because a run of one that it reads has failed.
    pub async fn skip_downstream_of(&self, root_cause: i64, view: &View) -> Result<Run, Error> {
        self.with_session(async |session| {
            let lease = runs::open(session, view.id, Operation::Refresh, Trigger::Manual).await?;
            skip_downstream(session, lease, root_cause).await?;
            runs::get(session, lease.run_id).await
        })
        .await
    }
}
