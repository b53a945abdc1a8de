//! What fires, what explains what, and what is told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::{
    Decision, Event, Finding, Message, Mute, Open, Rule, RuleKind, Rules, Severity, Standing, Subject,
    decide,
    facts::{Facts, Failed, Found, JobFacts, Live, SchedulerFacts, ViewFacts, WorkerFacts},
    judge, time_in_words,
};
use crate::{name::RelationName, run, status::State};

fn now() -> Timestamp {
    "2026-01-02T12:00:00Z".parse().unwrap()
}

fn view(id: i64) -> ViewFacts {
    ViewFacts {
        id,
        name: RelationName::new("public", format!("v{id}")).unwrap(),
        tags: Vec::new(),
        target_lag_s: Some(600),
        state: State::Fresh,
        data_as_of: None,
        age_s: Some(60.0),
        is_paused: false,
        is_quarantined: false,
        is_made: true,
        last_success: None,
        last_duration_ms: None,
        bytes: None,
        rows: None,
        failed: None,
        live: None,
        took_ms: Vec::new(),
        verified: None,
    }
}

fn failure(in_a_row: i64, is_retried: bool) -> Failed {
    Failed { run_id: 7, message: "division by zero".into(), hint: None, is_retried, in_a_row }
}

fn facts(views: Vec<ViewFacts>) -> Facts {
    let scheduler = SchedulerFacts { is_needed: true, silent_s: Some(1.0) };
    Facts { now: now(), views, jobs: Vec::new(), scheduler, workers: Vec::new() }
}

fn judged(facts: &Facts) -> Vec<String> {
    judge(facts, &Rules::default()).iter().map(Finding::key).collect()
}

fn of_one(view: ViewFacts) -> Vec<String> {
    judged(&facts(vec![view]))
}

fn with(kind: &str, change: impl FnOnce(&mut Rule)) -> Rules {
    let mut rule = Rule::new(kind.parse().unwrap());
    change(&mut rule);
    Rules::new(super::All::default(), vec![(kind.into(), rule)])
}

#[test]
fn a_healthy_view_fires_nothing() {
    assert!(of_one(view(1)).is_empty());
}

#[test]
fn a_failure_that_is_tried_again_is_quiet_until_it_is_a_streak() {
    assert!(of_one(ViewFacts { failed: Some(failure(2, true)), ..view(1) }).is_empty());
    assert_eq!(of_one(ViewFacts { failed: Some(failure(1, false)), ..view(1) }), ["failed:view/1"]);
    assert_eq!(of_one(ViewFacts { failed: Some(failure(3, true)), ..view(1) }), ["streak:view/1"]);
}

#[test]
fn a_view_is_stale_past_its_target_and_the_grace() {
    let aged = |age_s| of_one(ViewFacts { age_s, ..view(1) });
    assert!(aged(Some(600.0)).is_empty() && aged(Some(630.0)).is_empty());
    assert_eq!(aged(Some(631.0)), ["stale:view/1"]);
    assert!(aged(None).is_empty());
    assert!(of_one(ViewFacts { target_lag_s: None, age_s: Some(1e9), ..view(1) }).is_empty());
}

#[test]
fn a_refresh_is_slow_over_twice_the_average_and_never_below_the_least() {
    let took = |took_ms: &[i64]| of_one(ViewFacts { took_ms: took_ms.to_vec(), ..view(1) });
    assert!(took(&[20_000, 10_000, 10_000, 10_000]).is_empty(), "twice is not over twice");
    assert_eq!(took(&[20_001, 10_000, 10_000, 10_000]), ["slow:view/1"]);
    assert!(took(&[9_999, 10, 10, 10]).is_empty(), "below ten seconds");
    assert!(took(&[60_000, 10, 10]).is_empty(), "two make no average");
    // The eleventh is beyond the window.
    let mut window = vec![20_001];
    window.extend([10_000; 10]);
    window.push(1_000_000_000);
    assert_eq!(took(&window), ["slow:view/1"]);
}

