//! From what fires now and what stood before to what is written: which alerts open, which end, and which are told.
//!
//! Law: each alert is told once. One that is muted or explained by another is not told, and is told late if it is still
//! there when nothing hides it any more; the views that wait for the one that was the cause get some time first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    judge::{Finding, Subject},
    rule::{MAIN, RuleKind},
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
    /// When the alert that explained it ended, if one did.
    pub cause_ended_at: Option<Timestamp>,
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

/// What stood before, and how views read each other.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Alerts that are open.
    pub open: Vec<Open>,
    /// Mutes that hold.
    pub mutes: Vec<Mute>,
    /// The views that each view reads, at any distance.
    pub reads: BTreeMap<i64, BTreeSet<i64>>,
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
    let is_muted = |rule: &str, view| standing.mutes.iter().any(|mute| mute.hides(rule, view));
    let mut decision = Decision::default();
    for finding in findings {
        let key = finding.key();
        let open = standing.open.iter().find(|open| open.key == key);
        let recovers = open
            .and_then(|open| open.cause_ended_at)
            .is_some_and(|ended| now.duration_since(ended) < RECOVERY);
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

/// What explains what: the end of each chain, so that one alert is told for all that follows from it.
fn causes(findings: &[Finding], reads: &BTreeMap<i64, BTreeSet<i64>>) -> BTreeMap<String, String> {
    let explained =
        findings.iter().filter_map(|finding| Some((finding.key(), root(finding, findings, reads)?)));
    explained.collect()
}

/// The finding at the end of the chain of explanations; none for one that explains itself. The chain ends: on one view
/// only a deeper kind explains, and views do not read each other in circles.
fn root(finding: &Finding, findings: &[Finding], reads: &BTreeMap<i64, BTreeSet<i64>>) -> Option<String> {
    let next = explanation(finding, findings, reads)?;
    Some(root(next, findings, reads).unwrap_or_else(|| next.key()))
}

fn explanation<'a>(
    finding: &Finding,
    findings: &'a [Finding],
    reads: &BTreeMap<i64, BTreeSet<i64>>,
) -> Option<&'a Finding> {
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
