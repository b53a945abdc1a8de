//! Makes ready what a view needs to follow changes: its plan, the logs of its tables, and its hidden tables.
//!
//! Law: all of it happens outside of any refresh, in transactions of its own, of which those that touch the view hold its
//! lock. Whatever stands in the way is kept as the reason, and the view is merged. Nothing reads a log for a view that
//! cannot follow it: such a log would grow for ever.

use std::collections::{BTreeMap, BTreeSet};

use remat_sql::{Rejection, maintain::Turn};
use serde_json::json;

use super::{Planned, planned};
use crate::{
    Remat,
    capture::{self, Need},
    error::Error,
    failure::{Failure, FailureKind, Remedy},
    name::RelationName,
    operation::{deployed, pin},
    pg::{Session, catalog::Relation, in_transaction, lock},
    store::{
        captures,
        plans::{self, Known, Parts, Refusal, Told},
        views,
    },
    strategy::{Place, Program, perform},
    view::{RelationKind, Settings, Strategy, View},
};

/// How a view will be refreshed.
pub(crate) enum Way {
    /// By what changed.
    ByChanges(Box<Ready>),
    /// In another way; with the reason, where it was to follow changes.
    Otherwise(Option<String>),
}

/// A plan with all that it needs.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) planned: Planned,
    /// The tables that it reads, by the names that they have now.
    pub(crate) sources: Vec<(u32, RelationName)>,
    view_id: i64,
}

/// What stood in the way is looked at again after so many seconds: it may have gone without a trace in the definition.
const ASK_AGAIN_S: i64 = 600;

/// The way for a view, after what is missing was made ready. `asked` takes the place of the definition's strategy.
pub(crate) async fn way(remat: &Remat, view_id: i64, asked: Option<Strategy>) -> Result<Way, Error> {
    let session = remat.session().await?;
    let cancellable = remat.cancellable(&session);
    let found = find(&session, view_id, asked).await;
    drop(cancellable);
    match found {
        Ok(way) => {
            remat.give_back(session);
            Ok(way)
        }
        Err(failure) if is_nobodys_obstacle(failure.kind) => Err(failure.into()),
        // A merge needs nothing of this.
        Err(failure) => Ok(Way::Otherwise(Some(failure.complaint.primary))),
    }
}

/// What each of these views follows changes by; none for one that does not, or must be made ready or filled first.
pub(crate) async fn ready(session: &Session, view_ids: &[i64]) -> Result<Vec<Option<Ready>>, Failure> {
    let known = plans::known_of(session, view_ids).await?;
    let follows = |(id, known): (i64, Known)| {
        let known =
            Some(known).filter(|known| is_wanted(known, None) && known.may_keep && known.is_filled)?;
        match standing(known, id)? {
            Way::ByChanges(ready) => Some((id, *ready)),
            Way::Otherwise(_) => None,
        }
    };
    let mut ready: BTreeMap<i64, Ready> = known.into_iter().filter_map(follows).collect();
    Ok(view_ids.iter().map(|id| ready.remove(id)).collect())
}

/// Whether a merge would meet the same, or must not be tried.
fn is_nobodys_obstacle(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::ConnectionLost | FailureKind::ServerUnavailable | FailureKind::Cancelled)
}

async fn find(session: &Session, view_id: i64, asked: Option<Strategy>) -> Result<Way, Failure> {
    let Some(known) = plans::known(session, view_id).await? else { return Ok(Way::Otherwise(None)) };
    if !is_wanted(&known, asked) {
        return Ok(Way::Otherwise(None));
    }
    if !known.may_keep {
        return Ok(Way::Otherwise(Some(
            "the role of remat may not write remat.view_states and its kin".into(),
        )));
    }
    match standing(known, view_id) {
        Some(way) => Ok(way),
        None => install(session, view_id).await,
    }
}

/// A merge is asked for: then the state that it leaves should be known, so that changes can be followed from there.
fn is_wanted(known: &Known, asked: Option<Strategy>) -> bool {
    let follows = |strategy| match strategy {
        Strategy::Incremental => true,
        Strategy::Auto => known.has_key,
        _ => false,
    };
    let asked_so = |strategy| follows(strategy) || strategy == Strategy::Merge;
    follows(known.strategy) && asked.is_none_or(asked_so)
}

/// What was found earlier, if it can be used.
fn standing(known: Known, view_id: i64) -> Option<Way> {
    let stored = known.plan.filter(|stored| stored.stands)?;
    match stored.found {
        Ok(plan) => {
            let planned = serde_json::from_value(plan).ok()?;
            Some(Way::ByChanges(Box::new(Ready { planned, sources: stored.sources, view_id })))
        }
        Err(refusal) => (stored.age_s < ASK_AGAIN_S).then(|| Way::Otherwise(Some(in_words(&refusal)))),
    }
}

fn in_words(refusal: &Refusal) -> String {
    let code = refusal.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    format!("{}{code}", refusal.primary)
}

