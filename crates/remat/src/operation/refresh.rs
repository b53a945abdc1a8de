//! Refresh: brings the contents up to date by the strategy that fits.

use std::time::Instant;

use futures_util::future::{join, join4};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::attempt::{Asked, Done, Frame, Task, attempt, millis, whole_millis, with_notes};
use crate::{
    Remat,
    error::Error,
    failure::{Failure, FailureKind},
    maintain::{self, Ready, Way},
    name::RelationName,
    pg::{
        Session,
        catalog::{self, Relation},
        lock::Sight,
    },
    run::{Finding, Operation, RowCount, Run, Status},
    store::{
        plans,
        runs::{self, Ending, Rows},
        views::{self, Basis},
    },
    strategy::{
        self, Choice, Facts, Phases, Report, Work, concurrent,
        incremental::{self, Outcome, Seen, Wish},
        verify::Verified,
    },
    view::{RelationKind, Strategy, View},
};

/// What a caller may say about one refresh.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefreshOptions {
    /// Instead of the definition's strategy.
    pub strategy: Option<Strategy>,
    /// Instead of the definition's way to count rows.
    pub row_count: Option<RowCount>,
    /// Refresh although the view is paused, or nothing that it reads has changed.
    pub force: bool,
    /// Compare what a refresh by changes leaves with the query, in the same snapshot, and merge where it is not the same.
    /// Other refreshes run the query.
    pub verify: bool,
}

pub(crate) async fn refresh(
    remat: &Remat,
    view_id: i64,
    options: RefreshOptions,
    asked: Asked<'_>,
) -> Result<Run, Error> {
    let way = Box::pin(maintain::way(remat, view_id, options.strategy)).await?;
    let tables = match &way {
        Way::ByChanges(ready) => ready.tables(),
        Way::Otherwise(_) => Vec::new(),
    };
    let sight = match &way {
        Way::ByChanges(_) => Sight::One(&tables),
        Way::Otherwise(_) => Sight::Newest,
    };
    let task = Task { view_id, definition: None, operation: Operation::Refresh, asked, sight };
    let run = Box::pin(attempt(remat, task, async |frame: &Frame<'_>| {
        if frame.view.pause.is_some() && !options.force {
            return Ok(Done::Skipped("paused".into()));
        }
        let ending = match &way {
            Way::ByChanges(ready) => {
                let look = look(frame.session, frame.view).await?;
                by_changes(frame, options, ready, look).await
            }
            Way::Otherwise(why) => perform(frame, options, why.as_deref()).await,
        };
        ending.map(|ending| Done::Success(Box::new(ending)))
    }))
    .await?;
    Ok(vacuum_after(remat, run).await)
}

/// What a refresh by changes begins with.
pub(super) struct Look {
    relation: Relation,
    known_rows: Option<i64>,
    seen: Seen,
}

/// Reads it, in one round trip: each answer on its own would cost a refresh that has nothing to do the most.
pub(super) async fn look(session: &Session, view: &View) -> Result<Look, Failure> {
    let (relation, known_rows, told, fingerprint) = join4(
        deployed(session, view),
        runs::known_rows(session, view.id),
        plans::told(session, view.id),
        maintain::fingerprint(session, view),
    )
    .await;
    let (relation, known_rows) = (relation?, known_rows?);
    Ok(Look { relation, known_rows, seen: Seen { told: told?, fingerprint: fingerprint? } })
}

/// Refreshes a view by what changed.
pub(super) async fn by_changes(
    frame: &Frame<'_>,
    options: RefreshOptions,
    ready: &Ready,
    look: Look,
) -> Result<Ending, Failure> {
    let Frame { session, view } = *frame;
    let Look { relation, known_rows, seen } = look;
    let counted = options.row_count.unwrap_or(view.definition.row_count);
    let mut work = Work { session, view, relation: &relation, known_rows, phases: Phases::default() };
    let asked_to_merge = match options.strategy {
        Some(Strategy::Merge) => Some("as asked for"),
        _ if options.force => Some("merge: forced"),
        _ => None,
    };
    let wish = Wish { merge: asked_to_merge, verify: options.verify };
    let attempted = incremental::refresh(&mut work, ready, seen, wish).await;
    let (outcome, verified) = attempted.map_err(|mut failure| {
        failure.attempted.strategy = Some(Strategy::Incremental.to_string());
        failure
    })?;
    let ending = match outcome {
        Outcome::Unchanged(as_of) => {
            let reason = "unchanged: no table that it reads has changed";
            skipped(session, &relation, Skip { counted, known_rows, as_of, reason: reason.into() }).await
        }
        Outcome::Done(choice, mut report) => {
            // Every run of a managed table counts, so what is known is exact.
            let how = if report.rows.after.is_some() { RowCount::Estimated } else { counted };
            let how = if counted == RowCount::None { counted } else { how };
            report.rows = count(session, &relation, how, report.rows).await?;
            ending(session, &relation, choice, &report, &work.phases, counted).await
        }
    }?;
    Ok(match verified {
        Some(verified) => told_of(ending, view, &verified),
        None => ending,
    })
}

