//! Brings a managed table up to date by what changed in the tables that its query reads.
//!
//! Law: everything is seen in one snapshot: the logs, the tables, and the state, which says what the contents covered
//! before and will say what they cover then. Where the logs cannot tell everything, or it would cost more, the table is
//! merged and the hidden tables are filled anew, in the same snapshot, so that changes can be followed from there. Where a
//! statement of the plan fails, nothing of it stays: a merge answers, which needs no plan, and the plan is made anew
//! before the next refresh.

use std::time::Duration;

use jiff::Timestamp;
use remat_sql::maintain::Turn;
use serde_json::{Value, json};

use super::{
    Choice, Report, Work, key, merge, millis_f64,
    perform::{Went, perform},
    program::{Program, asking, listing, plain},
    verify::{self, Verified},
    weigh::{self, Costs, SLOW_MS, Verdict, Why},
};
use crate::{
    capture,
    failure::{Failure, FailureKind, Remedy},
    maintain::Ready,
    run::Finding,
    store::{
        captures,
        plans::{self, Learned, Told},
        runs::Rows,
    },
    view::Strategy,
};

/// What came of it.
pub(crate) enum Outcome {
    /// Nothing has changed as of this time, and nothing was done.
    Unchanged(Timestamp),
    /// The contents are up to date.
    Done(Choice, Box<Report>),
}

impl Outcome {
    /// Whether the contents come from the query alone.
    fn ran_the_query(&self) -> bool {
        matches!(self, Self::Done(Choice { strategy: Strategy::Merge, .. }, _))
    }

    /// This, and then a merge in the same transaction.
    fn then(self, choice: Choice, merge: Report) -> Self {
        let Self::Done(_, first) = self else { return Self::Done(choice, Box::new(merge)) };
        let both = |a: Option<i64>, b: Option<i64>| a.zip(b).map(|(a, b)| a + b);
        let rows = Rows {
            before: first.rows.before,
            after: merge.rows.after,
            inserted: both(first.rows.inserted, merge.rows.inserted),
            updated: both(first.rows.updated, merge.rows.updated),
            deleted: both(first.rows.deleted, merge.rows.deleted),
        };
        Self::Done(choice, Box::new(Report { rows, facts: first.facts, ..merge }))
    }
}

const REDEFINED: &str = "merge: the view, or what it reads, was changed";

/// One refresh, in a transaction of one snapshot.
struct Turning<'a, 'w> {
    work: &'a mut Work<'w>,
    ready: &'a Ready,
    told: Told,
    turn: Turn,
    /// What both ways cost, where somebody asked.
    costs: Option<Costs>,
}

/// What may be asked of a refresh beside the changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish<'a> {
    /// To merge, with the reason.
    pub(crate) merge: Option<&'a str>,
    /// To compare what it leaves with the query.
    pub(crate) verify: bool,
}

/// What the snapshot shows before anything is done.
pub(crate) struct Seen {
    pub(crate) told: Told,
    /// Of the plan that would be made now.
    pub(crate) fingerprint: String,
}

/// Refreshes in a transaction of one snapshot, and gives what a verification found, if one was wished for.
pub(crate) async fn refresh(
    work: &mut Work<'_>,
    ready: &Ready,
    seen: Seen,
    wish: Wish<'_>,
) -> Result<(Outcome, Option<Verified>), Failure> {
    let Seen { told, fingerprint } = seen;
    let turn = ready.turn(work.relation, &told);
    let mut turning = Turning { work, ready, told, turn, costs: None };
    let verdict = match wish.merge {
        _ if fingerprint != ready.planned.fingerprint => {
            Verdict::Renew(Why { reason: REDEFINED.into(), allowed: wish.merge.is_some() })
        }
        Some(reason) => Verdict::Fill(Why { reason: reason.into(), allowed: true }),
        None => turning.judge().await?,
    };
    let outcome = turning.act(verdict).await?;
    if !wish.verify {
        return Ok((outcome, None));
    }
    // Boxed, so that a refresh that does not verify need not carry it.
    let (outcome, verified) = Box::pin(turning.verify(outcome)).await?;
    Ok((outcome, Some(verified)))
}

impl Turning<'_, '_> {
    async fn judge(&mut self) -> Result<Verdict, Failure> {
        let told = self.in_words();
        let learned = self.told.learned;
        let verdict = match weigh::judge(&told, learned) {
            Verdict::Quiet if self.crossed().await? => {
                Verdict::Follow("incremental: rows crossed a bound of time".into())
            }
            Verdict::Many => {
                self.costs = self.costs().await?;
                weigh::weigh(&told, self.costs, learned)
            }
            verdict => verdict,
        };
        Ok(if self.are_filled() { verdict } else { weigh::left_behind(verdict) })
    }

