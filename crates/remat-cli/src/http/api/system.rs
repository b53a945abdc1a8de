//! The whole: health, schedules, queues, workers, statistics, history.

use std::collections::BTreeMap;

use axum::{Json, extract::State, response::Response};
use jiff::Timestamp;
use remat::{
    access::{Act, Role},
    name::RelationName,
    status::{State as Standing, ViewStatus},
    store::{
        backlog::Backlog,
        jobs::{ScheduledJob, Work},
        retention::{Pruned, Retention},
        stats::ViewStats,
        workers::WorkerRow,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::{
    command::{check, schedule},
    http::{
        Mount, Principal, Problem, Web,
        extract::{Maybe, Named, Params},
        once::{Accepted, Once, detached},
    },
};

/// A worker says every two seconds that it lives.
const SILENT_SECONDS: f64 = 6.0;

pub(super) fn mount(mount: Mount) -> Mount {
    mount
        .api(Role::Viewer, routes!(me))
        .api(Role::Viewer, routes!(health))
        .api(Role::Viewer, routes!(checked))
        .api(Role::Viewer, routes!(stats))
        .api(Role::Viewer, routes!(schedules))
        .api(Role::Viewer, routes!(jobs))
        .api(Role::Operator, routes!(run_job))
        .api(Role::Viewer, routes!(queues))
        .api(Role::Viewer, routes!(workers))
        .api(Role::Admin, routes!(prune))
}

/// Whoever asks.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The name of the token, or `local` where nobody has to log in.
    name: String,
    role: Role,
    /// The schemas whose views are seen; null for all of them.
    schemas: Option<Vec<String>>,
    /// The version of the server.
    version: &'static str,
}

/// Who asks, and what they may.
#[utoipa::path(get, path = "/api/v1/me", tag = "access", responses((status = 200, body = Me)))]
async fn me(principal: Principal) -> Json<Me> {
    Json(Me {
        name: principal.name,
        role: principal.role,
        schemas: principal.scope.schemas().map(<[String]>::to_vec),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// What a sentence of health says.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Whether no view needs looking at, a worker lives, and the loops of this process turn.
    healthy: bool,
    /// How many views there are in each state.
    views: BTreeMap<&'static str, usize>,
    /// The views that need looking at.
    bad: usize,
    /// The one that is furthest past its target.
    worst: Option<Worst>,
    /// Loops of this process that are not back in time.
    stalled: Vec<&'static str>,
    /// Workers that were heard of within the last seconds.
    workers: usize,
}

/// A view past its target.
#[derive(Serialize, ToSchema)]
struct Worst {
    view: RelationName,
    state: Standing,
    age_seconds: Option<f64>,
    target_lag_seconds: Option<i64>,
    /// How far past it, in seconds.
    late_seconds: f64,
}

#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
fn late(status: &ViewStatus) -> Option<Worst> {
    let (age, target) = (status.age_seconds?, status.target_lag_seconds?);
    let late_seconds = age - target as f64;
    (late_seconds > 0.0).then(|| Worst {
        view: status.view.clone(),
        state: status.state,
        age_seconds: status.age_seconds,
        target_lag_seconds: status.target_lag_seconds,
        late_seconds,
    })
}

/// How all of it stands.
#[utoipa::path(get, path = "/api/v1/health", tag = "system", responses((status = 200, body = Health)))]
async fn health(State(web): State<Web>, principal: Principal) -> Result<Json<Health>, Problem> {
    let mut views = web.remat.status().await?;
    views.retain(|status| principal.scope.sees(&status.view));
    let mut by_state: BTreeMap<&'static str, usize> =
        Standing::ALL.iter().map(|state| (state.as_str(), 0)).collect();
    for status in &views {
        *by_state.entry(status.state.as_str()).or_default() += 1;
    }
    let bad = views.iter().filter(|status| status.state.is_bad()).count();
    let worst = views.iter().filter_map(late).max_by(|a, b| a.late_seconds.total_cmp(&b.late_seconds));
    let alive = |worker: &WorkerRow| worker.heartbeat_age_seconds <= SILENT_SECONDS;
    let workers = web.remat.workers().await?.iter().filter(|worker| alive(worker)).count();
    let stalled = web.health.stalled();
    let healthy = bad == 0 && workers > 0 && stalled.is_empty();
    Ok(Json(Health { healthy, views: by_state, bad, worst, stalled, workers }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HowToCheck {
    /// The target of views that have none, in seconds.
    #[param(minimum = 1)]
    max_age_s: Option<i64>,
    /// Only views with this tag.
    tag: Option<String>,
}

/// What `remat check` finds.
#[derive(Serialize, ToSchema)]
struct Checked {
    ok: bool,
    problems: Vec<check::Problem>,
}

/// Views that are past their target, failed, absent or empty. The status is 200 in any case: look at `ok`.
#[utoipa::path(get, path = "/api/v1/check", tag = "system", params(HowToCheck), responses((status = 200, body = Checked)))]
async fn checked(
    State(web): State<Web>,
    principal: Principal,
    Params(how): Params<HowToCheck>,
) -> Result<Json<Checked>, Problem> {
    if how.max_age_s.is_some_and(|seconds| seconds < 1) {
        return Err(Problem::bad_request("max_age_s is a number from 1"));
    }
    let mut views = web.remat.status().await?;
    views.retain(|status| {
        principal.scope.sees(&status.view) && how.tag.as_ref().is_none_or(|tag| status.tags.contains(tag))
    });
    let problems = check::problems(&views, how.max_age_s);
    Ok(Json(Checked { ok: problems.is_empty(), problems }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Tagged {
    /// Only views with this tag.
    tag: Option<String>,
}

/// What refreshes cost.
#[derive(Serialize, ToSchema)]
struct Stats {
    views: Vec<ViewStats>,
}

/// What refreshes cost and how often they fail.
#[utoipa::path(get, path = "/api/v1/stats", tag = "system", params(Tagged), responses((status = 200, body = Stats)))]
async fn stats(
    State(web): State<Web>,
    principal: Principal,
    Params(tagged): Params<Tagged>,
) -> Result<Json<Stats>, Problem> {
    let mut views = web.remat.stats().await?;
    views.retain(|stats| {
        principal.scope.sees(&stats.view) && tagged.tag.as_ref().is_none_or(|tag| stats.tags.contains(tag))
    });
    Ok(Json(Stats { views }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Ahead {
    /// How many firings of each to show (1).
    #[param(minimum = 1, maximum = 100)]
    next: Option<usize>,
    /// From this instant on; now when none is given.
    from: Option<Timestamp>,
}

/// What fires.
#[derive(Serialize, ToSchema)]
struct Schedules {
    /// What is next first.
    schedules: Vec<schedule::Entry>,
}

/// What fires next: scheduled jobs, and views with a schedule or a freshness target of their own.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules", params(Ahead), responses((status = 200, body = Schedules)))]
async fn schedules(
    State(web): State<Web>,
    principal: Principal,
    Params(ahead): Params<Ahead>,
) -> Result<Json<Schedules>, Problem> {
    let next = ahead.next.unwrap_or(1);
    if !(1..=100).contains(&next) {
        return Err(Problem::bad_request("next is a number from 1 to 100"));
    }
    let from = ahead.from.unwrap_or_else(Timestamp::now);
    let mut schedules = schedule::entries(&web.remat, from, next).await?;
    schedules.retain(|entry| sees(&principal, &entry.work));
    Ok(Json(Schedules { schedules }))
}

/// Whether whoever asks sees what does this.
fn sees(principal: &Principal, work: &Work) -> bool {
    match work {
        Work::View(view) => principal.scope.sees(view),
        Work::Tag(_) | Work::Sql(_) => principal.scope.is_all(),
    }
}

/// Scheduled jobs.
#[derive(Serialize, ToSchema)]
struct Jobs {
    jobs: Vec<ScheduledJob>,
}

/// Scheduled jobs by name.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "schedules", responses((status = 200, body = Jobs)))]
async fn jobs(State(web): State<Web>, principal: Principal) -> Result<Json<Jobs>, Problem> {
    let mut jobs = web.remat.jobs().await?;
    jobs.retain(|job| sees(&principal, &job.work));
    Ok(Json(Jobs { jobs }))
}

/// The runs of a job.
#[derive(Serialize, ToSchema)]
struct JobRuns {
    job: String,
    /// The runs that do it; none where a run waits already and the policy is to skip.
    runs: Vec<i64>,
}

/// Let a scheduled job do its work now, whether or not it is switched on.
#[utoipa::path(
    post, path = "/api/v1/jobs/{job}/run", tag = "schedules",
    params(
        ("job" = String, Path, description = "The name of the job"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "The same request with the same key is done once, within a day."),
    ),
    responses((status = 202, body = JobRuns), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn run_job(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    once: Once,
) -> Result<Response, Problem> {
    let known = web.remat.jobs().await?;
    if !known.iter().any(|job| job.name == name && sees(&principal, &job.work)) {
        return Err(Problem::not_found(format!("job \"{name}\" is not known")));
    }
    let (asker, place) = (principal.clone(), web.clone());
    let work = Box::pin(async move {
        let runs = place.remat.run_job(place.backend.as_ref(), &name).await?;
        let act = Act { run_id: runs.first().copied(), ..asker.act("job.run", Some(&name)) };
        place.remat.record_act(&act).await?;
        let location = runs.first().map(|run| place.link(&format!("/api/v1/runs/{run}")));
        Ok(Accepted { location, body: JobRuns { job: name, runs } })
    });
    once.accept(&web, &principal, &(), work).await
}

/// What waits and works in which queue.
#[utoipa::path(get, path = "/api/v1/queues", tag = "system", responses((status = 200, body = Backlog)))]
async fn queues(State(web): State<Web>) -> Result<Json<Backlog>, Problem> {
    Ok(Json(web.remat.backlog().await?))
}

/// Processes that work on runs.
#[derive(Serialize, ToSchema)]
struct Workers {
    workers: Vec<WorkerRow>,
}

/// The processes that work on runs.
#[utoipa::path(get, path = "/api/v1/workers", tag = "system", responses((status = 200, body = Workers)))]
async fn workers(State(web): State<Web>, principal: Principal) -> Result<Json<Workers>, Problem> {
    let mut workers = web.remat.workers().await?;
    for worker in &mut workers {
        worker.runs.retain(|run| match &run.view {
            Some(view) => principal.scope.sees(view),
            None => principal.scope.is_all(),
        });
    }
    Ok(Json(Workers { workers }))
}

/// Delete old history; what is left out has its default.
#[utoipa::path(
    post, path = "/api/v1/prune", tag = "system", request_body = Option<Retention>,
    responses((status = 200, body = Pruned), (status = 422, body = Problem, content_type = "application/problem+json")),
)]
async fn prune(
    State(web): State<Web>,
    principal: Principal,
    Maybe(retention): Maybe<Retention>,
) -> Result<Json<Pruned>, Problem> {
    let Retention { keep_per_view, keep_days, keep_failures_days, keep_fires_days, keep_events_days } =
        retention;
    if [keep_per_view, keep_days, keep_failures_days, keep_fires_days, keep_events_days]
        .iter()
        .any(|n| *n < 1)
    {
        return Err(
            Problem::bad_request("what is kept cannot be read").with_detail("Each is a number from 1.")
        );
    }
    detached(async move {
        let pruned = web.remat.prune(&retention, |_| ()).await?;
        let after = serde_json::to_value(retention).ok();
        web.remat.record_act(&Act { after, ..principal.act("prune", None) }).await?;
        Ok(Json(pruned))
    })
    .await
}