#[test]
fn a_refresh_at_work_counts_as_slow_before_it_ends() {
    let live = Some(Live { run_id: 9, seconds: 31.0 });
    let view = ViewFacts { took_ms: vec![15_000; 3], live, ..view(1) };
    let found = judge(&facts(vec![view]), &Rules::default());
    assert_eq!((found[0].key().as_str(), found[0].run_id), ("slow:view/1", Some(9)));
    assert_eq!(
        found[0].reason,
        "is slow: its refresh has been at work for 31 s, the last 3 took 15 s on average"
    );
}

#[test]
fn a_paused_view_is_left_alone_unless_remat_paused_it() {
    let bad = ViewFacts { failed: Some(failure(1, false)), age_s: Some(1e6), is_paused: true, ..view(1) };
    assert!(of_one(bad.clone()).is_empty());
    let quarantined = ViewFacts { is_quarantined: true, ..bad };
    assert_eq!(of_one(quarantined), ["failed:view/1", "stale:view/1", "quarantined:view/1"]);
}

#[test]
fn a_mismatch_and_a_missing_relation_fire() {
    let found = |finding| Some(Found { finding, at: now(), run_id: 3 });
    let verified = |finding| of_one(ViewFacts { verified: found(finding), ..view(1) });
    assert_eq!(verified(run::Finding::Mismatch), ["mismatch:view/1"]);
    assert!(verified(run::Finding::Equal).is_empty());
    assert_eq!(of_one(ViewFacts { state: State::Absent, age_s: None, ..view(1) }), ["missing:view/1"]);
    let never_made = ViewFacts { state: State::Absent, age_s: None, is_made: false, ..view(1) };
    assert!(of_one(never_made).is_empty());
}

#[test]
fn a_silent_scheduler_fires_only_where_something_is_due_by_the_clock() {
    let silent = |is_needed, silent_s| {
        judged(&Facts { scheduler: SchedulerFacts { is_needed, silent_s }, ..facts(Vec::new()) })
    };
    assert_eq!(silent(true, Some(61.0)), ["scheduler_stalled:scheduler"]);
    assert!(silent(true, Some(60.0)).is_empty() && silent(false, Some(1e6)).is_empty());
    assert!(silent(true, None).is_empty(), "there never was one: somebody else keeps the clock");
}

#[test]
fn a_worker_that_fell_silent_fires_for_an_hour() {
    let worker = |silent_s| WorkerFacts { id: 4, name: "host:1".into(), slots: 1, silent_s };
    let silent = |seconds| judged(&Facts { workers: vec![worker(seconds)], ..facts(Vec::new()) });
    assert_eq!(silent(61.0), ["worker_lost:worker/4"]);
    assert!(silent(59.0).is_empty() && silent(3600.0).is_empty());
}

#[test]
fn a_job_of_sql_fails_like_a_view() {
    let job = JobFacts { name: "cleanup".into(), failed: Some(failure(3, false)) };
    let found = judged(&Facts { jobs: vec![job], ..facts(Vec::new()) });
    assert_eq!(found, ["failed:job/cleanup", "streak:job/cleanup"]);
}

#[test]
fn the_most_particular_rule_of_a_kind_judges_alone() {
    let old = |id, tags: &[&str]| ViewFacts {
        age_s: Some(1000.0),
        tags: tags.iter().map(ToString::to_string).collect(),
        ..view(id)
    };
    let patient = Rule { grace_ms: 3_600_000, tags: vec!["report".into()], ..Rule::new(RuleKind::Stale) };
    let off = Rule { enabled: false, views: vec!["public.v3".into()], ..Rule::new(RuleKind::Stale) };
    let named =
        Rule { views: vec!["public.v4".into()], severity: Severity::Critical, ..Rule::new(RuleKind::Stale) };
    let written = [("patient", patient), ("off", off), ("named", named)];
    let rules =
        Rules::new(super::All::default(), written.map(|(name, rule)| (name.to_owned(), rule)).to_vec());
    let views = vec![old(1, &[]), old(2, &["report"]), old(3, &["report"]), old(4, &["report"])];
    let keys: Vec<_> = judge(&facts(views), &rules).iter().map(Finding::key).collect();
    assert_eq!(keys, ["stale:view/1", "named:view/4"]);
}

