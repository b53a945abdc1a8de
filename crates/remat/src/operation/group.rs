//! Refreshes views that follow changes together: in one transaction, under one snapshot, with a run for each.
//!
//! Law: the contents of all of them are of one moment and are committed at once. A view whose work fails is taken back by
//! itself: the others go on, but for those that read it where they are refreshed for each other's sake. What ends the
//! transaction ends all of its runs alike: a run of a group cannot be cancelled without the others.
//!
//! A view that reads another one of its group sees what the transaction has made of it, and the changes in its log; so the state that
//! it stores covers what the transaction wrote before. See [`crate::store::captures::Snapshot`].

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use futures_util::future::{join, join_all, try_join_all};
use serde_json::json;

use super::{
    RefreshOptions,
    attempt::{Asked, Frame, begin, millis, pin, settle_failure, settle_skip},
    refresh::{Look, by_changes, look, refresh, vacuum_after},
    resolve,
};
use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    maintain::{self, Ready},
    name::{Identifier, RelationName},
    pg::{Session, lock::Sight},
    run::{Operation, Run, Status, Trigger},
    store::{
        runs::{self, Ending, Lease},
        views,
    },
    view::{Settings, View},
};

/// At most so many views share a transaction: each holds up what waits for the others.
const LARGEST: usize = 50;

/// Views that are refreshed for each other's sake: one whose source failed is not tried. The default knows of none: views that
/// were only named together are each tried.
#[derive(Debug, Default)]
pub struct Chain {
    reads: BTreeMap<RelationName, Vec<RelationName>>,
    failed: Mutex<Vec<(RelationName, i64)>>,
}

impl Chain {
    /// Which views read which others, directly or through others.
    pub fn new(reads: BTreeMap<RelationName, Vec<RelationName>>) -> Self {
        Self { reads, failed: Mutex::default() }
    }

    /// The run that failed of a view that this one reads.
    fn root_cause(&self, view: &RelationName) -> Option<i64> {
        let sources = self.reads.get(view)?;
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.iter().find(|(name, _)| sources.contains(name)).map(|(_, run)| *run)
    }

    fn note_failure(&self, view: &RelationName, run_id: i64) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).push((view.clone(), run_id));
    }

    fn note(&self, run: &Run) {
        if matches!(run.status, Status::Failed | Status::Cancelled | Status::Unknown)
            && let Some(view) = &run.view
        {
            self.note_failure(view, run.id);
        }
    }
}

impl Remat {
    /// Cuts views that come in [their order](Remat::refresh_order) where neighbours cannot be refreshed
    /// [together](Remat::refresh_group).
    pub async fn groups(&self, views: Vec<View>, options: RefreshOptions) -> Result<Vec<Vec<View>>, Error> {
        groups(self, views, options).await
    }

    /// Brings views up to date, in the order in which they come: those that they read first. If all of them follow changes and
    /// are filled (see [`Remat::groups`]), in one transaction and under one snapshot: their contents are of one moment, and a view
    /// that reads another one of them has its changes at once. Else one after the other.
    ///
    /// Each has a run that tells how it went. One that fails does not stop the rest, but for those that read it by `chain`.
    ///
    /// ```
    /// # use remat::{Remat, error::Error, name::RelationName, operation::*, pg::Target, view::*};
    /// # async fn example(remat: Remat, views: Vec<View>) -> Result<(), Error> {
    /// let options = RefreshOptions::default();
    /// for group in remat.groups(views, options).await? {
    ///     let runs = remat.refresh_group(&group, options, &Chain::default()).await?;
    ///     assert!(runs.windows(2).all(|pair| pair[0].data_as_of == pair[1].data_as_of));
    /// }
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
    /// #     example(remat, vec![view]).await.unwrap();
    /// # });
    /// ```
    pub async fn refresh_group(
        &self,
        views: &[View],
        options: RefreshOptions,
        chain: &Chain,
    ) -> Result<Vec<Run>, Error> {
        Box::pin(refresh_group(self, views, options, chain)).await
    }
}

