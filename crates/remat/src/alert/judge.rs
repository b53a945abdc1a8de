//! Each rule as a function from facts to a finding.
//!
//! Law: a view that a person paused is judged by no rule; the person knows. One that remat paused still is.

use super::{
    facts::{Facts, Failed, SchedulerFacts, ViewFacts, WorkerFacts},
    rule::{Rule, RuleKind, Rules, Severity},
    time_in_words,
};
use crate::{name::RelationName, run, status::State};

/// Fewer durations than these make no average.
const SAMPLES_MIN: usize = 3;

/// A worker that has been silent for so long was not lost just now, and its runs were given back long ago.
const FORGOTTEN_AFTER_S: f64 = 3600.0;

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A view.
    View(i64, RelationName),
    /// A scheduled job that runs SQL.
    Job(String),
    /// The clock of all daemons together.
    Scheduler,
    /// A worker.
    Worker(i64, String),
}

impl Subject {
    /// The view, if it is one.
    pub fn view_id(&self) -> Option<i64> {
        match self {
            Self::View(id, _) => Some(*id),
            Self::Job(_) | Self::Scheduler | Self::Worker(..) => None,
        }
    }

    /// What tells it apart from all others.
    fn key(&self) -> String {
        match self {
            Self::View(id, _) => format!("view/{id}"),
            Self::Job(name) => format!("job/{name}"),
            Self::Scheduler => "scheduler".into(),
            Self::Worker(id, _) => format!("worker/{id}"),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::View(_, name) => write!(f, "view {name}"),
            Self::Job(name) => write!(f, "job {name}"),
            Self::Scheduler => f.write_str("the scheduler"),
            Self::Worker(_, name) => write!(f, "worker {name}"),
        }
    }
}

/// Something that fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of the rule.
    pub rule: String,
    /// Its kind.
    pub kind: RuleKind,
    /// What it is about.
    pub subject: Subject,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter: what follows the subject in a sentence.
    pub reason: String,
    /// What to do, as sentences.
    pub advice: String,
    /// The run that shows it.
    pub run_id: Option<i64>,
}

impl Finding {
    /// The same for the same rule and subject, and for nothing else.
    pub fn key(&self) -> String {
        format!("{}:{}", self.rule, self.subject.key())
    }
}

/// What a rule says of one subject.
struct Verdict {
    reason: String,
    advice: String,
    run_id: Option<i64>,
}

impl Verdict {
    fn new(reason: String, advice: impl Into<String>, run_id: Option<i64>) -> Self {
        Self { reason, advice: advice.into(), run_id }
    }

    fn found(self, (name, rule): (&str, &Rule), subject: Subject) -> Finding {
        let Self { reason, advice, run_id } = self;
        Finding {
            rule: name.into(),
            kind: rule.kind,
            subject,
            severity: rule.severity,
            reason,
            advice,
            run_id,
        }
    }
}

/// Everything that fires.
pub fn judge(facts: &Facts, rules: &Rules) -> Vec<Finding> {
    if !rules.all.enabled {
        return Vec::new();
    }
    let views = facts.views.iter().flat_map(|view| of_view(view, rules));
    let jobs = facts.jobs.iter().flat_map(|job| {
        let failed = job.failed.as_ref();
        [RuleKind::Failed, RuleKind::Streak].into_iter().filter_map(move |kind| {
            let named = rules.general(kind)?;
            let verdict = of_failures(kind, named.1, failed?)?;
            Some(verdict.found(named, Subject::Job(job.name.clone())))
        })
    });
    let scheduler = rules
        .general(RuleKind::Scheduler)
        .and_then(|named| Some(scheduler(named.1, facts.scheduler)?.found(named, Subject::Scheduler)));
    let workers = facts.workers.iter().filter_map(|worker| {
        let named = rules.general(RuleKind::Worker)?;
        Some(lost(named.1, worker)?.found(named, Subject::Worker(worker.id, worker.name.clone())))
    });
    views.chain(jobs).chain(scheduler).chain(workers).collect()
}

fn of_view(view: &ViewFacts, rules: &Rules) -> Vec<Finding> {
    if view.is_paused && !view.is_quarantined {
        return Vec::new();
    }
    let kinds = RuleKind::ALL.iter().copied().filter(|kind| kind.is_of_views());
    let found = kinds.filter_map(|kind| {
        let named = rules.of_view(kind, view)?;
        let verdict = match kind {
            RuleKind::Failed | RuleKind::Streak => of_failures(kind, named.1, view.failed.as_ref()?),
            RuleKind::Slow => slow(named.1, view),
            RuleKind::Stale => stale(named.1, view),
            RuleKind::Missing => missing(view),
            RuleKind::Mismatch => mismatch(view),
            RuleKind::Quarantined => quarantined(view),
            RuleKind::Scheduler | RuleKind::Worker => None,
        };
        Some(verdict?.found(named, Subject::View(view.id, view.name.clone())))
    });
    found.collect()
}

