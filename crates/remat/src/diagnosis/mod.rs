//! Why a view is not as fresh as it should be, and what to look at first.
//!
//! Law: decides from values that were read at one moment; asks nobody and knows no clock but the one it is given. A cause is
//! the root, not a symptom: a view that was skipped because another failed names that other one, and what has one cause is
//! told once. Words for people are made where they are shown.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    name::RelationName,
    run::{Run, Status},
    schedule::Schedule,
    status::State,
    store::{
        glance::{Glance, Waiting},
        live::LiveRun,
    },
    view::Pause,
};

/// What stands around the views when one asks why.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// What is at work.
    pub live: Vec<LiveRun>,
    /// The runs that others were skipped for.
    pub roots: Vec<Run>,
    /// The queues that workers serve who are heard of; none in the list for all of them.
    pub served: Vec<Vec<String>>,
    /// False where it is known that no scheduler ticks.
    pub has_scheduler: bool,
}

/// The root of the matter.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// It is being refreshed.
    AtWork {
        /// The run.
        run: i64,
        /// For so long.
        elapsed_seconds: f64,
        /// What half of the last refreshes took at most, in milliseconds.
        usual_ms: Option<i64>,
    },
    /// It is being refreshed, and waits for a lock.
    WaitsForLock {
        /// The run.
        run: i64,
        /// The session that holds it up.
        pid: Option<i32>,
        /// For so long.
        since_seconds: f64,
    },
    /// Somebody paused it.
    Paused(Pause),
    /// Nothing stands under its name.
    NotCreated,
    /// It was created and never filled.
    NeverFilled,
    /// A view that it reads failed.
    UpstreamFailed {
        /// The view that failed, where the run is still kept.
        view: Option<RelationName>,
        /// The run that failed.
        run: i64,
        /// Why.
        error: Option<String>,
    },
    /// Its last run failed.
    Failed {
        /// The run.
        run: i64,
        /// Why.
        error: Option<String>,
        /// The server's code.
        sqlstate: Option<String>,
        /// When it is tried again, where it is.
        again_at: Option<Timestamp>,
    },
    /// A run waits for runs of views that it reads.
    WaitsForUpstream {
        /// The run that waits.
        run: i64,
        /// The runs that it waits for.
        waits_for: Vec<i64>,
    },
    /// A run waits for a worker, and none serves its queue.
    NoWorker {
        /// The run, where there is one.
        run: Option<i64>,
        /// The queue, where there is one.
        queue: Option<String>,
    },
    /// A run waits, and workers are busy.
    Queued {
        /// The run.
        run: i64,
        /// Since when.
        since: Timestamp,
        /// Before this it is not claimed.
        due_at: Timestamp,
    },
    /// No scheduler ticks, so nothing falls due.
    SchedulerStalled,
    /// Its schedule fires more rarely than its target allows.
    RarerThanTarget {
        /// The time between two firings, in seconds.
        every_seconds: i64,
        /// When it fires next.
        next: Option<Timestamp>,
    },
    /// Its schedule has not come round again since the contents grew old.
    NextFire {
        /// When it fires next.
        next: Option<Timestamp>,
    },
    /// It has a target, no schedule, and no run was asked for.
    NotAskedFor,
}

/// Something to look at, and all that it holds up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Concern {
    /// The view.
    pub view: RelationName,
    /// What to know first about it.
    pub state: State,
    /// Why.
    pub cause: Cause,
    /// By how many seconds it is over its target.
    pub over_seconds: Option<f64>,
    /// Other views that have the same cause.
    pub others: Vec<RelationName>,
}

/// All views together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// How many there are.
    pub views: usize,
    /// How many are in each state.
    pub states: Vec<(State, usize)>,
    /// How many are older than their targets, whatever their state.
    pub late: usize,
    /// The one that is furthest over its target, and by how many seconds.
    pub worst: Option<(RelationName, f64)>,
    /// What to look at, the worst first.
    pub concerns: Vec<Concern>,
}