    /// Whether the hidden tables cover what the contents do.
    fn are_filled(&self) -> bool {
        self.turn.hidden.is_empty() || self.told.since.as_ref().is_none_or(|since| since.filled)
    }

    fn in_words(&self) -> Vec<weigh::Told> {
        let changes = self.told.changes.iter().zip(&self.told.estimates);
        let told = |(change, rows): (&capture::Change, &f64)| weigh::Told {
            table: self.ready.name_of(change.table),
            answer: change.answer,
            rows: *rows,
        };
        changes.map(told).collect()
    }

    async fn act(&mut self, verdict: Verdict) -> Result<Outcome, Failure> {
        let (choice, report) = match verdict {
            Verdict::Quiet | Verdict::Many => return Ok(Outcome::Unchanged(self.told.now)),
            Verdict::Follow(reason) => self.follow(reason).await,
            Verdict::Fill(why) => self.fill(why).await,
            Verdict::Leave(why) => self.leave(why).await,
            Verdict::Renew(why) => self.merge_only(why).await,
        }?;
        Ok(Outcome::Done(choice, Box::new(report)))
    }

    /// Compares what is there now with the query, and merges where it is not the same.
    async fn verify(&mut self, outcome: Outcome) -> Result<(Outcome, Verified), Failure> {
        if outcome.ran_the_query() {
            return Ok((outcome, Verified::recomputed()));
        }
        let hidden = self.are_filled().then(|| self.ready.planned.plan.held(&self.turn));
        let hidden: Vec<_> = hidden.into_iter().flatten().collect();
        let verified = verify::compare(self.work.place(), &hidden, self.told.now).await?;
        self.work.phases.push("verify", verified.took);
        if verified.finding != Finding::Mismatch {
            return Ok((outcome, verified));
        }
        let (choice, repair) = self.fill(Why { reason: verified.in_words(), allowed: true }).await?;
        Ok((outcome.then(choice, repair), verified))
    }

    /// Whether time alone changed something.
    async fn crossed(&self) -> Result<bool, Failure> {
        let Some(condition) = self.ready.planned.plan.crossing(&self.turn) else { return Ok(false) };
        let sql =
            format!("select (case when coalesce(({condition}), true) then 1 else 0 end)::pg_catalog.int8");
        let program = Program(vec![asking("window", sql)]);
        let went = perform(self.work.place(), &program, self.told.now).await?;
        Ok(went.first().is_some_and(|went| went.number == 1))
    }

    /// What both ways cost by the server's estimates. To plan a statement may run code of the owner, so only his own session
    /// asks; none where nobody could.
    async fn costs(&self) -> Result<Option<Costs>, Failure> {
        self.estimate(async {
            let mut follow = 0.0;
            for statement in self.ready.planned.plan.refresh(&self.turn) {
                follow += self.cost_of(&statement).await?;
            }
            Ok(Costs { follow, merge: self.cost_of_query().await? })
        })
        .await
    }