/// A run that says what a verification found.
fn told_of(mut ending: Ending, view: &View, verified: &Verified) -> Ending {
    let (name, found) = (&view.definition.name, verified.in_words());
    match verified.finding {
        Finding::Mismatch => {
            tracing::warn!(view = %name, "the contents were not what the query gives; {found}");
        }
        Finding::Failed => tracing::warn!(view = %name, "{found}"),
        Finding::Equal | Finding::Recomputed => {}
    }
    if verified.finding != Finding::Mismatch {
        let reason = ending.reason.take().map(|reason| format!("{reason}; {found}"));
        ending.reason = Some(reason.unwrap_or(found));
    }
    ending.meta["verification"] = json!(verified);
    ending
}

async fn perform(
    frame: &Frame<'_>,
    options: RefreshOptions,
    no_changes_because: Option<&str>,
) -> Result<Ending, Failure> {
    let Frame { session, view } = *frame;
    let relation = deployed(session, view).await?;
    refuse_if_strict(view, options, no_changes_because)?;
    // The time before the proof, and the proof before the query: see remat.basis.
    let as_of = clock(session).await?;
    let basis = views::basis(session, view.id).await?;
    let may_skip = options.strategy.is_none() && !options.force && !options.verify && relation.populated;
    if let Some(since) = basis.unchanged_since.filter(|_| may_skip) {
        return unchanged(frame, &relation, options, as_of, since, &basis).await;
    }
    let choice = decide(session, view, &relation, options.strategy, no_changes_because).await?;
    let counted = options.row_count.unwrap_or(view.definition.row_count);
    let known_rows = rows_now(session, view, &relation, counted).await?;
    let mut work = Work { session, view, relation: &relation, known_rows, phases: Phases::default() };
    let mut report = strategy::refresh(&mut work, choice.strategy).await.map_err(|mut failure| {
        failure.attempted.strategy = Some(choice.strategy.to_string());
        failure.attempted.reason = Some(choice.reason.clone());
        failure
    })?;
    let phases = work.phases;
    if report.replaced {
        let new = catalog::relation_named(session, &relation.name).await?;
        views::set_relation(session, view.id, new.as_ref()).await?;
        views::follow(session, &report.rebuilt).await?;
    }
    report.rows = count(session, &relation, counted, report.rows).await?;
    let mut ending = ending(session, &relation, choice, &report, &phases, counted).await?;
    if let Some(basis) = basis.now {
        ending.meta["basis"] = json!(basis);
    }
    Ok(if options.verify { told_of(ending, view, &Verified::recomputed()) } else { ending })
}

/// A view that is strict is not merged but when somebody asks for it.
fn refuse_if_strict(
    view: &View,
    options: RefreshOptions,
    no_changes_because: Option<&str>,
) -> Result<(), Failure> {
    let Some(why) = no_changes_because.filter(|_| view.definition.strict) else { return Ok(()) };
    if options.force || options.strategy == Some(Strategy::Merge) {
        return Ok(());
    }
    let primary = format!("view \"{}\" cannot be refreshed incrementally", view.definition.name);
    Err(Failure::new(FailureKind::Prerequisite, primary)
        .with_detail(format!("The view is strict, and {why}."))
        .with_hint("Change its query, or leave strict out of its definition."))
}

