//! Judges what the rows say, and writes what is to be told.
//!
//! Law: one pass is one transaction: alerts open and end in it, and the messages about that are written with it. Of any
//! number of alerters one judges at a time; the others rest. Sending is another service's work, so a receiver that is
//! down holds nothing up.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;

use super::{Pass, Service, counted};
use crate::{
    Remat,
    alert::{
        Destination, Event, Finding, Message, Reads, Rules, Standing, Subject, decide, facts::Facts, judge,
        resolution,
    },
    error::Error,
    failure::{Failure, FailureKind},
    pg::{Session, in_transaction},
    store::{
        alerts::{self, Announced},
        deliveries::{self, Written},
        facts,
    },
};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);

/// It rests so many times as long as a pass took, so that very many views cost no more than a twentieth of a session.
const REST_PER_PASS: u32 = 20;

/// How long it is believed which view reads which: the server takes long to tell, and it changes seldom.
const READS_HOLD: Duration = Duration::from_mins(1);

/// How often it looks for what can be forgotten, and how long alerts that ended are kept.
const FORGETS_EVERY: Duration = Duration::from_hours(1);
const KEEP_DAYS: i32 = 365;

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Alerts that opened.
    pub fired: usize,
    /// Alerts that ended.
    pub resolved: usize,
    /// Messages that were written.
    pub messages: usize,
}

/// Which view reads which, as it was told last.
type Known = Mutex<Option<(Instant, Reads)>>;

/// The service.
pub struct Alerter {
    remat: Remat,
    reads: Known,
    forgot: Option<Instant>,
    /// Whether it said that its role may not do this.
    refused: bool,
}

impl Alerter {
    /// Judges this database.
    pub fn new(remat: &Remat) -> Self {
        Self { remat: remat.clone(), reads: Mutex::default(), forgot: None, refused: false }
    }

    /// Judges once; none when another process does at this moment.
    pub async fn judge(&self) -> Result<Option<Judged>, Error> {
        let judged = self
            .remat
            .with_session(async |session| Ok(in_transaction(session, judge_once(session, &self.reads)).await))
            .await?;
        Ok(judged?)
    }

    async fn forget(&mut self) -> Result<(), Error> {
        if self.forgot.is_none_or(|at| at.elapsed() > FORGETS_EVERY) {
            self.remat.with_session(async |session| Ok(alerts::forget(session, KEEP_DAYS).await?)).await?;
            self.forgot = Some(Instant::now());
        }
        Ok(())
    }

    async fn round(&mut self) -> Result<Pass, Error> {
        let began = Instant::now();
        let reads = &self.reads;
        let judge = async |session: &Session| Ok(in_transaction(session, judge_once(session, reads)).await);
        let judged = match self.remat.with_session(judge).await? {
            Ok(judged) => judged.unwrap_or_default(),
            // A daemon of a role that may write alerts does it.
            Err(failure) if failure.kind == FailureKind::PermissionDenied => {
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(error = %failure.complaint, "this daemon judges no alerts");
                }
                return Ok(Pass { did: None, rest: 10 * EVERY });
            }
            Err(failure) => return Err(failure.into()),
        };
        self.forget().await?;
        let Judged { fired, resolved, messages } = judged;
        let did = (judged != Judged::default()).then(|| {
            let [fired, messages] = [counted(fired, "alert"), counted(messages, "message")];
            format!("{fired} fired, {resolved} ended, {messages} to send")
        });
        Ok(Pass { did, rest: EVERY.max(REST_PER_PASS * began.elapsed()) })
    }
}

impl Service for Alerter {
    fn name(&self) -> &'static str {
        "alerter"
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        self.round().boxed()
    }
}

async fn judge_once(session: &Session, known: &Known) -> Result<Option<Judged>, Failure> {
    if !alerts::try_judge(session).await? {
        return Ok(None);
    }
    let rules = alerts::rules(session).await?;
    let facts = facts::all(session, &rules).await?;
    let findings = judge(&facts, &rules);
    let mut standing = alerts::standing(session).await?;
    if findings.is_empty() && standing.open.is_empty() {
        return Ok(Some(Judged::default()));
    }
    if findings.iter().any(|finding| finding.subject.view_id().is_some()) {
        standing.reads = reads(session, known).await?;
    }
    let decision = decide(facts.now, &findings, &standing);
    let case = Case { facts: &facts, rules: &rules, findings: &findings, standing: &standing };
    let fired = alerts::fire(session, &decision.fire).await?;
    alerts::explain(session, &decision.causes).await?;
    let announced = alerts::announce(session, &decision.announce).await?;
    let told = tell(session, &case, &announced).await?;
    let ended: Vec<i64> = decision.resolve.iter().map(|(id, _)| *id).collect();
    let resolved = alerts::resolve(session, &ended).await?;
    let to_tell: Vec<i64> =
        decision.resolve.iter().filter(|(_, told)| *told && rules.all.resolved).map(|(id, _)| *id).collect();
    let untold = tell_of_ends(session, &case, &resolved, &to_tell).await?;
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Some(Judged { fired: whole(fired), resolved: resolved.len(), messages: whole(told + untold) }))
}