    async fn estimate<T>(
        &self,
        asked: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<T>, Failure> {
        if !self.work.relation.owned_by_session {
            return Ok(None);
        }
        self.savepoint().await?;
        let told = asked.await;
        self.work.session.batch(BACK).await?;
        match told {
            Ok(told) => Ok(Some(told)),
            Err(failure) if is_answered_by_a_merge(failure.kind) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn cost_of_query(&self) -> Result<f64, Failure> {
        let source = merge::defining_view(self.work.view.id).to_sql();
        self.cost_of(&format!("select * from {source}")).await
    }

    /// Keeps what following took, where it was weighed, or is worth weighing the next time, or was until now.
    async fn learn_following(&self) -> Result<(), Failure> {
        let (known, ms) = (self.told.learned, millis_f64(self.work.phases.of(&FOLLOWING)));
        let is_slow = ms >= SLOW_MS;
        if self.costs.is_none() && is_slow == (known.follow_ms.unwrap_or_default() >= SLOW_MS) {
            return Ok(());
        }
        let follow_rate = self.costs.map(|costs| weigh::rate(known.follow_rate, ms, costs.follow));
        let merge_rate = self.costs.and(known.merge_rate).map(weigh::faded);
        let learned = Learned { follow_rate, merge_rate, follow_ms: Some(ms), merge_from: None };
        let learned = Learned { merge_from: self.merge_from(learned), ..learned };
        plans::learn(self.work.session, self.work.view.id, learned).await
    }

    /// Keeps what the merge of the query took, where its cost is known.
    async fn learn_merging(&self, cost: Option<f64>) -> Result<(), Failure> {
        let known = self.told.learned;
        let learned = match cost {
            Some(cost) => {
                let ms = millis_f64(self.work.phases.of(&merge::PHASES));
                let merge_rate = Some(weigh::rate(known.merge_rate, ms, cost));
                let follow_rate = known.follow_rate.map(weigh::faded);
                let learned = Learned { follow_rate, merge_rate, follow_ms: None, merge_from: None };
                Learned { merge_from: self.merge_from(learned), ..learned }
            }
            None => Learned { merge_from: known.merge_from.map(weigh::raised), ..Learned::default() },
        };
        if learned == Learned::default() {
            return Ok(());
        }
        plans::learn(self.work.session, self.work.view.id, learned).await
    }

    /// From how many changes on a merge needs no asking, where both ways were weighed.
    fn merge_from(&self, learned: Learned) -> Option<i64> {
        weigh::merge_from(&self.in_words(), self.costs?, learned)
    }

    async fn cost_of(&self, statement: &str) -> Result<f64, Failure> {
        let row = self.work.session.query_one(&format!("explain (format json) {statement}"), &[]).await?;
        let explained: Value = row.get(0);
        Ok(explained[0]["Plan"]["Total Cost"].as_f64().unwrap_or(f64::INFINITY))
    }

    async fn savepoint(&self) -> Result<(), Failure> {
        self.work.session.batch("savepoint remat_turn; set local jit = off").await
    }

    async fn follow(&mut self, reason: String) -> Result<(Choice, Report), Failure> {
        self.savepoint().await?;
        match self.run_stages().await {
            Ok(report) => Ok((Choice { strategy: Strategy::Incremental, reason }, report)),
            Err(failure) => self.answer(failure, "the incremental refresh failed").await,
        }
    }

    /// Answers a failure of the plan's own statements by a merge.
    async fn answer(&mut self, failure: Failure, what: &str) -> Result<(Choice, Report), Failure> {
        if !is_answered_by_a_merge(failure.kind) {
            return Err(failure);
        }
        self.work.session.batch(BACK).await?;
        let reason = format!("merge: {what}: {}", failure.complaint.primary);
        let (choice, mut report) = self.merge_only(Why { reason, allowed: false }).await?;
        report.facts["failed"] = json!(*failure.complaint);
        Ok((choice, report))
    }

    async fn run_stages(&mut self) -> Result<Report, Failure> {
        let plan = &self.ready.planned.plan;
        let statements = plan.refresh(&self.turn);
        let last = statements.len().saturating_sub(1);
        let stages = statements.into_iter().zip(&plan.stages).enumerate();
        let program = stages.map(|(at, (sql, stage))| {
            let phase = phase(stage.technique());
            if at == last { listing(phase, sql) } else { plain(phase, None, sql) }
        });
        let program = Program(program.collect());
        let all = perform(self.work.place(), &program, self.told.now).await?;
        for (statement, went) in program.0.iter().zip(&all) {
            self.work.phases.push(statement.phase, went.took);
        }
        let rows = self.rows(all.last().map_or(&[], |went| &went.numbers))?;
        self.store_state().await?;
        self.learn_following().await?;
        Ok(Report { rows, facts: self.facts(&all), ..self.report() })
    }

    /// What the last statement counted, after the proof that the key told its rows apart.
    fn rows(&self, numbers: &[i64]) -> Result<Rows, Failure> {
        let &[before, after, deleted, updated, inserted] = numbers else {
            return Err(Failure::new(FailureKind::Other, "the last stage did not count its rows"));
        };
        if after != before - deleted + inserted {
            let definition = &self.work.view.definition;
            let source = merge::defining_view(self.work.view.id).to_sql();
            return Err(key::explain(Failure::new(FailureKind::NotUnique, ""), definition, &source));
        }
        let known = self.work.known_rows;
        Ok(Rows {
            before: known,
            after: known.map(|known| known + inserted - deleted),
            inserted: Some(inserted),
            updated: Some(updated),
            deleted: Some(deleted),
        })
    }

    /// What a run keeps of it beside the rest.
    fn facts(&self, all: &[Went]) -> Value {
        let stages = self.ready.planned.plan.stages.iter().zip(all);
        let stages = stages.map(|(stage, went)| {
            json!({ "technique": stage.technique(), "title": stage.title(), "ms": millis_f64(went.took) })
        });
        let changes = self.told.changes.iter().map(|change| {
            let capture::Answer::Changed(rows) = change.answer else { return (change.table, 0) };
            (change.table, rows)
        });
        let changes: serde_json::Map<_, _> =
            changes.map(|(table, rows)| (self.ready.name_of(table), json!(rows))).collect();
        json!({ "changes": changes, "stages": stages.collect::<Vec<_>>() })
    }

    async fn fill(&mut self, why: Why) -> Result<(Choice, Report), Failure> {
        self.refuse_if_strict(&why)?;
        // What a merge takes beside its estimate is what later choices rest on. The first one may read cold tables; that fades.
        let cost = self.estimate(self.cost_of_query()).await?;
        let plan = &self.ready.planned.plan;
        let analyze = self.turn.hidden.iter().map(|name| format!("analyze {name}"));
        let fill = Program::of("fill", plan.fill(&self.turn).into_iter().chain(analyze));
        self.savepoint().await?;
        let filled = merge::after(self.work, fill, self.told.now).await;
        match filled {
            Ok(report) => {
                self.store_state().await?;
                self.learn_merging(cost).await?;
                Ok((merged(why.reason), Report { facts: json!({}), ..report }))
            }
            Err(failure) if self.turn.hidden.is_empty() => Err(failure),
            Err(failure) => self.answer(failure, "the hidden tables could not be filled").await,
        }
    }

    /// Merges, and says that the hidden tables do not cover what the contents do.
    async fn leave(&mut self, why: Why) -> Result<(Choice, Report), Failure> {
        self.refuse_if_strict(&why)?;
        let report = merge::after(self.work, Program::default(), self.told.now).await?;
        let filled = self.turn.hidden.is_empty();
        captures::store_state_of(self.work.session, self.work.view.id, filled).await?;
        self.learn_merging(self.costs.map(|costs| costs.merge)).await?;
        Ok((merged(why.reason), Report { facts: json!({}), ..report }))
    }

    /// Merges without a plan; what the contents cover is not known then.
    async fn merge_only(&mut self, why: Why) -> Result<(Choice, Report), Failure> {
        self.refuse_if_strict(&why)?;
        let (session, view_id) = (self.work.session, self.work.view.id);
        plans::mark_stale(session, view_id).await?;
        plans::forget_state(session, view_id).await?;
        let report = merge::after(self.work, Program::default(), self.told.now).await?;
        Ok((merged(why.reason), Report { facts: json!({}), ..report }))
    }

    fn refuse_if_strict(&self, why: &Why) -> Result<(), Failure> {
        let definition = &self.work.view.definition;
        if !definition.strict || why.allowed {
            return Ok(());
        }
        let primary = format!("view \"{}\" cannot be refreshed incrementally", definition.name);
        Err(Failure::new(FailureKind::Prerequisite, primary)
            .with_detail(format!("The view is strict, and without that would: {}.", why.reason))
            .with_hint("Refresh it once with the strategy merge, or leave strict out of its definition."))
    }

    async fn store_state(&self) -> Result<(), Failure> {
        capture::store_state(self.work.session, self.work.view.id).await
    }

    fn report(&self) -> Report {
        Report { data_as_of: Some(self.told.now), lock_wait: Duration::ZERO, ..Report::default() }
    }
}

/// Back to before the statements of the plan.
const BACK: &str = "rollback to savepoint remat_turn";

fn merged(reason: String) -> Choice {
    Choice { strategy: Strategy::Merge, reason }
}

/// The phases of following changes.
const FOLLOWING: [&str; 3] = ["signed_delta", "scope", "whole"];

fn phase(technique: remat_sql::maintain::Technique) -> &'static str {
    use remat_sql::maintain::Technique;
    let [signed_delta, scope, whole] = FOLLOWING;
    match technique {
        Technique::SignedDelta => signed_delta,
        Technique::Scope => scope,
        Technique::Whole => whole,
    }
}

/// Whether a merge in the same transaction may do better. What is over with the transaction or the connection is not, nor
/// what a merge needs more of.
fn is_answered_by_a_merge(kind: FailureKind) -> bool {
    match kind.remedy() {
        Remedy::RetryLock | Remedy::RetryWork => false,
        Remedy::Operator(_) | Remedy::Definition(_) | Remedy::Nothing => !matches!(
            kind,
            FailureKind::Cancelled
                | FailureKind::LeaseLost
                | FailureKind::StatementTimeout
                | FailureKind::DiskFull
                | FailureKind::OutOfResources
                | FailureKind::ReadOnly
        ),
    }
}
