//! Published views, for those who read them: whole rows, and leaderboards with who served them.
//!
//! Law: only what somebody published by `[publish]` of its definition is read here. Every answer says who served it, and how
//! new it is.

use axum::{Json, extract::State};
use jiff::Timestamp;
use remat::{
    access::Role,
    name::RelationName,
    publish::{Board, Entry, Publisher, Served, ServedBy, Why},
    view::View,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{find, page};
use crate::http::{
    Mount, Principal, Problem, Web,
    extract::{Named, Params},
};

/// How many places may be asked for on each side of a member.
const RADIUS_MAX: u32 = 500;
/// How many rows may be passed over.
const OFFSET_MAX: i64 = 1_000_000;

pub(super) fn mount(mount: Mount) -> Mount {
    mount
        .api(Role::Viewer, routes!(list))
        .api(Role::Viewer, routes!(rows))
        .api(Role::Viewer, routes!(top))
        .api(Role::Viewer, routes!(around))
        .api(Role::Viewer, routes!(rank))
}

/// A published view.
#[derive(Serialize, ToSchema)]
struct PublishedView {
    view: RelationName,
    /// The sorted set of Redis.
    key: String,
    /// The column of the members.
    member: String,
    /// The column of the scores.
    score: String,
}

/// Published views.
#[derive(Serialize, ToSchema)]
struct PublishedViews {
    views: Vec<PublishedView>,
}

/// The views that are published.
#[utoipa::path(get, path = "/api/v1/published", tag = "published", responses((status = 200, body = PublishedViews)))]
async fn list(State(web): State<Web>, principal: Principal) -> Result<Json<PublishedViews>, Problem> {
    let published = |view: View| {
        let publish = view.definition.publish?;
        let (member, score) = (publish.member.as_str().to_owned(), publish.score.as_str().to_owned());
        Some(PublishedView { view: view.definition.name, key: publish.key, member, score })
    };
    let views = web.remat.views().await?.into_iter();
    let seen = views.filter(|view| principal.scope.sees(&view.definition.name));
    Ok(Json(PublishedViews { views: seen.filter_map(published).collect() }))
}

/// A published view; any other is not there.
async fn published(web: &Web, principal: &Principal, name: &str) -> Result<View, Problem> {
    let view = find(web, principal, name).await?;
    if view.definition.publish.is_some() {
        return Ok(view);
    }
    Err(Problem::not_found(format!("view \"{}\" is not published", view.definition.name))
        .with_hint("Its definition needs [publish]."))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Slice {
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// How many to pass over.
    #[param(minimum = 0, maximum = 1_000_000)]
    offset: Option<i64>,
}

/// Rows of a view.
#[derive(Serialize, ToSchema)]
#[schema(as = PublishedRows)]
struct Part {
    view: RelationName,
    served_by: ServedBy,
    /// The contents are at least as new as this.
    data_as_of: Option<Timestamp>,
    /// Whole rows, those with the highest scores first.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Value>,
    /// Where to go on: the next `offset`; null at the end.
    next: Option<i64>,
}

/// Whole rows of a published view, from PostgreSQL, those with the highest scores first.
#[utoipa::path(
    get, path = "/api/v1/published/{view}", tag = "published",
    params(("view" = String, Path, description = "`name` or `schema.name`"), Slice),
    responses((status = 200, body = Part), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn rows(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    Params(part): Params<Slice>,
) -> Result<Json<Part>, Problem> {
    let (limit, offset) = (page::limit(part.limit)?, part.offset.unwrap_or(0));
    if !(0..=OFFSET_MAX).contains(&offset) {
        return Err(Problem::bad_request("the offset cannot be used")
            .with_detail(format!("It is a number from 0 to {OFFSET_MAX}.")));
    }
    let view = published(&web, &principal, &name).await?;
    let served = web.remat.published_rows(&view, offset, page::one_more(limit)).await?;
    let Served { value: mut rows, served_by, data_as_of, .. } = served;
    let more = page::cut(&mut rows, limit).is_some();
    let next = more.then(|| offset + page::one_more(limit) - 1);
    Ok(Json(Part { view: view.definition.name, served_by, data_as_of, rows, next }))
}

/// Places of a leaderboard.
#[derive(Serialize, ToSchema)]
struct Places {
    view: RelationName,
    served_by: ServedBy,
    /// The answer is at least as new as this.
    data_as_of: Option<Timestamp>,
    /// Why it was not Redis.
    why: Option<Why>,
    entries: Vec<Entry>,
}

impl Places {
    fn of(view: View, served: Served<Vec<Entry>>) -> Json<Self> {
        let Served { value: entries, served_by, data_as_of, why } = served;
        Json(Self { view: view.definition.name, served_by, data_as_of, why, entries })
    }
}

/// The board of a published view. What Redis lacks, the daemon's own loop publishes: nothing is changed by reading.
fn board(web: &Web, view: &View) -> Result<Board, Problem> {
    Ok(Board::new(&web.remat, publisher(web)?, view)?.without_repair())
}

fn publisher(web: &Web) -> Result<&Publisher, Problem> {
    web.publisher.as_ref().ok_or_else(|| {
        let title = "nobody says where Redis is";
        Problem::new(axum::http::StatusCode::CONFLICT, "not_configured", title)
            .with_hint("Set url_env under [publish] of remat.toml, or REDIS_URL, where `remat serve` runs.")
    })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct First {
    /// How many places, from the first (10).
    #[param(minimum = 1, maximum = 1000)]
    count: Option<i64>,
}

/// The first places of a leaderboard.
#[utoipa::path(
    get, path = "/api/v1/published/{view}/top", tag = "published",
    params(("view" = String, Path, description = "`name` or `schema.name`"), First),
    responses(
        (status = 200, body = Places),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nobody says where Redis is", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn top(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    Params(first): Params<First>,
) -> Result<Json<Places>, Problem> {
    let count = page::limit(Some(first.count.unwrap_or(10)))?;
    let view = published(&web, &principal, &name).await?;
    let served = board(&web, &view)?.top(u32::try_from(count).unwrap_or(u32::MAX)).await?;
    Ok(Places::of(view, served))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Around {
    /// The member.
    member: String,
    /// How many places above and below (5).
    #[param(minimum = 0, maximum = 500)]
    radius: Option<u32>,
}

/// A member of a leaderboard and who stands around it; nobody when it has no place.
#[utoipa::path(
    get, path = "/api/v1/published/{view}/around", tag = "published",
    params(("view" = String, Path, description = "`name` or `schema.name`"), Around),
    responses(
        (status = 200, body = Places),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nobody says where Redis is", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn around(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    Params(around): Params<Around>,
) -> Result<Json<Places>, Problem> {
    let radius = around.radius.unwrap_or(5);
    if radius > RADIUS_MAX || around.member.contains('\0') {
        return Err(Problem::bad_request("a parameter cannot be read")
            .with_detail(format!("The radius is a number from 0 to {RADIUS_MAX}.")));
    }
    let view = published(&web, &principal, &name).await?;
    let served = board(&web, &view)?.around(&around.member, radius).await?;
    Ok(Places::of(view, served))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Member {
    /// The member.
    member: String,
}

/// The place of a member of a leaderboard; `entries` is empty when it has none.
#[utoipa::path(
    get, path = "/api/v1/published/{view}/rank", tag = "published",
    params(("view" = String, Path, description = "`name` or `schema.name`"), Member),
    responses(
        (status = 200, body = Places),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nobody says where Redis is", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn rank(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
    Params(Member { member }): Params<Member>,
) -> Result<Json<Places>, Problem> {
    if member.contains('\0') {
        return Err(Problem::bad_request("a parameter cannot be read"));
    }
    let view = published(&web, &principal, &name).await?;
    let Served { value, served_by, data_as_of, why } = board(&web, &view)?.rank(&member).await?;
    let served = Served { value: value.into_iter().collect(), served_by, data_as_of, why };
    Ok(Places::of(view, served))
}

/// Copy a view to its sorted set in Redis, as `remat publish` does.
#[utoipa::path(
    post, path = "/api/v1/views/{view}/publish", tag = "views",
    params(("view" = String, Path, description = "`name` or `schema.name`")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nobody says where Redis is", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn publish(
    State(web): State<Web>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Value>, Problem> {
    let view = published(&web, &principal, &name).await?;
    let publisher = publisher(&web)?.clone();
    crate::http::once::detached(async move {
        let copied = publisher.publish(&web.remat, &view).await?;
        super::audit(&web, &principal, "view.publish", &view, None, None).await?;
        Ok(Json(serde_json::to_value(copied).unwrap_or_default()))
    })
    .await
}