/// By how many seconds a view is over its target.
#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
pub fn over_seconds(glance: &Glance) -> Option<f64> {
    let over = glance.age_seconds? - glance.target_lag_seconds? as f64;
    (over > 0.0).then_some(over)
}

/// Looks at all views.
pub fn health(views: &[Glance], around: &Around, now: Timestamp) -> Health {
    let counts = State::ALL
        .iter()
        .map(|state| (*state, views.iter().filter(|view| view.state == *state).count()))
        .filter(|(_, count)| *count > 0);
    let over = |view: &Glance| over_seconds(view).map(|over| (view.view.clone(), over));
    Health {
        views: views.len(),
        states: counts.collect(),
        late: views.iter().filter(|view| over_seconds(view).is_some()).count(),
        worst: views.iter().filter_map(over).max_by(|one, other| one.1.total_cmp(&other.1)),
        concerns: concerns(views, around, now),
    }
}

fn concerns(views: &[Glance], around: &Around, now: Timestamp) -> Vec<Concern> {
    let mut found: Vec<Concern> = views.iter().filter_map(|view| concern(view, around, now)).collect();
    found.sort_by(|one, other| {
        let key = |concern: &Concern| (rank(concern), -concern.over_seconds.unwrap_or_default());
        let (one, other) = (key(one), key(other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
    });
    let mut told: Vec<Concern> = Vec::new();
    for concern in found {
        match told.iter_mut().find(|other| is_same(other, &concern)) {
            Some(other) => other.others.push(concern.view),
            None => told.push(concern),
        }
    }
    told
}

/// True where one has told the cause of the other already.
fn is_same(told: &Concern, concern: &Concern) -> bool {
    match (&told.cause, &concern.cause) {
        (
            Cause::Failed { run: root, .. } | Cause::UpstreamFailed { run: root, .. },
            Cause::UpstreamFailed { run, .. },
        ) => root == run,
        (Cause::NoWorker { queue: one, .. }, Cause::NoWorker { queue: other, .. }) => one == other,
        (Cause::SchedulerStalled, Cause::SchedulerStalled) => true,
        _ => false,
    }
}

/// What concerns many comes first, then what readers get errors from, then what is wrong, then what is slow.
fn rank(concern: &Concern) -> u8 {
    match (&concern.cause, concern.state) {
        (Cause::NoWorker { .. } | Cause::SchedulerStalled, _) => 0,
        (_, State::Absent | State::Unpopulated) => 1,
        (Cause::Failed { .. }, _) => 2,
        (Cause::UpstreamFailed { .. }, _) => 3,
        (Cause::WaitsForLock { .. }, _) => 4,
        (Cause::Paused(_), _) => 6,
        (Cause::AtWork { .. }, _) => 7,
        _ => 5,
    }
}

fn concern(view: &Glance, around: &Around, now: Timestamp) -> Option<Concern> {
    let over = over_seconds(view);
    let cause = cause(view, around, now)?;
    // A pause that has not made anything late is somebody's wish.
    let is_wish = matches!(cause, Cause::Paused(_)) && over.is_none();
    let goes_on = matches!(cause, Cause::AtWork { .. }) && over.is_none();
    (!is_wish && !goes_on).then(|| Concern {
        view: view.view.clone(),
        state: view.state,
        cause,
        over_seconds: over,
        others: Vec::new(),
    })
}

/// Why a view is not as it should be; none where it is.
pub fn cause(view: &Glance, around: &Around, now: Timestamp) -> Option<Cause> {
    if let Some(live) = view.at_work.and_then(|run| around.live.iter().find(|live| live.id == run)) {
        return Some(of_live(live));
    }
    if let Some(pause) = &view.pause {
        return Some(Cause::Paused(pause.clone()));
    }
    let is_late = over_seconds(view).is_some();
    let root = view.skipped.as_ref().and_then(|skip| skip.root_cause);
    match view.state {
        State::Fresh | State::Ok | State::Running if root.is_none() && !is_late => None,
        State::Absent => Some(waiting(view, around, now).unwrap_or(Cause::NotCreated)),
        State::Unpopulated if !has_failed(view) => {
            Some(waiting(view, around, now).unwrap_or(Cause::NeverFilled))
        }
        _ if root.is_some() => root.map(|run| upstream(run, around)),
        _ if has_failed(view) => failed(view),
        _ if !is_late && view.state != State::Stale => None,
        _ => Some(waiting(view, around, now).unwrap_or_else(|| not_enqueued(view, around, now))),
    }
}

fn has_failed(view: &Glance) -> bool {
    view.last.as_ref().is_some_and(|last| last.status == Status::Failed)
}

fn of_live(live: &LiveRun) -> Cause {
    match &live.wait {
        Some((kind, _)) if kind == "Lock" => Cause::WaitsForLock {
            run: live.id,
            pid: live.blockers.first().copied(),
            since_seconds: live.query_seconds.unwrap_or(live.elapsed_seconds),
        },
        _ => Cause::AtWork { run: live.id, elapsed_seconds: live.elapsed_seconds, usual_ms: live.p50_ms },
    }
}

fn upstream(run: i64, around: &Around) -> Cause {
    let root = around.roots.iter().find(|root| root.id == run);
    Cause::UpstreamFailed {
        view: root.and_then(|root| root.view.clone()),
        run,
        error: root.and_then(|root| Some(root.error.as_ref()?.primary.clone())),
    }
}

fn failed(view: &Glance) -> Option<Cause> {
    let last = view.last.as_ref()?;
    Some(Cause::Failed {
        run: last.id,
        error: last.error.clone(),
        sqlstate: last.sqlstate.clone(),
        again_at: view.waiting.as_ref().map(|waiting| waiting.due_at),
    })
}

fn waiting(view: &Glance, around: &Around, now: Timestamp) -> Option<Cause> {
    let Waiting { id, due_at, since, queue, waits_for, .. } = view.waiting.as_ref()?;
    let is_served = around.served.iter().any(|queues| queues.is_empty() || queues.contains(queue));
    Some(match () {
        () if !is_served && *due_at <= now => Cause::NoWorker { run: Some(*id), queue: Some(queue.clone()) },
        () if !waits_for.is_empty() => Cause::WaitsForUpstream { run: *id, waits_for: waits_for.clone() },
        () => Cause::Queued { run: *id, since: *since, due_at: *due_at },
    })
}

/// It is late, and nothing waits or works.
fn not_enqueued(view: &Glance, around: &Around, now: Timestamp) -> Cause {
    if around.served.is_empty() {
        return Cause::NoWorker { run: None, queue: None };
    }
    if !around.has_scheduler {
        return Cause::SchedulerStalled;
    }
    let Some(schedule) =
        view.schedule.as_ref().and_then(|line| Schedule::parse(line, &view.schedule_zone).ok())
    else {
        return Cause::NotAskedFor;
    };
    let next = schedule.next_after(now);
    let then = next.and_then(|next| schedule.next_after(next));
    let every = next.zip(then).map(|(next, then)| then.duration_since(next).as_secs());
    match (every, view.target_lag_seconds) {
        (Some(every_seconds), Some(target)) if every_seconds > target => {
            Cause::RarerThanTarget { every_seconds, next }
        }
        _ => Cause::NextFire { next },
    }
}

/// The views that were skipped for another, with the runs that are the cause: what [`Around::roots`] must hold.
pub fn roots_of(views: &[Glance]) -> Vec<i64> {
    let roots = views.iter().filter_map(|view| view.skipped.as_ref()?.root_cause);
    roots.collect::<BTreeSet<_>>().into_iter().collect()
}

/// How long ago an instant was, in seconds.
pub fn seconds_since(instant: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(instant).max(SignedDuration::ZERO).as_secs_f64()
}

#[cfg(test)]
mod tests;