/// Makes everything ready, whatever was there before.
async fn install(session: &Session, view_id: i64) -> Result<Way, Failure> {
    let Compiled { view, fingerprint, planned } = match compile(session, view_id).await? {
        Ok(compiled) => compiled,
        Err(refusal) => return Ok(Way::Otherwise(Some(refusal.primary))),
    };
    let made = match planned {
        Ok(planned) => make(session, &view, &planned).await,
        Err(rejection) => Ok(Err(refused(&rejection))),
    };
    let refusal = match made {
        Ok(Ok(())) => None,
        Ok(Err(refusal)) => Some(refusal),
        Err(failure) if may_pass(&failure) => return Err(failure),
        Err(failure) => Some(Refusal::from(&*failure.complaint)),
    };
    if let Some(refusal) = refusal {
        give_up(session, view_id, &fingerprint, &refusal).await?;
        return Ok(Way::Otherwise(Some(in_words(&refusal))));
    }
    let known = plans::known(session, view_id).await?;
    let ready = known.and_then(|known| standing(known, view_id));
    // What was made does not stand: somebody took it away again.
    Ok(ready.unwrap_or_else(|| Way::Otherwise(Some("what it needs does not stay in place".into()))))
}

/// Whether the same may succeed without anybody's doing: then it is not kept as a reason.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.kind.remedy(), Remedy::RetryWork) || failure.kind == FailureKind::Cancelled
}

fn refused(rejection: &Rejection) -> Refusal {
    let Rejection { code, reason, hint, .. } = rejection;
    Refusal { code: Some(code.to_string()), primary: reason.clone(), detail: None, hint: hint.clone() }
}

struct Compiled {
    view: View,
    fingerprint: String,
    planned: Result<Planned, Rejection>,
}

