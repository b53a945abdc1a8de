//! What is done to views: refreshing, making, pausing, comparing.

use axum::{Json, extract::State, response::Response};
use jiff::Timestamp;
use remat::{
    Remat,
    access::Role,
    compare::Verification,
    job::Job,
    name::RelationName,
    operation::{CreateOptions, RefreshOptions},
    run::{RowCount, Trigger},
    store::queue::{Enqueued, Outcome, Reach},
    view::{Pause, Strategy, View},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{audit, find};
use crate::{
    command::pause::PauseJson,
    http::{
        Mount, Principal, Problem, Web,
        extract::{Body, Maybe, Named},
        once::{Accepted, Once, detached},
    },
};

pub(super) fn mount(mount: Mount) -> Mount {
    let mount = mount
        .api(Role::Operator, routes!(refresh))
        .api(Role::Operator, routes!(refresh_many))
        .api(Role::Editor, routes!(create))
        .api(Role::Operator, routes!(pause))
        .api(Role::Operator, routes!(resume))
        .api(Role::Operator, routes!(verify));
    #[cfg(feature = "redis")]
    let mount = mount.api(Role::Operator, routes!(super::published::publish));
    mount
}

/// How to refresh.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HowToRefresh {
    /// Instead of the definition's strategy.
    strategy: Option<Strategy>,
    /// Instead of the definition's way to count rows.
    row_count: Option<RowCount>,
    /// Refresh although the view is paused, or nothing that it reads has changed.
    force: bool,
    /// Compare what a refresh by changes leaves with the query, and merge where it is not the same.
    verify: bool,
    /// In this queue, instead of the view's.
    queue: Option<String>,
}

impl HowToRefresh {
    fn options(&self) -> RefreshOptions {
        let Self { strategy, row_count, force, verify, .. } = *self;
        RefreshOptions { strategy, row_count, force, verify }
    }
}

/// A view and the run that will do it.
#[derive(Serialize, ToSchema)]
#[schema(as = EnqueuedRun)]
pub(super) struct Entry {
    pub(super) view: RelationName,
    pub(super) run: i64,
    pub(super) outcome: Outcome,
}

/// What was enqueued.
#[derive(Serialize, ToSchema)]
#[schema(as = EnqueuedRuns)]
pub(super) struct Waiting {
    pub(super) enqueued: Vec<Entry>,
}

/// One view's run, and where it can be looked at.
pub(super) fn accepted(web: &Web, view: RelationName, enqueued: Enqueued) -> Accepted<Waiting> {
    let entry = Entry { view, run: enqueued.run_id, outcome: enqueued.outcome };
    let location = Some(web.link(&format!("/api/v1/runs/{}", enqueued.run_id)));
    Accepted { location, body: Waiting { enqueued: vec![entry] } }
}