/// Views in the order in which they were given, cut where neighbours cannot share a transaction: what follows changes and is
/// filled can, if nothing else is asked of it.
async fn groups(remat: &Remat, views: Vec<View>, options: RefreshOptions) -> Result<Vec<Vec<View>>, Error> {
    let ready = ready(remat, &views, options).await?;
    let mut groups: Vec<(bool, Vec<View>)> = Vec::new();
    for (view, ready) in views.into_iter().zip(ready) {
        match groups.last_mut() {
            Some((true, group)) if ready.is_some() && group.len() < LARGEST => group.push(view),
            _ => groups.push((ready.is_some(), vec![view])),
        }
    }
    Ok(groups.into_iter().map(|(_, group)| group).collect())
}

async fn ready(remat: &Remat, views: &[View], options: RefreshOptions) -> Result<Vec<Option<Ready>>, Error> {
    // To verify takes as long as the query.
    if options.strategy.is_some() || options.force || options.verify {
        return Ok(views.iter().map(|_| None).collect());
    }
    let ids: Vec<i64> = views.iter().map(|view| view.id).collect();
    remat.with_session(async |session| Ok(maintain::ready(session, &ids).await?)).await
}

/// Refreshes views, together if all of them can, else one after the other.
async fn refresh_group(
    remat: &Remat,
    views: &[View],
    options: RefreshOptions,
    chain: &Chain,
) -> Result<Vec<Run>, Error> {
    let ready: Option<Vec<Ready>> = match views {
        [] | [_] => None,
        _ => ready(remat, views, options).await?.into_iter().collect(),
    };
    let runs = match &ready {
        Some(ready) => Box::pin(together(remat, Group { views, ready, options, chain })).await?,
        None => Box::pin(in_turn(remat, views, options, chain)).await?,
    };
    let mut vacuumed = Vec::new();
    for run in runs {
        vacuumed.push(if ready.is_some() { vacuum_after(remat, run).await } else { run });
    }
    Ok(vacuumed)
}

async fn in_turn(
    remat: &Remat,
    views: &[View],
    options: RefreshOptions,
    chain: &Chain,
) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    for view in views {
        let run = match chain.root_cause(&view.definition.name) {
            Some(root_cause) => remat.skip_downstream_of(root_cause, view).await?,
            None => refresh(remat, view.id, options, ASKED).await?,
        };
        chain.note(&run);
        runs.push(run);
    }
    Ok(runs)
}

/// Groups are for those who ask and wait; a worker claims its runs one by one.
const ASKED: Asked<'static> = Asked::Now(Trigger::Manual);

#[derive(Clone, Copy)]
struct Group<'a> {
    views: &'a [View],
    ready: &'a [Ready],
    options: RefreshOptions,
    chain: &'a Chain,
}

