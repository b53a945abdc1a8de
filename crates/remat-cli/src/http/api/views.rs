//! Views: how they stand, what they are, and changing what they are.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use remat::{
    access::Role,
    apply::ProjectPlan,
    maintain::Explanation,
    name::{Identifier, RelationName},
    operation::DeleteOptions,
    run::{Run, Status},
    schedule::Dispatch,
    status::{State as Standing, ViewStatus},
    store::views::Version,
    view::{Definition, IndexSpec, Pause, Publish, Settings, Strategy},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{find, page};
use crate::http::{
    Mount, Principal, Problem, Web,
    extract::{Body, Named, Params},
    once::detached,
};

/// How long whoever changes a definition waits for that; what takes longer goes on.
const WAITS: Duration = Duration::from_secs(45);

pub(super) fn mount(mount: Mount) -> Mount {
    mount
        .api(Role::Viewer, routes!(list))
        .api(Role::Viewer, routes!(one))
        .api(Role::Editor, routes!(put))
        .api(Role::Editor, routes!(delete))
        .api(Role::Viewer, routes!(explain))
        .api(Role::Viewer, routes!(versions))
        .api(Role::Viewer, routes!(dependents))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only of this schema.
    schema: Option<String>,
    /// Only with this tag.
    tag: Option<String>,
    /// Only in this state.
    state: Option<Standing>,
    /// Only with this strategy.
    strategy: Option<Strategy>,
    /// Only with this in their name, whatever its case.
    search: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Those after this `next`.
    after: Option<String>,
}

/// Views by name.
#[derive(Serialize, ToSchema)]
struct Views {
    views: Vec<ViewStatus>,
    /// Where to go on: the next `after`; null at the end.
    next: Option<String>,
}