/// Enqueue a refresh. One that is asked for while one waits joins it.
#[utoipa::path(
    post, path = "/api/v1/views/{view}/refresh", tag = "views",
    params(
        ("view" = String, Path, description = "`name` or `schema.name`"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "The same request with the same key is done once, within a day."),
    ),
    request_body = Option<HowToRefresh>,
    responses(
        (status = 202, body = Waiting, headers(("Location" = String, description = "The run"))),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn refresh(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    once: Once,
    Maybe(how): Maybe<HowToRefresh>,
) -> Result<Response, Problem> {
    let view = find(&web, &principal, &name).await?;
    let job = Job::Refresh(how.options());
    let queue = queue(how.queue.clone())?;
    enqueue(&web, &principal, once, &how, view, job, queue).await
}

/// Enqueues a job of one view.
pub(super) async fn enqueue(
    web: &Web,
    principal: &Principal,
    once: Once,
    body: &impl Serialize,
    view: View,
    job: Job,
    queue: Option<String>,
) -> Result<Response, Problem> {
    let (name, asker, place) = (once.run_name(principal), principal.clone(), web.clone());
    let work = Box::pin(async move {
        let (trigger, queue) = (Trigger::Api, queue.as_deref());
        let enqueued = place
            .remat
            .enqueue_named(place.backend.as_ref(), &view, job, queue, (trigger, name.as_deref()))
            .await?;
        let action = format!("view.{}", job.operation());
        audit(&place, &asker, &action, &view, None, Some(enqueued.run_id)).await?;
        Ok(accepted(&place, view.definition.name, enqueued))
    });
    once.accept(web, principal, body, work).await
}

/// A queue that could never be served is a slip.
pub(super) fn queue(queue: Option<String>) -> Result<Option<String>, Problem> {
    match &queue {
        Some(name) if name.trim().is_empty() || name == "*" || name.len() > 63 || name.contains('\0') => {
            Err(Problem::bad_request("this is no name of a queue"))
        }
        _ => Ok(queue),
    }
}

/// Which views, and how.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HowToRefreshMany)]
struct Many {
    /// These views: `name` or `schema.name`.
    #[serde(default)]
    views: Vec<String>,
    /// Every view with this tag.
    tag: Option<String>,
    /// Every view.
    #[serde(default)]
    all: bool,
    /// Also all that they read; a view whose source failed is skipped.
    #[serde(default)]
    with_upstream: bool,
    /// Also all that read them.
    #[serde(default)]
    with_downstream: bool,
    #[serde(default)]
    how: HowToRefresh,
}

/// Enqueue refreshes of several views, in the order in which they read each other. One of `views`, `tag` and `all` says which.
#[utoipa::path(
    post, path = "/api/v1/refresh", tag = "views",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "The same request with the same key is done once, within a day.")),
    request_body = Many,
    responses(
        (status = 202, body = Waiting),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn refresh_many(
    State(web): State<Web>,
    principal: Principal,
    once: Once,
    Body(many): Body<Many>,
) -> Result<Response, Problem> {
    let reach = Reach { upstream: many.with_upstream, downstream: many.with_downstream };
    if reach != Reach::default() && !principal.scope.is_all() {
        let title = "a token of some schemas does not refresh what lies beyond";
        return Err(Problem::new(axum::http::StatusCode::FORBIDDEN, "forbidden", title));
    }
    let queue = queue(many.how.queue.clone())?;
    let views = chosen(&web, &principal, &many).await?;
    let (options, asker, place) = (many.how.options(), principal.clone(), web.clone());
    let work = Box::pin(async move {
        let enqueued = place
            .remat
            .enqueue_views_for(place.backend.as_ref(), &views, reach, options, queue.as_deref(), Trigger::Api)
            .await?;
        let enqueued = with_names(&place.remat, enqueued).await?;
        for (view, enqueued) in &enqueued {
            audit(&place, &asker, "view.refresh", view, None, Some(enqueued.run_id)).await?;
        }
        let entry = |(view, enqueued): (View, Enqueued)| Entry {
            view: view.definition.name,
            run: enqueued.run_id,
            outcome: enqueued.outcome,
        };
        let body = Waiting { enqueued: enqueued.into_iter().map(entry).collect() };
        Ok(Accepted { location: None, body })
    });
    once.accept(&web, &principal, &many, work).await
}

async fn chosen(web: &Web, principal: &Principal, many: &Many) -> Result<Vec<View>, Problem> {
    let said =
        [!many.views.is_empty(), many.tag.is_some(), many.all].into_iter().filter(|said| *said).count();
    if said != 1 {
        return Err(Problem::bad_request("it is not clear which views are meant")
            .with_hint("Give one of views, tag and all."));
    }
    let mut found: Vec<View> = Vec::new();
    for name in &many.views {
        let view = find(web, principal, name).await?;
        if found.iter().all(|other| other.id != view.id) {
            found.push(view);
        }
    }
    if many.views.is_empty() {
        let has_tag = |view: &View| many.tag.as_ref().is_none_or(|tag| view.definition.tags.contains(tag));
        found = web.remat.views().await?;
        found.retain(|view| principal.scope.sees(&view.definition.name) && has_tag(view));
    }
    match &many.tag {
        Some(tag) if found.is_empty() => Err(Problem::not_found(format!("no view has the tag \"{tag}\""))),
        _ => Ok(found),
    }
}

async fn with_names(remat: &Remat, enqueued: Vec<(i64, Enqueued)>) -> Result<Vec<(View, Enqueued)>, Problem> {
    let views = remat.views().await?;
    let named = |(id, enqueued)| Some((views.iter().find(|view| view.id == id)?.clone(), enqueued));
    Ok(enqueued.into_iter().filter_map(named).collect())
}

/// How to make a relation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct HowToCreate {
    /// Build anew what stands there already; readers keep the old one until the new one is whole.
    force: bool,
    /// Leave it empty until its first refresh.
    no_data: bool,
    /// A relation that stands there already is no failure.
    if_not_exists: bool,
    /// In this queue, instead of the view's.
    queue: Option<String>,
}

