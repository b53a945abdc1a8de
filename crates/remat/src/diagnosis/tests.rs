//! What the cause is in each situation, and what is told once.

use super::*;
use crate::{
    run::{Operation, Trigger},
    store::glance::{Brief, Skip},
    view::Strategy,
};

const NOW: &str = "2026-08-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A view that is an hour old and may be so for `target` seconds.
fn view(name: &str, target: Option<i64>) -> Glance {
    let late = target.is_some_and(|target| target < 3_600);
    Glance {
        id: 1,
        view: RelationName::new("public", name).unwrap(),
        strategy: Strategy::Auto,
        state: match (target, late) {
            (None, _) => State::Ok,
            (_, true) => State::Stale,
            (_, false) => State::Fresh,
        },
        data_as_of: Some("2026-08-01T11:00:00Z".parse().unwrap()),
        age_seconds: Some(3_600.0),
        target_lag_seconds: target,
        tags: Vec::new(),
        owner: None,
        description: None,
        schedule: None,
        schedule_zone: "UTC".into(),
        pause: None,
        bytes: None,
        rows: None,
        last: Some(brief(7, Status::Success)),
        skipped: None,
        waiting: None,
        at_work: None,
        oid: Some(1),
    }
}

fn brief(id: i64, status: Status) -> Brief {
    let error = (status == Status::Failed).then(|| "division by zero".to_owned());
    Brief {
        id,
        operation: Operation::Refresh,
        status,
        finished_at: Some(now()),
        duration_ms: Some(10),
        error,
        sqlstate: None,
    }
}

fn waits(due_at: &str) -> Waiting {
    Waiting {
        id: 9,
        due_at: due_at.parse().unwrap(),
        since: now(),
        queue: "default".into(),
        attempt: 1,
        waits_for: Vec::new(),
    }
}

/// One worker for every queue, and a scheduler.
fn around() -> Around {
    Around { served: vec![Vec::new()], has_scheduler: true, ..Around::default() }
}

#[test]
fn a_view_that_is_as_it_should_be_has_no_cause() {
    assert_eq!(cause(&view("a", Some(7_200)), &around(), now()), None);
    assert_eq!(cause(&view("a", None), &around(), now()), None);
}

#[test]
fn a_failure_is_the_cause_before_all_that_follows_from_it() {
    let failed = Glance {
        state: State::Failed,
        last: Some(brief(8, Status::Failed)),
        waiting: Some(waits("2026-08-01T12:01:00Z")),
        ..view("a", Some(60))
    };
    let Some(Cause::Failed { run: 8, again_at: Some(_), .. }) = cause(&failed, &around(), now()) else {
        panic!("{:?}", cause(&failed, &around(), now()))
    };
}

#[test]
fn a_view_that_was_skipped_names_the_one_that_failed() {
    let root =
        Glance { state: State::Failed, last: Some(brief(8, Status::Failed)), ..view("root", Some(60)) };
    let reader = |name: &str| Glance {
        skipped: Some(Skip { id: 20, reason: "upstream_failed".into(), root_cause: Some(8) }),
        ..view(name, Some(60))
    };
    let found = health(&[reader("a"), root, reader("b")], &around(), now());
    assert_eq!(found.concerns.len(), 1, "{:#?}", found.concerns);
    assert_eq!(found.concerns[0].view.name.as_str(), "root");
    let others: Vec<_> = found.concerns[0].others.iter().map(|other| other.name.as_str()).collect();
    assert_eq!(others, ["a", "b"]);
    assert_eq!((found.views, found.late), (3, 3));
}

#[test]
fn without_a_worker_that_is_one_cause_for_all() {
    let nobody = Around { has_scheduler: true, ..Around::default() };
    let views = [view("a", Some(60)), view("b", Some(120)), view("c", Some(7_200))];
    let found = health(&views, &nobody, now());
    assert_eq!(found.concerns.len(), 1);
    assert_eq!(found.concerns[0].cause, Cause::NoWorker { run: None, queue: None });
    assert_eq!(
        found.worst.map(|(view, over)| (view.name.as_str().to_owned(), over)),
        Some(("a".into(), 3_540.0))
    );
}

#[test]
fn a_queue_that_nobody_serves_is_told_and_one_that_is_served_is_waited_in() {
    let waiting = Glance { waiting: Some(waits("2026-08-01T11:59:00Z")), ..view("a", Some(60)) };
    let others = Around { served: vec![vec!["reports".into()]], ..around() };
    let found = cause(&waiting, &others, now());
    assert_eq!(found, Some(Cause::NoWorker { run: Some(9), queue: Some("default".into()) }));
    assert!(matches!(cause(&waiting, &around(), now()), Some(Cause::Queued { run: 9, .. })));
}

#[test]
fn a_schedule_that_is_rarer_than_the_target_is_the_cause() {
    let daily = Glance { schedule: Some("0 6 * * *".into()), ..view("a", Some(60)) };
    let found = cause(&daily, &around(), now());
    assert!(
        matches!(found, Some(Cause::RarerThanTarget { every_seconds: 86_400, next: Some(_) })),
        "{found:?}"
    );
    let often = Glance { schedule: Some("* * * * *".into()), ..view("a", Some(60)) };
    assert!(matches!(cause(&often, &around(), now()), Some(Cause::NextFire { .. })));
    let silent = Around { has_scheduler: false, ..around() };
    assert_eq!(cause(&often, &silent, now()), Some(Cause::SchedulerStalled));
}

#[test]
fn a_pause_concerns_nobody_until_something_is_late() {
    let pause = Pause { by: "ada".into(), reason: None, until: None };
    let paused = |target| Glance { state: State::Paused, pause: Some(pause.clone()), ..view("a", target) };
    assert!(health(&[paused(Some(7_200))], &around(), now()).concerns.is_empty());
    assert_eq!(health(&[paused(Some(60))], &around(), now()).concerns.len(), 1);
}

#[test]
fn a_lock_is_named_with_who_holds_it() {
    let live = LiveRun {
        id: 30,
        view: None,
        operation: Operation::Refresh,
        status: Status::Running,
        trigger: Trigger::Lag,
        job: None,
        worker: None,
        attempt: 1,
        started_at: None,
        elapsed_seconds: 12.0,
        is_cancel_asked: false,
        pid: Some(100),
        wait: Some(("Lock".into(), "relation".into())),
        query: None,
        query_seconds: Some(11.0),
        blockers: vec![812],
        progress: None,
        p50_ms: None,
        p95_ms: None,
    };
    let at_work = Glance { state: State::Running, at_work: Some(30), ..view("a", Some(60)) };
    let found = cause(&at_work, &Around { live: vec![live], ..around() }, now());
    assert_eq!(found, Some(Cause::WaitsForLock { run: 30, pid: Some(812), since_seconds: 11.0 }));
}