#[test]
fn a_rule_that_is_off_is_off() {
    let bad = facts(vec![ViewFacts { failed: Some(failure(9, false)), ..view(1) }]);
    let rules = with("failed", |rule| rule.enabled = false);
    let keys: Vec<_> = judge(&bad, &rules).iter().map(Finding::key).collect();
    assert_eq!(keys, ["streak:view/1"]);
    let none = Rules::new(super::All { enabled: false, ..super::All::default() }, Vec::new());
    assert!(judge(&bad, &none).is_empty());
}

/// What fires when these views are stale, and the one with `root` failed, in a chain in which each reads those before it.
fn chain(length: i64, root: i64) -> (Vec<Finding>, Standing) {
    let views = (1..=length).map(|id| ViewFacts {
        age_s: Some(1000.0),
        failed: (id == root).then(|| failure(1, false)),
        ..view(id)
    });
    let reads = (1..=length).map(|id| (id, (1..id).collect::<BTreeSet<_>>())).collect();
    (judge(&facts(views.collect()), &Rules::default()), Standing { reads, ..Standing::default() })
}

fn announced(decision: &Decision) -> Vec<&str> {
    decision.announce.iter().map(String::as_str).collect()
}

#[test]
fn one_root_cause_is_told_instead_of_what_follows_from_it() {
    let (findings, standing) = chain(4, 1);
    let decision = decide(now(), &findings, &standing);
    assert_eq!(announced(&decision), ["failed:view/1"]);
    assert_eq!(decision.fire.len(), 5, "each is still an alert");
    assert!(decision.causes.values().all(|cause| cause == "failed:view/1"));
    assert_eq!(decision.causes.len(), 4);
}

#[test]
fn a_view_above_the_cause_tells_of_itself() {
    let (findings, standing) = chain(3, 3);
    // v1 is stale by itself; v2 follows from it; v3 has failed, which is its own matter.
    assert_eq!(announced(&decide(now(), &findings, &standing)), ["failed:view/3", "stale:view/1"]);
}

#[test]
fn a_stalled_scheduler_explains_every_stale_view() {
    let (_, standing) = chain(3, 0);
    let views = (1..=3).map(|id| ViewFacts { age_s: Some(1000.0), ..view(id) }).collect();
    let scheduler = SchedulerFacts { is_needed: true, silent_s: Some(900.0) };
    let findings = judge(&Facts { scheduler, ..facts(views) }, &Rules::default());
    assert_eq!(announced(&decide(now(), &findings, &standing)), ["scheduler_stalled:scheduler"]);
}

fn open(id: i64, key: &str, is_announced: bool) -> Open {
    let (rule, subject) = key.split_once(':').unwrap();
    let view_id = subject.strip_prefix("view/").map(|id| id.parse().unwrap());
    Open {
        id,
        key: key.into(),
        rule: rule.into(),
        kind: rule.parse().unwrap(),
        view_id,
        is_announced,
        is_explained: false,
        cause_ended_at: None,
    }
}

#[test]
fn what_is_open_is_not_told_again_and_what_ended_is_told_once() {
    let (findings, mut standing) = chain(1, 1);
    standing.open = vec![
        open(10, "failed:view/1", true),
        open(11, "streak:view/1", true),
        open(12, "slow:view/1", false),
    ];
    let decision = decide(now(), &findings, &standing);
    assert!(decision.announce.is_empty());
    assert_eq!(decision.fire.iter().map(Finding::key).collect::<Vec<_>>(), ["stale:view/1"]);
    assert_eq!(decision.resolve, [(11, true), (12, false)]);
}

#[test]
fn a_mute_hides_and_its_end_tells_what_is_still_there() {
    let (findings, mut standing) = chain(1, 1);
    for mute in [("*", None), ("failed", None), ("failed", Some(1)), ("*", Some(1))] {
        standing.mutes = vec![Mute { rule: mute.0.into(), view_id: mute.1 }];
        assert!(decide(now(), &findings, &standing).announce.is_empty(), "{mute:?}");
    }
    standing.mutes = vec![Mute { rule: "failed".into(), view_id: Some(2) }];
    standing.open = vec![open(10, "failed:view/1", false)];
    assert_eq!(announced(&decide(now(), &findings, &standing)), ["failed:view/1"]);
}