/// Nothing that the view reads has changed since its query ran: a refresh would write what stands there.
async fn unchanged(
    frame: &Frame<'_>,
    relation: &Relation,
    options: RefreshOptions,
    as_of: Timestamp,
    since: Timestamp,
    basis: &Basis,
) -> Result<Ending, Failure> {
    let counted = options.row_count.unwrap_or(frame.view.definition.row_count);
    let known_rows = runs::known_rows(frame.session, frame.view.id).await?;
    let reason = format!("unchanged: nothing it reads has changed since {since}");
    let skip = Skip { counted, known_rows, as_of, reason };
    let mut ending = skipped(frame.session, relation, skip).await?;
    ending.meta["basis"] = json!(basis.now);
    ending.meta["unchanged_since"] = json!(since);
    Ok(ending)
}

/// A refresh that had nothing to do.
struct Skip {
    counted: RowCount,
    known_rows: Option<i64>,
    /// Until when nothing had changed.
    as_of: Timestamp,
    reason: String,
}

async fn skipped(session: &Session, relation: &Relation, skip: Skip) -> Result<Ending, Failure> {
    let Skip { counted, known_rows, as_of, reason } = skip;
    let known = match counted {
        RowCount::None => None,
        // Every run of a managed table counts, so what is known is exact.
        RowCount::Exact if relation.kind != Some(RelationKind::Table) || known_rows.is_none() => {
            Some(count_all(session, relation).await?)
        }
        RowCount::Exact | RowCount::Estimated => known_rows,
    };
    let none = Some(0);
    Ok(Ending {
        strategy: Some("skip".into()),
        reason: Some(reason),
        data_as_of: Some(as_of),
        lock_wait_ms: Some(0),
        rows: Rows { before: known, after: known, inserted: none, updated: none, deleted: none },
        bytes: Some(relation.bytes),
        meta: json!({
            "view": relation.name, "row_count_strategy": counted, "phases_ms": {}, "vacuum_wanted": false,
        }),
        ..Ending::default()
    })
}

async fn clock(session: &Session) -> Result<Timestamp, Failure> {
    Ok(session.query_one("select pg_catalog.clock_timestamp()", &[]).await?.get(0))
}

async fn ending(
    session: &Session,
    relation: &Relation,
    choice: Choice,
    report: &Report,
    phases: &Phases,
    counted: RowCount,
) -> Result<Ending, Failure> {
    let sql = "select pg_catalog.pg_total_relation_size(c.oid) from pg_catalog.pg_class c
               where c.relname = $2 and c.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = $1)";
    let (schema, name) = (relation.name.schema.as_str(), relation.name.name.as_str());
    let row = session.query_one(sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await?;
    let mut meta = json!({
        "view": relation.name,
        "row_count_strategy": counted,
        "phases_ms": phases.to_json(),
        "vacuum_wanted": report.wants_vacuum,
    });
    if let (Some(meta), Some(facts)) = (meta.as_object_mut(), report.facts.as_object()) {
        meta.extend(facts.clone());
    }
    Ok(Ending {
        strategy: Some(choice.strategy.to_string()),
        reason: Some(choice.reason),
        data_as_of: report.data_as_of,
        lock_wait_ms: Some(whole_millis(report.lock_wait)),
        rows: report.rows,
        bytes: Some(row.get(0)),
        meta: with_notes(meta, &report.notes),
        ..Ending::default()
    })
}

/// The relation that remat made, unless somebody dropped, renamed or changed it since.
pub(crate) async fn deployed(session: &Session, view: &View) -> Result<Relation, Failure> {
    let name = &view.definition.name;
    let made = view.relation.as_ref();
    // Of the one that remat made, and in the same round trip.
    let columns = catalog::columns_fingerprint(session, made.map_or(0, |made| made.oid));
    let (found, columns) = join(catalog::relation_named(session, name), columns).await;
    let (Some(relation), Some(made)) = (found?, made) else {
        return Err(missing(session, view).await);
    };
    if relation.oid == made.oid && made.has_columns_of(&columns?) {
        return Ok(relation);
    }
    if catalog::fingerprint(session, relation.oid).await? == made.fingerprint {
        // The same view under another object id: restored from a dump.
        views::set_relation(session, view.id, Some(&relation)).await?;
        return Ok(relation);
    }
    Err(Failure::new(FailureKind::Drifted, format!("view \"{name}\" no longer matches its definition"))
        .with_detail("It was dropped and made anew, or its columns were changed, outside remat.")
        .with_hint(format!(
            "Run `remat plan` to review the difference, or `remat create {name} --force` to restore it."
        )))
}

