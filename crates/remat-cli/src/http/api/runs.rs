//! Runs: what was tried, and asking for more.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use remat::{
    access::{Act, Role},
    job::{Job, JobKind},
    run::{Operation, Run, Status},
    store::runs::Filter,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{acts, find, page};
use crate::{
    command::run::{Outcome, wish},
    http::{
        Mount, Principal, Problem, Web,
        extract::{Body, Maybe, Named, Params},
        once::Once,
    },
};

/// How long whoever cancels waits for the end, at most.
const PATIENCE_MAX: f64 = 30.0;
/// And if they do not say.
const PATIENCE: f64 = 5.0;

pub(super) fn mount(mount: Mount) -> Mount {
    mount
        .api(Role::Viewer, routes!(list))
        .api(Role::Operator, routes!(enqueue))
        .api(Role::Viewer, routes!(one))
        .api(Role::Operator, routes!(cancel))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only of this view.
    view: Option<String>,
    /// Only with this status.
    status: Option<Status>,
    /// Only of this operation.
    operation: Option<Operation>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Those after this `next`.
    after: Option<i64>,
}

/// Runs.
#[derive(Serialize, ToSchema)]
struct Runs {
    /// The newest first.
    runs: Vec<Run>,
    /// Where to go on: the next `after`; null at the end.
    next: Option<i64>,
}

/// Runs, the newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(Wanted), responses((status = 200, body = Runs)))]
async fn list(
    State(web): State<Web>,
    principal: Principal,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Runs>, Problem> {
    let limit = page::limit(wanted.limit)?;
    let view_id = match &wanted.view {
        Some(name) => Some(find(&web, &principal, name).await?.id),
        None => None,
    };
    let filter = Filter {
        view_id,
        status: wanted.status,
        operation: wanted.operation,
        scope: principal.scope,
        before: wanted.after,
        limit: Some(page::one_more(limit)),
        ..Filter::default()
    };
    let mut runs = web.remat.runs(&filter).await?;
    let next = page::cut(&mut runs, limit).map(|last| last.id);
    Ok(Json(Runs { runs, next }))
}

/// A run that whoever asks may see.
async fn seen(web: &Web, principal: &Principal, id: i64) -> Result<Run, Problem> {
    let run = web.remat.run(id).await?;
    let is_seen = match &run.view {
        Some(view) => principal.scope.sees(view),
        None => principal.scope.is_all(),
    };
    if is_seen { Ok(run) } else { Err(Problem::not_found(format!("run {id} is not known"))) }
}

/// One run with everything that is known about it.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}", tag = "runs",
    params(("run" = i64, Path, description = "The number of the run")),
    responses((status = 200, body = Run), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn one(
    State(web): State<Web>,
    principal: Principal,
    Named(id): Named<i64>,
) -> Result<Json<Run>, Problem> {
    seen(&web, &principal, id).await.map(Json)
}

/// What to enqueue.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobRequest)]
struct Request {
    job: JobKind,
    /// `name` or `schema.name`.
    view: String,
    /// The options of the job, as callers of `remat.enqueue` write them: `{"row_count": "exact"}`, `{"force": true}`, …
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    options: Option<Value>,
    /// In this queue, instead of the view's.
    #[serde(default)]
    queue: Option<String>,
}

/// Enqueue a job in the words of a job system. To create and delete takes the role editor.
#[utoipa::path(
    post, path = "/api/v1/runs", tag = "runs",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "The same request with the same key is done once, within a day.")),
    request_body = Request,
    responses(
        (status = 202, body = super::acts::Waiting, headers(("Location" = String, description = "The run"))),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn enqueue(
    State(web): State<Web>,
    principal: Principal,
    once: Once,
    Body(request): Body<Request>,
) -> Result<Response, Problem> {
    if request.job != JobKind::Refresh && !principal.role.may(Role::Editor) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "to create and delete takes the role editor",
        ));
    }
    let view = find(&web, &principal, &request.view).await?;
    let arguments: Vec<Value> =
        std::iter::once(Value::from(view.id)).chain(request.options.clone()).collect();
    let (_, job) = Job::from_arguments(request.job, &arguments)?;
    let queue = acts::queue(request.queue.clone())?;
    acts::enqueue(&web, &principal, once, &request, view, job, queue).await
}

/// How long to wait.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct HowToCancel {
    /// How many seconds to wait until a run at work has ended (5), at most 30.
    #[schema(minimum = 0, maximum = 30)]
    patience_s: Option<f64>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = CancelledRun)]
struct Cancelled {
    outcome: Outcome,
    run: Run,
}

/// Cancel a run: one that waits never begins, one that works is cancelled at the server.
#[utoipa::path(
    post, path = "/api/v1/runs/{run}/cancel", tag = "runs",
    params(("run" = i64, Path, description = "The number of the run")),
    request_body = Option<HowToCancel>,
    responses(
        (status = 200, body = Cancelled),
        (status = 202, description = "It was told and has not ended yet", body = Cancelled),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn cancel(
    State(web): State<Web>,
    principal: Principal,
    Named(id): Named<i64>,
    Maybe(how): Maybe<HowToCancel>,
) -> Result<Response, Problem> {
    let patience = how.patience_s.unwrap_or(PATIENCE);
    if !(0.0..=PATIENCE_MAX).contains(&patience) {
        return Err(Problem::bad_request("the patience cannot be used").with_detail("It is 0 to 30 seconds."));
    }
    let run = seen(&web, &principal, id).await?;
    let object = run.view.as_ref().map_or_else(|| format!("run {id}"), ToString::to_string);
    let schema = run.view.as_ref().map(|view| view.schema.as_str());
    let act = Act { schema, run_id: Some(id), ..principal.act("run.cancel", Some(&object)) };
    web.remat.record_act(&act).await?;
    let (outcome, run) = wish(&web.remat, id, Duration::from_secs_f64(patience)).await?;
    let status = if outcome == Outcome::StillAtWork { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(Cancelled { outcome, run })).into_response())
}