async fn reads(session: &Session, known: &Known) -> Result<Reads, Failure> {
    let held = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, reads)) = held.filter(|(told, _)| told.elapsed() < READS_HOLD) {
        return Ok(reads);
    }
    let reads = alerts::reads(session).await?;
    *known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), reads.clone()));
    Ok(reads)
}

/// All that is known in one pass.
struct Case<'a> {
    facts: &'a Facts,
    rules: &'a Rules,
    findings: &'a [Finding],
    standing: &'a Standing,
}

/// Writes the messages about what fires, one for each destination of its rule.
async fn tell(session: &Session, case: &Case<'_>, announced: &[Announced]) -> Result<u64, Failure> {
    if announced.is_empty() {
        return Ok(0);
    }
    let destinations = alerts::destinations(session).await?;
    let (database, _) = alerts::database(session).await?;
    let by_key: BTreeMap<String, &Finding> =
        case.findings.iter().map(|finding| (finding.key(), finding)).collect();
    let mut written = Vec::new();
    for alert in announced {
        let Some(finding) = by_key.get(&alert.key) else { continue };
        let message = message(case, finding, alert, &database);
        let wanted =
            case.rules.get(&finding.rule).map(|rule| rule.destinations.as_slice()).unwrap_or_default();
        let meant = |to: &&Destination| wanted.is_empty() || wanted.contains(&to.name);
        written.extend(destinations.iter().filter(meant).map(|to| Written {
            alert_id: alert.id,
            destination: &to.name,
            message: message.clone(),
        }));
    }
    deliveries::write(session, &written).await
}

fn message(case: &Case<'_>, finding: &Finding, alert: &Announced, database: &str) -> Message {
    let view = match &finding.subject {
        Subject::View(_, name) => Some(name.to_string()),
        Subject::Job(_) | Subject::Scheduler | Subject::Worker(..) => None,
    };
    Message {
        event: Event::Firing,
        database: database.into(),
        alert_id: Some(alert.id),
        rule: Some(finding.rule.clone()),
        kind: Some(finding.kind),
        severity: finding.severity,
        about: finding.subject.to_string(),
        view,
        reason: finding.reason.clone(),
        advice: finding.advice.clone(),
        run_id: finding.run_id,
        fired_at: alert.fired_at,
        resolved_at: None,
        resolution: None,
        dependents: dependents(case, finding),
        url: case.rules.all.public_url.as_ref().map(|url| format!("{url}/alerts/{}", alert.id)),
    }
}

/// The views that read the one which a finding is about; those that are stale by now say so.
fn dependents(case: &Case<'_>, finding: &Finding) -> Vec<String> {
    let Some(id) = finding.subject.view_id() else { return Vec::new() };
    let reads = |reader: i64| case.standing.reads.get(&reader).is_some_and(|read| read.contains(&id));
    let readers = case.facts.views.iter().filter(|view| reads(view.id));
    let named = readers.map(|view| {
        let stale = if view.is_late() && !view.is_paused { " (stale)" } else { "" };
        format!("{}{stale}", view.name)
    });
    named.collect()
}

/// Writes the messages about what ended, to whoever was told that it fired.
async fn tell_of_ends(
    session: &Session,
    case: &Case<'_>,
    resolved: &[(i64, Timestamp)],
    to_tell: &[i64],
) -> Result<u64, Failure> {
    let mut told = alerts::told(session, to_tell).await?;
    for (id, _, message) in &mut told {
        let open = case.standing.open.iter().find(|open| open.id == *id);
        message.event = Event::Resolved;
        message.resolved_at = resolved.iter().find(|(ended, _)| ended == id).map(|(_, at)| *at);
        message.resolution = open.map(|open| resolution(open, case.facts, case.rules));
    }
    let written: Vec<Written<'_>> = told
        .iter()
        .map(|(alert_id, destination, message)| Written {
            alert_id: *alert_id,
            destination,
            message: message.clone(),
        })
        .collect();
    deliveries::write(session, &written).await
}