fn of_failures(kind: RuleKind, rule: &Rule, failed: &Failed) -> Option<Verdict> {
    let Failed { run_id, message, in_a_row, is_retried, .. } = failed;
    let advice = failed.hint.clone().unwrap_or_else(|| format!("See `remat run {run_id}`."));
    match kind {
        RuleKind::Failed if !is_retried => {
            Some(Verdict::new(format!("failed: {message}"), advice, Some(*run_id)))
        }
        RuleKind::Streak if *in_a_row >= i64::from(rule.failures) => {
            let times =
                if *in_a_row >= 100 { "100 times or more".into() } else { format!("{in_a_row} times") };
            Some(Verdict::new(
                format!("failed {times} in a row, the last time: {message}"),
                advice,
                Some(*run_id),
            ))
        }
        _ => None,
    }
}

/// A refresh that is at work counts as soon as it is slow.
#[allow(clippy::cast_precision_loss, reason = "durations are far below the limits of a float")]
fn slow(rule: &Rule, view: &ViewFacts) -> Option<Verdict> {
    let samples = usize::try_from(rule.samples).unwrap_or(usize::MAX);
    let judged = |ms: f64, earlier: &[i64]| {
        let earlier = &earlier[..earlier.len().min(samples)];
        let average = earlier.iter().sum::<i64>() as f64 / earlier.len() as f64;
        let limit = average * f64::from(rule.over_percent) / 100.0;
        let is_slow = earlier.len() >= SAMPLES_MIN.min(samples) && !earlier.is_empty();
        (is_slow && ms > limit && ms >= rule.at_least_ms as f64).then(|| {
            let (took, usual) = (time_in_words(ms / 1000.0), time_in_words(average / 1000.0));
            (took, usual, earlier.len())
        })
    };
    let advice = "See `remat run` for the phase that takes long: a wait for a lock, more rows, another plan.";
    if let Some(live) = view.live
        && let Some((took, usual, count)) = judged(live.seconds * 1000.0, &view.took_ms)
    {
        let reason = format!(
            "is slow: its refresh has been at work for {took}, the last {count} took {usual} on average"
        );
        return Some(Verdict::new(reason, advice, Some(live.run_id)));
    }
    let (last, earlier) = view.took_ms.split_first()?;
    let (took, usual, count) = judged(*last as f64, earlier)?;
    let reason =
        format!("is slow: its last refresh took {took}, the {count} before it took {usual} on average");
    Some(Verdict::new(reason, advice, None))
}

#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
fn stale(rule: &Rule, view: &ViewFacts) -> Option<Verdict> {
    let target = view.target_lag_s? as f64;
    // One that has no contents has no age either; that it is missing, or was never filled, is told otherwise.
    let age = view.age_s?;
    let grace = rule.grace_ms as f64 / 1000.0;
    let advice = format!(
        "Run `remat refresh {}`, or see `remat runs {}` for why none succeeds.",
        view.name, view.name
    );
    let reason = || {
        format!("is stale: its data is {} old, the target is {}", time_in_words(age), time_in_words(target))
    };
    (age > target + grace).then(|| Verdict::new(reason(), advice, view.live.map(|live| live.run_id)))
}

fn missing(view: &ViewFacts) -> Option<Verdict> {
    let is_gone = view.is_made && view.state == State::Absent;
    let advice =
        format!("Somebody dropped or renamed it. Run `remat plan`, or `remat create --force {}`.", view.name);
    is_gone.then(|| Verdict::new("is missing: nothing stands under its name".into(), advice, None))
}

fn mismatch(view: &ViewFacts) -> Option<Verdict> {
    let found = view.verified.filter(|found| found.finding == run::Finding::Mismatch)?;
    let reason = "differed from its query when it was last verified; that run has repaired it".into();
    let advice = format!(
        "See `remat run {}` for the rows that differed. If it happens again, use the strategy merge and report it.",
        found.run_id
    );
    Some(Verdict::new(reason, advice, Some(found.run_id)))
}

fn quarantined(view: &ViewFacts) -> Option<Verdict> {
    let advice = format!(
        "Its query may be what takes the server down: look into the server's log, then run `remat resume {}`.",
        view.name
    );
    let reason = "is quarantined: three attempts in a row lost their connection or their worker".into();
    view.is_quarantined.then(|| Verdict::new(reason, advice, None))
}

#[allow(clippy::cast_precision_loss, reason = "limits are far below those of a float")]
fn scheduler(rule: &Rule, facts: SchedulerFacts) -> Option<Verdict> {
    let silent = facts.silent_s.filter(|_| facts.is_needed)?;
    let reason = format!("is stalled: it last looked for what is due {} ago", time_in_words(silent));
    let advice = "Nothing is refreshed by the clock. See whether `remat serve` runs, and what its log says.";
    (silent * 1000.0 > rule.silence_ms as f64).then(|| Verdict::new(reason, advice, None))
}

#[allow(clippy::cast_precision_loss, reason = "limits are far below those of a float")]
fn lost(rule: &Rule, worker: &WorkerFacts) -> Option<Verdict> {
    let silent = worker.silent_s;
    let reason = format!("is lost: it fell silent {} ago without leaving", time_in_words(silent));
    let advice = "Its runs were given to others. See whether its machine runs, and what its log says.";
    let is_lost = silent * 1000.0 > rule.silence_ms as f64 && silent < FORGOTTEN_AFTER_S;
    is_lost.then(|| Verdict::new(reason, advice, None))
}