async fn missing(session: &Session, view: &View) -> Failure {
    let name = &view.definition.name;
    let failure =
        Failure::new(FailureKind::UndefinedObject, format!("view \"{name}\" does not exist in the database"));
    let moved = match &view.relation {
        Some(made) => catalog::relation_by_oid(session, made.oid).await.ok().flatten(),
        None => None,
    };
    match moved {
        Some(relation) => {
            failure.with_detail(format!("It was renamed to \"{}\" outside remat.", relation.name)).with_hint(
                "Rename it back, or rename the definition too: renamed_from in its file, then `remat apply`.",
            )
        }
        None if view.relation.is_some() => failure
            .with_detail("It was dropped outside remat.")
            .with_hint(format!("Run `remat create {name}`.")),
        None => failure.with_hint(format!(
            "It is defined, but never created or deleted since: run `remat create {name}`."
        )),
    }
}

async fn decide(
    session: &Session,
    view: &View,
    relation: &Relation,
    asked: Option<Strategy>,
    no_changes_because: Option<&str>,
) -> Result<Choice, Failure> {
    let Some(kind) = relation.kind else {
        return Err(Failure::new(
            FailureKind::Drifted,
            format!("\"{}\" is not a view that remat maintains", relation.name),
        ));
    };
    let asked_for = asked.unwrap_or(view.definition.strategy);
    // Only `auto` chooses by it; whoever asks for a concurrent refresh is told by that strategy.
    let has_unique_index = (kind, asked_for) == (RelationKind::Matview, Strategy::Auto)
        && !concurrent::diagnose(session, relation, &view.definition.key).await?.usable.is_empty();
    let (populated, bytes) = (relation.populated, relation.bytes);
    let facts = Facts { kind, populated, bytes, has_unique_index, no_changes_because };
    let mut choice = strategy::choose(asked_for, facts)?;
    if asked.is_some_and(|asked| asked == choice.strategy) {
        choice.reason = "as asked for".into();
    }
    Ok(choice)
}

/// Rows before the work, as far as anybody wants to know. A merge counts by itself.
async fn rows_now(
    session: &Session,
    view: &View,
    relation: &Relation,
    how: RowCount,
) -> Result<Option<i64>, Failure> {
    match (how, relation.kind) {
        (RowCount::Exact, Some(RelationKind::Matview)) if relation.populated => {
            count_all(session, relation).await.map(Some)
        }
        _ => runs::known_rows(session, view.id).await,
    }
}

async fn count_all(session: &Session, relation: &Relation) -> Result<i64, Failure> {
    let sql = format!("select count(*) from {}", relation.name.to_sql());
    Ok(session.query_one(&sql, &[]).await?.get(0))
}

async fn count(session: &Session, relation: &Relation, how: RowCount, rows: Rows) -> Result<Rows, Failure> {
    match how {
        RowCount::None => Ok(Rows { before: None, after: None, ..rows }),
        RowCount::Estimated => Ok(rows),
        RowCount::Exact => Ok(Rows { after: Some(count_all(session, relation).await?), ..rows }),
    }
}

/// A new heap has no visibility map: index-only scans read every page until a vacuum. It is a step of its own, after
/// the commit, and cannot fail the run, which has succeeded.
pub(super) async fn vacuum_after(remat: &Remat, mut run: Run) -> Run {
    if run.status != Status::Success || run.meta["vacuum_wanted"] != json!(true) {
        return run;
    }
    let Some(name) = &run.view else { return run };
    match vacuum(remat, name, run.id).await {
        Ok(facts) => run.meta["vacuum"] = facts,
        Err(error) => tracing::warn!(view = %name, %error, "how the vacuum went could not be recorded"),
    }
    run
}

async fn vacuum(remat: &Remat, name: &RelationName, run_id: i64) -> Result<Value, Error> {
    let session = remat.session().await?;
    let cancellable = remat.cancellable(&session);
    let began = Instant::now();
    session.take_notices();
    let outcome = session.batch(&format!("vacuum (analyze, skip_locked) {}", name.to_sql())).await;
    drop(cancellable);
    let facts = json!({
        "status": if outcome.is_ok() { "success" } else { "failed" },
        "duration_ms": millis(began),
        "error": outcome.err().map(|failure| failure.complaint.primary),
        "notices": session.take_notices(),
    });
    remat.give_back(session);
    // Over another session where this one was cancelled: the request may still be on its way.
    remat
        .with_session(async |session| Ok(runs::annotate(session, run_id, &json!({ "vacuum": facts })).await?))
        .await?;
    Ok(facts)
}