/// How fresh the views are.
#[utoipa::path(get, path = "/api/v1/views", tag = "views", params(Wanted), responses((status = 200, body = Views)))]
async fn list(
    State(web): State<Web>,
    principal: Principal,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Views>, Problem> {
    let limit = page::limit(wanted.limit)?;
    let search = wanted.search.as_deref().map(str::to_lowercase);
    let keeps = |status: &ViewStatus| {
        let name = &status.view;
        principal.scope.sees(name)
            && wanted.schema.as_deref().is_none_or(|schema| schema == name.schema.as_str())
            && wanted.tag.as_ref().is_none_or(|tag| status.tags.contains(tag))
            && wanted.state.is_none_or(|state| state == status.state)
            && wanted.strategy.is_none_or(|strategy| strategy == status.strategy)
            && search.as_ref().is_none_or(|part| name.to_string().to_lowercase().contains(part))
            && wanted.after.as_ref().is_none_or(|after| name.to_string() > *after)
    };
    let mut views = web.remat.status().await?;
    views.retain(keeps);
    views.sort_by_cached_key(|status| status.view.to_string());
    let next = page::cut(&mut views, limit).map(|last| last.view.to_string());
    Ok(Json(Views { views, next }))
}

/// A view: what it is and how it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = ViewDetail)]
struct OneView {
    view: RelationName,
    /// Counts the changes of the definition, from 1.
    version: i32,
    definition: Definition,
    pause: Option<Pause>,
    /// Whether its relation was made.
    exists: bool,
    status: Option<ViewStatus>,
}

/// One view.
#[utoipa::path(
    get, path = "/api/v1/views/{view}", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`")),
    responses((status = 200, body = OneView), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn one(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<OneView>, Problem> {
    let view = find(&web, &principal, &name).await?;
    let status = web.remat.status().await?.into_iter().find(|status| status.view == view.definition.name);
    Ok(Json(OneView {
        view: view.definition.name.clone(),
        version: view.version,
        exists: view.relation.is_some(),
        pause: view.pause,
        definition: view.definition,
        status,
    }))
}

/// A definition to be written; what is left out has its default. What `GET` shows may be sent back.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WrittenView)]
struct Written {
    /// Like the path, if it is given at all.
    #[serde(default)]
    name: Option<String>,
    /// One SELECT.
    query: String,
    strategy: Option<Strategy>,
    #[serde(default)]
    strict: bool,
    /// Columns that tell rows apart.
    #[serde(default)]
    key: Vec<Identifier>,
    #[serde(default)]
    indexes: Vec<IndexSpec>,
    /// A cron line.
    schedule: Option<String>,
    schedule_zone: Option<String>,
    target_lag_s: Option<i64>,
    row_count: Option<remat::run::RowCount>,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    tags: Vec<String>,
    owner: Option<Identifier>,
    description: Option<String>,
    #[serde(default)]
    dispatch: Dispatch,
    publish: Option<Publish>,
}

impl Written {
    fn into_definition(self, name: RelationName) -> Result<Definition, Problem> {
        if let Some(other) = &self.name
            && RelationName::parse(other, "public")? != name
        {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", "the names differ")
                .with_detail("A view is not renamed here; a project folder can do that."));
        }
        let plain = Definition::new(name, self.query);
        Ok(Definition {
            strategy: self.strategy.unwrap_or(plain.strategy),
            strict: self.strict,
            key: self.key,
            indexes: self.indexes,
            schedule: self.schedule,
            schedule_zone: self.schedule_zone.unwrap_or_else(|| plain.schedule_zone.clone()),
            target_lag_s: self.target_lag_s,
            row_count: self.row_count.unwrap_or(plain.row_count),
            settings: self.settings,
            tags: self.tags,
            owner: self.owner,
            description: self.description,
            dispatch: self.dispatch,
            publish: self.publish,
            ..plain
        })
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HowToPut {
    /// Only tell what would be done.
    #[serde(default)]
    dry_run: bool,
    /// Also do what loses something.
    #[serde(default)]
    confirm: bool,
}

/// What is done, or would be.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedView)]
struct Put {
    /// The steps as `remat plan --json` has them.
    #[schema(value_type = Vec<Object>)]
    steps: Value,
    /// The statements that build or drop something.
    sql: Vec<String>,
    /// What was done, as `remat apply --json` has it; null for a dry run, and when it takes long and goes on.
    #[schema(value_type = Option<Vec<Object>>)]
    applied: Option<Value>,
}

/// Define a view or change its definition, and make its relation fit; a dry run tells what would be done.
///
/// What loses something, as a conversion to another kind of relation may, needs `confirm=true`. A build that takes long is
/// answered with 202 and goes on: see the runs of the view.
#[utoipa::path(
    put, path = "/api/v1/views/{view}", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`"), HowToPut),
    request_body = Written,
    responses(
        (status = 200, body = Put),
        (status = 202, description = "It goes on", body = Put),
        (status = 409, description = "It loses something, or does not fit what stands there", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It can never work", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn put(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    Params(how): Params<HowToPut>,
    Body(written): Body<Written>,
) -> Result<Response, Problem> {
    let name = RelationName::parse(&name, "public")?;
    if !principal.scope.sees(&name) {
        return Err(Problem::not_found(format!("schema \"{}\" is not known", name.schema)));
    }
    let definition = written.into_definition(name)?;
    let plan = web.remat.plan_view(&definition).await?;
    let whole = ProjectPlan { views: plan.clone(), jobs: Vec::new(), queues: Vec::new(), alerts: Vec::new() };
    let sql: Vec<String> =
        web.remat.plan_sql(&whole).await?.into_iter().flat_map(|(_, statements)| statements).collect();
    let steps = serde_json::to_value(&plan.steps).unwrap_or_default();
    if how.dry_run {
        return Ok(Json(Put { steps, sql, applied: None }).into_response());
    }
    if let (false, Some(step)) = (how.confirm, plan.destructive().next()) {
        let problem = Problem::new(StatusCode::CONFLICT, "needs_confirmation", "this loses something")
            .with_hint("Ask with `confirm=true` if it is meant.");
        return Err(step.loss().map_or(problem.clone(), |loss| problem.with_detail(loss)));
    }
    let done = detached(async move {
        let (object, schema) = (definition.name.to_string(), definition.name.schema.to_string());
        let before =
            web.remat.views().await?.into_iter().find(|view| view.definition.name == definition.name);
        let applied = web.remat.apply_view(&plan, true).await?;
        let act = principal.act("view.define", Some(&object));
        web.remat
            .record_act(&remat::access::Act {
                schema: Some(&schema),
                before: before.and_then(|view| serde_json::to_value(view.definition).ok()),
                after: serde_json::to_value(&definition).ok(),
                run_id: applied.iter().find_map(|step| step.run.as_ref()).map(|run| run.id),
                ..act
            })
            .await?;
        Ok(applied)
    });
    match tokio::time::timeout(WAITS, done).await {
        Err(_) => Ok((StatusCode::ACCEPTED, Json(Put { steps, sql, applied: None })).into_response()),
        Ok(applied) => {
            let applied = serde_json::to_value(applied?).ok();
            Ok(Json(Put { steps, sql, applied }).into_response())
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HowToDelete {
    /// Also drop what depends on the relation.
    #[serde(default)]
    cascade: bool,
    /// Drop the relation and keep the definition, as `remat delete` does.
    #[serde(default)]
    keep_definition: bool,
}

/// What was deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = DeletedView)]
struct Deleted {
    run: Run,
    /// Whether the view is out of every list; its runs stay.
    retired: bool,
}

/// Drop the relation of a view, and take the view out of every list. Its runs stay.
#[utoipa::path(
    delete, path = "/api/v1/views/{view}", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`"), HowToDelete),
    responses(
        (status = 200, body = Deleted),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something depends on it", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn delete(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    Params(how): Params<HowToDelete>,
) -> Result<Json<Deleted>, Problem> {
    let view = find(&web, &principal, &name).await?;
    detached(async move {
        let options = DeleteOptions { cascade: how.cascade, if_exists: true };
        let run = web.remat.delete(&view, options).await?;
        if !matches!(run.status, Status::Success | Status::Skipped) {
            return Err(failed(&run));
        }
        if !how.keep_definition {
            web.remat.retire(&view).await?;
        }
        let action = if how.keep_definition { "view.drop" } else { "view.delete" };
        super::audit(&web, &principal, action, &view, None, Some(run.id)).await?;
        Ok(Json(Deleted { run, retired: !how.keep_definition }))
    })
    .await
}

/// A run that was waited for and did not go well.
fn failed(run: &Run) -> Problem {
    let error = run.error.clone().unwrap_or_default();
    let title = format!("run {} did not succeed: {}", run.id, error.primary);
    let mut problem = Problem::new(StatusCode::CONFLICT, "run_failed", title);
    problem.detail = error.detail.map(String::into_boxed_str);
    problem.hint = error.hint.map(String::into_boxed_str);
    problem.sqlstate = error.sqlstate.map(String::into_boxed_str);
    problem
}

/// How the view follows the changes of what it reads, or why it does not, as `remat explain --json` has it.
#[utoipa::path(
    get, path = "/api/v1/views/{view}/explain", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`")),
    responses((status = 200, body = Object), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn explain(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Explanation>, Problem> {
    let view = find(&web, &principal, &name).await?;
    Ok(Json(web.remat.explain(&view).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Older {
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Those after this `next`.
    after: Option<i32>,
}

/// The definitions that a view has had.
#[derive(Serialize, ToSchema)]
struct Versions {
    /// The newest first.
    versions: Vec<Version>,
    /// Where to go on: the next `after`; null at the end.
    next: Option<i32>,
}

/// The definitions that a view has had, with their texts, the newest first.
#[utoipa::path(
    get, path = "/api/v1/views/{view}/versions", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`"), Older),
    responses((status = 200, body = Versions), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn versions(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    Params(older): Params<Older>,
) -> Result<Json<Versions>, Problem> {
    let limit = page::limit(older.limit)?;
    let view = find(&web, &principal, &name).await?;
    let mut versions = web.remat.versions(&view, older.after, page::one_more(limit)).await?;
    let next = page::cut(&mut versions, limit).map(|last| last.version);
    Ok(Json(Versions { versions, next }))
}

/// What depends on a view.
#[derive(Serialize, ToSchema)]
struct Dependents {
    /// What dropping it with `cascade` takes along, as `type identity`.
    dependents: Vec<String>,
}

/// What depends on the relation of a view.
#[utoipa::path(
    get, path = "/api/v1/views/{view}/dependents", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`")),
    responses((status = 200, body = Dependents), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn dependents(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Dependents>, Problem> {
    let view = find(&web, &principal, &name).await?;
    Ok(Json(Dependents { dependents: web.remat.dependents(&view).await? }))
}