/// Compiles the view as it stands.
async fn compile(session: &Session, view_id: i64) -> Result<Result<Compiled, Refusal>, Failure> {
    in_transaction(session, async {
        let (view, relation) = match hold(session, view_id).await? {
            Ok(held) => held,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let planned = planned(session, &view, &relation).await?;
        let fingerprint = match &planned {
            Ok(planned) => planned.fingerprint.clone(),
            Err(_) => super::fingerprint(session, &view).await?,
        };
        Ok(Ok(Compiled { view, fingerprint, planned }))
    })
    .await
}

/// Takes the lock of a view whose managed table stands, and pins its settings; else gives the reason.
async fn hold(session: &Session, view_id: i64) -> Result<Result<(View, Relation), Refusal>, Failure> {
    if !lock::try_view(session, view_id).await? {
        return Ok(Err(passing("somebody else is at the view")));
    }
    let view = views::standing(session, view_id, None).await?;
    pin(session, &view.definition.settings).await?;
    match deployed(session, &view).await {
        Ok(relation) if relation.kind == Some(RelationKind::Table) => Ok(Ok((view, relation))),
        Ok(_) => Ok(Err(passing("it is not a managed table yet"))),
        Err(failure) if matches!(failure.kind, FailureKind::Drifted | FailureKind::UndefinedObject) => {
            Ok(Err(passing("its table is not the one that remat made")))
        }
        Err(failure) => Err(failure),
    }
}

fn passing(why: &str) -> Refusal {
    Refusal { code: None, primary: why.into(), detail: None, hint: None }
}

async fn make(session: &Session, view: &View, planned: &Planned) -> Result<Result<(), Refusal>, Failure> {
    let needs: Vec<Need> = planned.sources.iter().map(need).collect();
    let settings = &view.definition.settings;
    let captured = capture::install(session, settings, view.id, &needs).await?;
    let tables: BTreeSet<u32> = needs.iter().map(|need| need.table).collect();
    let logs: Vec<(u32, i64)> = tables.into_iter().zip(captured).collect();
    in_transaction(session, async {
        let (view, relation) = match hold(session, view.id).await? {
            Ok(held) => held,
            Err(refusal) => return Ok(Err(refusal)),
        };
        grant(session, &relation, planned, &logs).await?;
        let hidden = furnish(session, &view, &relation, planned).await?;
        let sources: Vec<u32> = logs.iter().map(|(table, _)| *table).collect();
        let parts = Parts { sources: &sources, hidden: &hidden };
        plans::save(session, view.id, &planned.fingerprint, &json!(planned), parts).await?;
        Ok(Ok(()))
    })
    .await
}

fn need(source: &super::PlannedSource) -> Need {
    Need { table: source.oid, columns: source.columns.iter().map(|(_, number)| *number).collect() }
}

/// Lets the owner of the view read of each log what his view reads of the table: the statements of a refresh run as him.
async fn grant(
    session: &Session,
    relation: &Relation,
    planned: &Planned,
    logs: &[(u32, i64)],
) -> Result<(), Failure> {
    if relation.owned_by_session {
        return Ok(());
    }
    let owner = relation.owner.to_sql();
    session.batch(&format!("grant usage on schema remat_log to {owner}")).await?;
    for (table, capture) in logs {
        let of_table = planned.sources.iter().filter(|source| source.oid == *table);
        let numbers: BTreeSet<i16> = of_table.flat_map(|source| need(source).columns).collect();
        let columns =
            ["xid".into(), "sign".into()].into_iter().chain(numbers.iter().map(|n| format!("a{n}")));
        let columns: Vec<String> = columns.collect();
        let log = capture::log_of(*capture).to_sql();
        session.batch(&format!("grant select ({}) on {log} to {owner}", columns.join(", "))).await?;
    }
    Ok(())
}

/// Makes the hidden tables anew, empty, and gives their object ids.
async fn furnish(
    session: &Session,
    view: &View,
    relation: &Relation,
    planned: &Planned,
) -> Result<Vec<u32>, Failure> {
    drop_hidden(session, view.id).await?;
    let turn =
        Turn { public: relation.name.to_sql(), hidden: hidden_names(view.id, planned), ..Turn::default() };
    let program = Program::of("create", planned.plan.create(&turn));
    if !program.is_empty() {
        let now = session.query_one("select pg_catalog.clock_timestamp()", &[]).await?.get(0);
        perform(Place { session, view, relation }, &program, now).await?;
    }
    Ok(plans::hidden_tables(session, view.id).await?.into_iter().map(|(oid, _)| oid).collect())
}

/// Keeps why a view does not follow changes, with nothing that would.
async fn give_up(
    session: &Session,
    view_id: i64,
    fingerprint: &str,
    refusal: &Refusal,
) -> Result<(), Failure> {
    in_transaction(session, async {
        if !lock::try_view(session, view_id).await? {
            return Ok(());
        }
        forget(session, view_id).await?;
        plans::save_refusal(session, view_id, fingerprint, refusal).await
    })
    .await
}

/// Takes away what a view needed to follow changes, in a transaction that holds its lock. Logs that nobody reads any more are
/// left to [`capture::sweep`].
pub(crate) async fn forget(session: &Session, view_id: i64) -> Result<(), Failure> {
    drop_hidden(session, view_id).await?;
    plans::forget(session, view_id).await?;
    captures::unsubscribe_but(session, view_id, &[]).await
}

/// As [`forget`], for a view whose lock nobody holds yet. Where somebody else is at the view, it is left to the daemon.
pub(crate) async fn release(session: &Session, view_id: i64) -> Result<bool, Failure> {
    let free = lock::try_view(session, view_id).await?;
    if free {
        forget(session, view_id).await?;
    }
    Ok(free)
}

/// Releases the views that want no more of it, each in a transaction of its own; gives their number.
pub(crate) async fn release_unwanted(session: &Session) -> Result<usize, Failure> {
    let mut released = 0;
    for view_id in plans::unwanted(session).await? {
        let free = in_transaction(session, release(session, view_id)).await?;
        released += usize::from(free);
    }
    Ok(released)
}

/// Takes away the logs that nobody reads any more. Where a table is busy, the daemon does it later.
pub(crate) async fn sweep_in_passing(session: &Session) {
    let settings = Settings { lock_budget_ms: 2_000, ..Settings::default() };
    if let Err(failure) = capture::sweep(session, &settings).await {
        tracing::warn!(error = %failure.complaint, "a log that nobody reads is still kept");
    }
}

async fn drop_hidden(session: &Session, view_id: i64) -> Result<(), Failure> {
    let tables = plans::hidden_tables(session, view_id).await?;
    if tables.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = tables.iter().map(|(_, name)| name.to_sql()).collect();
    session.batch(&format!("drop table {}", names.join(", "))).await
}

fn hidden_names(view_id: i64, planned: &Planned) -> Vec<String> {
    planned.hidden_tables(view_id).iter().map(RelationName::to_sql).collect()
}

impl Ready {
    /// The names of the tables that it reads.
    pub(crate) fn tables(&self) -> Vec<RelationName> {
        self.sources.iter().map(|(_, name)| name.clone()).collect()
    }

    /// Whether one of the tables that it reads has one of these object ids.
    pub(crate) fn reads_any_of(&self, tables: &[u32]) -> bool {
        self.sources.iter().any(|(oid, _)| tables.contains(oid))
    }

    /// What a table is called.
    pub(crate) fn name_of(&self, table: u32) -> String {
        let known = self.sources.iter().find(|(oid, _)| *oid == table);
        known.map_or_else(|| "a table".into(), |(_, name)| name.to_string())
    }

    /// What this refresh fills the gaps of the plan with.
    pub(crate) fn turn(&self, relation: &Relation, told: &Told) -> Turn {
        let changes = |source: &super::PlannedSource| {
            let since = told.since.as_ref()?;
            let change = told.changes.iter().find(|change| change.table == source.oid)?;
            let rows = match change.answer {
                capture::Answer::Unchanged => return None,
                capture::Answer::Changed(rows) => Some(rows),
                capture::Answer::Reset(_) => None,
            };
            Some(source.changes(change.capture_id, Some(&since.snapshot), rows))
        };
        Turn {
            public: relation.name.to_sql(),
            hidden: hidden_names(self.view_id, &self.planned),
            changes: self.planned.sources.iter().map(changes).collect(),
            since: told.since.as_ref().map_or_else(String::new, |since| {
                format!("{}::pg_catalog.timestamptz", crate::name::literal(&since.as_of))
            }),
        }
    }
}