/// What became of one view.
enum Ended {
    /// It is up to date once the transaction is committed.
    Success(Box<Ending>),
    /// There was nothing to try, for this reason.
    Skipped(&'static str),
    /// A view that it reads has failed, in this run.
    UpstreamFailed(i64),
    /// Its work was taken back.
    Failed(Failure),
}

async fn together(remat: &Remat, group: Group<'_>) -> Result<Vec<Run>, Error> {
    let session = remat.session().await?;
    let cancellable = remat.cancellable(&session);
    let ids: Vec<i64> = group.views.iter().map(|view| view.id).collect();
    let leases = runs::open_all(&session, &ids, Operation::Refresh, Trigger::Manual).await?;
    let at_work: Vec<_> = leases.iter().map(|lease| remat.at_work(lease.run_id, &session)).collect();
    let began = Instant::now();
    let ended = in_one_transaction(&session, group, &leases).await;
    drop((cancellable, at_work));
    let told = tell(&session, group, &leases, began, &ended).await;
    match told {
        Ok(runs) => {
            remat.give_back(session);
            Ok(runs)
        }
        Err(error) => {
            // First of all: while the session lives, so does its transaction.
            drop(session);
            let lost = ended.err().unwrap_or_else(|| error.into());
            let mut runs = Vec::new();
            for lease in leases {
                runs.push(resolve::outcome(remat, lease, ASKED, &lost).await?);
            }
            Ok(runs)
        }
    }
}

async fn in_one_transaction(
    session: &Session,
    group: Group<'_>,
    leases: &[Lease],
) -> Result<Vec<Ended>, Failure> {
    let runs: Vec<_> = leases.iter().zip(group.views).map(|(lease, view)| (lease.run_id, view.id)).collect();
    let mut tables: Vec<RelationName> = group.ready.iter().flat_map(Ready::tables).collect();
    tables.sort();
    tables.dedup();
    let held = begin(session, &runs, Sight::One(&tables)).await?;
    let mut members = members(session, group).await?.into_iter();
    let mut between = Between::default();
    let mut all = Vec::new();
    for (at, held) in held.into_iter().enumerate() {
        let name = &group.views[at].definition.name;
        let member = members.next().expect("there is one for each view");
        let ended = match group.chain.root_cause(name) {
            _ if !held => Ended::Skipped("already_running"),
            Some(root_cause) => Ended::UpstreamFailed(root_cause),
            None => match member {
                Ok(member) if member.view.pause.is_some() => Ended::Skipped("paused"),
                Ok(member) => one(session, group, at, member, &mut between).await?,
                Err(failure) => Ended::Failed(failure),
            },
        };
        if matches!(ended, Ended::Failed(_)) {
            group.chain.note_failure(name, leases[at].run_id);
        }
        all.push(ended);
    }
    // A request that came between two statements found nothing to cancel at the server.
    session.check_cancelled()?;
    commit(session, leases, &all).await?;
    Ok(all)
}

/// A view as its row stands now, and what its refresh begins with, where that is known before others are refreshed.
struct Member {
    view: View,
    look: Option<Look>,
}

async fn members(session: &Session, group: Group<'_>) -> Result<Vec<Result<Member, Failure>>, Failure> {
    let ids: Vec<i64> = group.views.iter().map(|view| view.id).collect();
    let views = views::all_standing(session, &ids).await?;
    let looks = looks(session, group, &views).await?;
    let member = |(view, look): (Result<View, Failure>, Option<Result<Look, Failure>>)| {
        Ok(Member { view: view?, look: look.transpose()? })
    };
    Ok(views.into_iter().zip(looks).map(member).collect())
}

/// Looks for all views at once, but for those that read another one of the group, which must come first.
async fn looks(
    session: &Session,
    group: Group<'_>,
    views: &[Result<View, Failure>],
) -> Result<Vec<Option<Result<Look, Failure>>>, Failure> {
    let written: Vec<u32> =
        views.iter().flatten().filter_map(|view| Some(view.relation.as_ref()?.oid)).collect();
    let looking = views.iter().zip(group.ready).map(async |(view, ready)| match view {
        Ok(view) if !ready.reads_any_of(&written) => Some(look(session, view).await),
        _ => None,
    });
    let (saved, looks) = join(session.batch("savepoint remat_looks"), join_all(looking)).await;
    saved?;
    session.check_cancelled()?;
    if session.batch("release savepoint remat_looks").await.is_ok() {
        return Ok(looks);
    }
    // What is wrong with one of them is no matter of the others: each looks for itself when it is its turn.
    session.batch("rollback to savepoint remat_looks").await?;
    Ok(views.iter().map(|_| None).collect())
}

/// How the transaction stands between two views.
#[derive(Default)]
struct Between {
    /// What the session has been given.
    pinned: Option<Settings>,
    /// Whether the last view's savepoint is still there.
    saved: bool,
}

impl Between {
    /// Ends what belonged to the last view, and begins the next.
    fn turn_to(&mut self, next: &Settings) -> String {
        let release = if self.saved { "release savepoint remat_member; " } else { "" };
        self.saved = true;
        let pinned = self.pinned.as_ref().filter(|pinned| *pinned != next);
        format!("{release}{}savepoint remat_member", pinned.map(unpin).unwrap_or_default())
    }
}

/// Refreshes one view; whatever fails there is taken back alone, unless the transaction cannot go on.
async fn one(
    session: &Session,
    group: Group<'_>,
    at: usize,
    member: Member,
    between: &mut Between,
) -> Result<Ended, Failure> {
    let began = Instant::now();
    let settings = member.view.definition.settings.clone();
    let turn = between.turn_to(&settings);
    let is_pinned = between.pinned.as_ref() == Some(&settings);
    // The server does in order what is sent at once.
    let work = one_view(session, group, at, member, is_pinned);
    let (turned, done) = join(session.batch(&turn), work).await;
    turned?;
    match done {
        Ok(mut ending) => {
            between.pinned = Some(settings);
            ending.duration_ms = Some(millis(began));
            Ok(Ended::Success(Box::new(ending)))
        }
        Err(failure) if failure.kind == FailureKind::Cancelled => Err(failure),
        Err(failure) => match session.batch("rollback to savepoint remat_member").await {
            Ok(()) => {
                // What the failed one was given is taken back; what the one before was given, was taken back before.
                between.pinned = is_pinned.then_some(settings);
                Ok(Ended::Failed(failure))
            }
            Err(_) => Err(failure),
        },
    }
}

async fn one_view(
    session: &Session,
    group: Group<'_>,
    at: usize,
    member: Member,
    is_pinned: bool,
) -> Result<Ending, Failure> {
    let Member { view, look: known } = member;
    let pinned = async { if is_pinned { Ok(()) } else { pin(session, &view.definition.settings).await } };
    let frame = Frame { session, view: &view };
    let work = async {
        let look = match known {
            Some(look) => look,
            None => look(session, &view).await?,
        };
        by_changes(&frame, group.options, &group.ready[at], look).await
    };
    let (pinned, done) = join(pinned, work).await;
    pinned?;
    done
}

/// What a definition sets beyond what every definition does must not reach the next view.
fn unpin(settings: &Settings) -> String {
    let names = settings.parameters.keys().filter_map(|name| Identifier::new(name.clone()).ok());
    let resets: Vec<_> = names.map(|name| format!("set local {} to default; ", name.to_sql())).collect();
    resets.concat()
}

/// Writes the successes and commits them with the work; where there is none, nothing was done.
async fn commit(session: &Session, leases: &[Lease], all: &[Ended]) -> Result<(), Failure> {
    let mut successes = Vec::new();
    for (lease, ended) in leases.iter().zip(all) {
        if let Ended::Success(ending) = ended {
            successes.push((*lease, &**ending));
        }
    }
    let Some(((last, ending), others)) = successes.split_last() else {
        return session.batch("rollback").await;
    };
    let settle = |(lease, ending): &(Lease, &Ending)| {
        let (lease, ending) = (*lease, (*ending).clone());
        async move { runs::settle(session, lease, Status::Success, &ending).await }
    };
    try_join_all(others.iter().map(settle)).await?;
    runs::succeed(session, *last, ending, "commit").await
}

/// Writes the ends that the transaction did not write, and reads the rows of all runs.
async fn tell(
    session: &Session,
    group: Group<'_>,
    leases: &[Lease],
    began: Instant,
    ended: &Result<Vec<Ended>, Failure>,
) -> Result<Vec<Run>, Error> {
    match ended {
        Ok(all) => {
            for ((lease, view), ended) in leases.iter().zip(group.views).zip(all) {
                match ended {
                    Ended::Success(_) => {}
                    Ended::Skipped(reason) => {
                        settle_skip(session, *lease, view.id, (*reason).into()).await?;
                    }
                    Ended::UpstreamFailed(run_id) => skip_downstream(session, *lease, *run_id).await?,
                    Ended::Failed(failure) => settle_failure(session, *lease, began, failure, None).await?,
                }
            }
        }
        Err(failure) => {
            session.batch("rollback").await?;
            let failure = shared_by_all(session, leases, failure).await?;
            for (lease, view) in leases.iter().zip(group.views) {
                settle_failure(session, *lease, began, &failure, None).await?;
                group.chain.note_failure(&view.definition.name, lease.run_id);
            }
        }
    }
    let ids: Vec<i64> = leases.iter().map(|lease| lease.run_id).collect();
    runs::get_all(session, &ids).await
}

/// Writes that a view was not tried because one that it reads has failed.
pub(crate) async fn skip_downstream(session: &Session, lease: Lease, root_cause: i64) -> Result<(), Failure> {
    let meta = json!({ "root_cause": root_cause });
    let ending = Ending { reason: Some("upstream_failed".into()), meta, ..Ending::default() };
    runs::settle(session, lease, Status::Skipped, &ending).await
}

/// Under one snapshot a request to cancel one of the runs, which is written to its row, shows as a conflict at the end of all.
async fn shared_by_all(session: &Session, leases: &[Lease], failure: &Failure) -> Result<Failure, Failure> {
    if failure.kind == FailureKind::Serialization {
        for lease in leases {
            if runs::is_cancel_asked(session, lease.run_id).await? {
                return Ok(Failure::new(FailureKind::Cancelled, "cancelled on request"));
            }
        }
    }
    Ok(failure.clone())
}