/// Enqueue the making of a view's relation.
#[utoipa::path(
    post, path = "/api/v1/views/{view}/create", tag = "views",
    params(
        ("view" = String, Path, description = "`name` or `schema.name`"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "The same request with the same key is done once, within a day."),
    ),
    request_body = Option<HowToCreate>,
    responses(
        (status = 202, body = Waiting, headers(("Location" = String, description = "The run"))),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    once: Once,
    Maybe(how): Maybe<HowToCreate>,
) -> Result<Response, Problem> {
    let view = find(&web, &principal, &name).await?;
    let HowToCreate { force, no_data, if_not_exists, .. } = how;
    let job = Job::Create(CreateOptions { force, no_data, if_not_exists });
    let queue = queue(how.queue.clone())?;
    enqueue(&web, &principal, once, &how, view, job, queue).await
}

/// Why and until when.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct HowToPause {
    /// Why; kept for those who wonder.
    reason: Option<String>,
    /// When it ends by itself.
    until: Option<Timestamp>,
}

/// Stop refreshing a view until it is resumed or the pause ends by itself.
#[utoipa::path(
    post, path = "/api/v1/views/{view}/pause", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`")),
    request_body = Option<HowToPause>,
    responses((status = 200, body = PauseJson), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn pause(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    Maybe(how): Maybe<HowToPause>,
) -> Result<Json<PauseJson>, Problem> {
    if how.reason.as_ref().is_some_and(|reason| reason.contains('\0')) {
        return Err(Problem::bad_request("the reason cannot be kept"));
    }
    let view = find(&web, &principal, &name).await?;
    let pause = Pause { by: principal.name.clone(), reason: how.reason, until: how.until };
    web.remat.pause(&view, &pause).await?;
    audit(&web, &principal, "view.pause", &view, serde_json::to_value(&pause).ok(), None).await?;
    let Pause { by, reason, until } = pause;
    Ok(Json(PauseJson { view: view.definition.name, paused: true, by: Some(by), reason, until }))
}

/// End the pause of a view.
#[utoipa::path(
    post, path = "/api/v1/views/{view}/resume", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`")),
    responses((status = 200, body = PauseJson), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn resume(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<PauseJson>, Problem> {
    let view = find(&web, &principal, &name).await?;
    web.remat.resume(&view).await?;
    audit(&web, &principal, "view.resume", &view, None, None).await?;
    let view = view.definition.name;
    Ok(Json(PauseJson { view, paused: false, by: None, reason: None, until: None }))
}

/// Compare a view with its query in one snapshot, both ways. It runs the query; one that takes longer than a minute is
/// answered with 504.
#[utoipa::path(
    post, path = "/api/v1/views/{view}/verify", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`")),
    responses(
        (status = 200, body = Verification),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 504, body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn verify(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Verification>, Problem> {
    let view = find(&web, &principal, &name).await?;
    // Whoever hangs up leaves no query behind: it ends by its own limit.
    let compared = detached(async move { Ok(web.remat.verify_within(&view, super::QUERY_WITHIN).await?) });
    compared.await?.map(Json).ok_or_else(|| {
        let status = axum::http::StatusCode::GATEWAY_TIMEOUT;
        Problem::new(status, "timeout", "the comparison took too long and was cancelled")
            .with_hint("`remat verify` has no limit.")
    })
}