#[test]
fn a_view_gets_time_to_recover_when_its_cause_has_ended() {
    let stale = judge(&facts(vec![ViewFacts { age_s: Some(1000.0), ..view(2) }]), &Rules::default());
    let after = |minutes| {
        let ended = now().checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap();
        let waits =
            Open { is_explained: true, cause_ended_at: Some(ended), ..open(5, "stale:view/2", false) };
        decide(now(), &stale, &Standing { open: vec![waits], ..Standing::default() }).announce.len()
    };
    assert_eq!((after(9), after(10)), (0, 1));
}

#[test]
fn a_length_of_time_has_its_two_largest_units() {
    let words = [0.4, 59.0, 61.0, 3600.0, 7830.0, 90_000.0].map(time_in_words);
    assert_eq!(words, ["0 s", "59 s", "1 min 1 s", "1 h", "2 h 10 min", "1 d 1 h"]);
}

#[test]
fn words_of_strangers_stay_on_their_line() {
    let mut message = Message::test("shop", now(), None);
    message.event = Event::Firing;
    message.about = "view public.\"a\r\nBcc: x\"".into();
    message.advice = "one\u{7}\ntwo".into();
    assert_eq!(message.subject().lines().count(), 1);
    assert!(
        message.text().starts_with("what to do: one  two\nsince: 2026-01-02 12:00:00 UTC\n"),
        "{}",
        message.text()
    );
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let kind = proptest::sample::select(RuleKind::ALL);
    (kind, 1..6_i64).prop_map(|(kind, id)| {
        let subject = match kind {
            RuleKind::Scheduler => Subject::Scheduler,
            RuleKind::Worker => Subject::Worker(id, "w".into()),
            _ => Subject::View(id, RelationName::new("public", format!("v{id}")).unwrap()),
        };
        Finding {
            rule: kind.as_str().into(),
            kind,
            subject,
            severity: Severity::Warning,
            reason: String::new(),
            advice: String::new(),
            run_id: None,
        }
    })
}

proptest! {
    #[test]
    fn whatever_fires_something_is_told_and_nothing_explains_itself(
        mut findings in proptest::collection::vec(any_finding(), 1..20),
        edges in proptest::collection::vec((1..6_i64, 1..6_i64), 0..12),
    ) {
        findings.sort_by_key(Finding::key);
        findings.dedup_by_key(|finding| finding.key());
        // Views with a larger number read those with a smaller one: no circle.
        let mut reads: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        for (a, b) in edges.into_iter().filter(|(a, b)| a != b) {
            reads.entry(a.max(b)).or_default().insert(a.min(b));
        }
        let decision = decide(now(), &findings, &Standing { reads, ..Standing::default() });
        prop_assert!(!decision.announce.is_empty());
        for (explained, cause) in &decision.causes {
            prop_assert!(explained != cause && !decision.announce.contains(explained));
            prop_assert!(decision.announce.contains(cause), "{cause} is told for {explained}");
        }
        prop_assert_eq!(decision.announce.len() + decision.causes.len(), findings.len());
    }

    #[test]
    fn deciding_again_changes_nothing(findings in proptest::collection::vec(any_finding(), 0..20)) {
        let mut findings = findings;
        findings.sort_by_key(Finding::key);
        findings.dedup_by_key(|finding| finding.key());
        let first = decide(now(), &findings, &Standing::default());
        let open = findings.iter().zip(1..).map(|(finding, id)| Open {
            is_announced: first.announce.contains(&finding.key()),
            ..open(id, &finding.key(), false)
        });
        let again = decide(now(), &findings, &Standing { open: open.collect(), ..Standing::default() });
        prop_assert!(again.fire.is_empty() && again.announce.is_empty() && again.resolve.is_empty());
    }
}
