//! From what fires now and what stood before to what is written: which alerts open, which end, and which are told.
//!
//! Law: each alert is told once. One that is muted or explained by another is not told, and is told late if it is still
//! there when nothing hides it any more; the views that wait for the one that was the cause get some time first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    facts::Facts,
    judge::{Finding, Subject},
    message::Resolution,
    rule::{MAIN, RuleKind, Rules},
};

/// How long a view may need to recover once its cause has ended.
const RECOVERY: SignedDuration = SignedDuration::from_mins(10);

/// An alert that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its row.
    pub id: i64,
    /// See [`Finding::key`].
    pub key: String,
    /// The name of its rule.
    pub rule: String,
    /// The kind of its rule.
    pub kind: RuleKind,
    /// The view, if it is about one.
    pub view_id: Option<i64>,
    /// Whether it was told.
    pub is_announced: bool,
    /// Whether another alert has explained it.
    pub is_explained: bool,
    /// When that one ended, if it has.
    pub cause_ended_at: Option<Timestamp>,
}

impl Open {
    /// Whether it may be what is left of something that has ended, or ends now.
    fn recovers(&self, now: Timestamp) -> bool {
        self.is_explained && self.cause_ended_at.is_none_or(|ended| now.duration_since(ended) < RECOVERY)
    }
}

/// What somebody does not want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mute {
    /// The name of a rule, or `*`.
    pub rule: String,
    /// The view; everything when none is named.
    pub view_id: Option<i64>,
}

impl Mute {
    fn hides(&self, rule: &str, view_id: Option<i64>) -> bool {
        (self.rule == MAIN || self.rule == rule) && (self.view_id.is_none() || self.view_id == view_id)
    }
}

/// The views that each view reads, at any distance.
pub type Reads = BTreeMap<i64, BTreeSet<i64>>;

/// What stood before, and how views read each other.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Alerts that are open.
    pub open: Vec<Open>,
    /// Mutes that hold.
    pub mutes: Vec<Mute>,
    /// Which view reads which; it may be left out where nothing fires about a view.
    pub reads: Reads,
}

impl Standing {
    /// Whether somebody does not want to hear of this.
    pub fn mutes_hide(&self, rule: &str, view_id: Option<i64>) -> bool {
        self.mutes.iter().any(|mute| mute.hides(rule, view_id))
    }
}

/// What follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What has no open alert yet.
    pub fire: Vec<Finding>,
    /// The key of what explains each finding that is explained, by its own key.
    pub causes: BTreeMap<String, String>,
    /// The findings to tell of, by key.
    pub announce: BTreeSet<String>,
    /// Alerts that end, and whether that is to be told.
    pub resolve: Vec<(i64, bool)>,
}

/// Decides.
pub fn decide(now: Timestamp, findings: &[Finding], standing: &Standing) -> Decision {
    let causes = causes(findings, &standing.reads);
    let is_muted = |rule: &str, view| standing.mutes_hide(rule, view);
    let mut decision = Decision::default();
    for finding in findings {
        let key = finding.key();
        let open = standing.open.iter().find(|open| open.key == key);
        let recovers = open.is_some_and(|open| open.recovers(now));
        let is_hidden =
            causes.contains_key(&key) || recovers || is_muted(&finding.rule, finding.subject.view_id());
        if !is_hidden && open.is_none_or(|open| !open.is_announced) {
            decision.announce.insert(key);
        }
        if open.is_none() {
            decision.fire.push(finding.clone());
        }
    }
    let keys: BTreeSet<String> = findings.iter().map(Finding::key).collect();
    let ended = standing.open.iter().filter(|open| !keys.contains(&open.key));
    decision.resolve =
        ended.map(|open| (open.id, open.is_announced && !is_muted(&open.rule, open.view_id))).collect();
    decision.causes = causes;
    decision
}

/// Why an alert ended.
pub fn resolution(open: &Open, facts: &Facts, rules: &Rules) -> Resolution {
    if let Some(id) = open.view_id {
        let Some(view) = facts.views.iter().find(|view| view.id == id) else { return Resolution::Gone };
        if view.is_paused {
            return Resolution::Paused;
        }
        let judges = rules.of_view(open.kind, view).map(|(name, _)| name);
        return if judges == Some(&open.rule) { Resolution::Well } else { Resolution::Ruled };
    }
    let is_gone = match open.key.split_once(':').and_then(|(_, subject)| subject.split_once('/')) {
        Some(("worker", id)) => !facts.workers.iter().any(|worker| worker.id.to_string() == id),
        Some(("job", name)) => !facts.jobs.iter().any(|job| job.name == name),
        _ => false,
    };
    let is_on = rules.all.enabled && rules.get(&open.rule).is_some_and(|rule| rule.enabled);
    match (is_gone, is_on) {
        (true, _) => Resolution::Gone,
        (false, true) => Resolution::Well,
        (false, false) => Resolution::Ruled,
    }
}

/// What explains what: the end of each chain, so that one alert is told for all that follows from it.
fn causes(findings: &[Finding], reads: &Reads) -> BTreeMap<String, String> {
    let explained =
        findings.iter().filter_map(|finding| Some((finding.key(), root(finding, findings, reads)?)));
    explained.collect()
}

/// The finding at the end of the chain of explanations; none for one that explains itself. The chain ends: on one view
/// only a deeper kind explains, and views do not read each other in circles.
fn root(finding: &Finding, findings: &[Finding], reads: &Reads) -> Option<String> {
    let next = explanation(finding, findings, reads)?;
    Some(root(next, findings, reads).unwrap_or_else(|| next.key()))
}

fn explanation<'a>(finding: &Finding, findings: &'a [Finding], reads: &Reads) -> Option<&'a Finding> {
    let rank = depth(finding.kind)?;
    let on_the_same = findings.iter().filter(|other| {
        other.subject == finding.subject && depth(other.kind).is_some_and(|depth| depth < rank)
    });
    let nearest = on_the_same.min_by_key(|other| depth(other.kind));
    if nearest.is_some() || finding.kind != RuleKind::Stale {
        return nearest;
    }
    let read = finding.subject.view_id().and_then(|view| reads.get(&view));
    let upstream = findings.iter().filter(|other| {
        let id = other.subject.view_id();
        depth(other.kind).is_some() && id.is_some_and(|id| read.is_some_and(|read| read.contains(&id)))
    });
    // One that reads no other that fires is as near to the root as any.
    upstream
        .min_by_key(|other| (depth(other.kind), other.subject.view_id()))
        .or_else(|| findings.iter().find(|other| other.subject == Subject::Scheduler))
}

/// Of what one view can suffer from at once, the smaller number explains the larger; none for what stands by itself.
fn depth(kind: RuleKind) -> Option<u8> {
    match kind {
        RuleKind::Missing => Some(0),
        RuleKind::Quarantined => Some(1),
        RuleKind::Streak => Some(2),
        RuleKind::Failed => Some(3),
        RuleKind::Stale => Some(4),
        RuleKind::Slow | RuleKind::Mismatch | RuleKind::Scheduler | RuleKind::Worker => None,
    }
}
