//! The HTTP interface, `/api/v1`: all that the command line does.
//!
//! Law: an operation describes itself, and the document is made of these descriptions; none is written by hand. What
//! changes something is in the audit. A view outside the scope of whoever asks does not exist for them.

use std::time::Duration;

use axum::{Json, extract::State, http::Method};
use remat::{
    access::{Act, Role},
    name::RelationName,
    view::View,
};
use serde_json::Value;
use utoipa::{
    OpenApi as _,
    openapi::{
        ContentBuilder, OpenApi, RefOr, Response, ResponseBuilder, Server,
        path::Operation,
        schema::Ref,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    Mount, Principal, Web,
    problem::{PROBLEM_JSON, Problem},
};

mod access;
mod acts;
mod alerts;
mod events;
mod page;
#[cfg(feature = "redis")]
mod published;
mod runs;
mod system;
mod views;

/// How long a query may run that somebody waits for.
const QUERY_WITHIN: Duration = Duration::from_secs(50);

/// How the document calls the token.
const BEARER: &str = "token";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "remat",
        description = "Keeps PostgreSQL materialized views fresh, and proves it.",
        license(name = "Apache-2.0 OR MIT"),
    ),
    components(schemas(Problem))
)]
struct Document;

/// The document before the operations have described themselves.
pub(crate) fn document() -> OpenApi {
    let mut document = Document::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The secret of a token; `remat token create` makes one."))
        .build();
    document.components.get_or_insert_default().add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    document
}

/// Says of an operation what holds for all: the role that it takes, and how trouble is told.
pub(crate) fn describe(operation: &mut Operation, method: &Method, path: &str, role: Role) {
    // Names of functions repeat; the place does not.
    operation.operation_id = Some(name(method, path));
    operation.security = Some(vec![SecurityRequirement::new(BEARER, [role.as_str()])]);
    let problems = [
        ("401", "Nobody is logged in."),
        ("403", "The role is not enough, or the request comes from another site."),
        ("default", "Another problem: a host that is not answered, a database that does not answer, …"),
    ];
    for (status, description) in problems {
        let known = operation.responses.responses.contains_key(status);
        if !known {
            operation.responses.responses.insert(status.into(), RefOr::T(problem(description)));
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            usual(status).clone_into(&mut response.description);
        }
    }
}

/// What a status means where an operation does not say more.
fn usual(status: &str) -> &'static str {
    match status {
        "200" => "What was asked for.",
        "201" => "It was made.",
        "202" => "It was enqueued.",
        "404" => "It is not there, or not within the schemas of the token.",
        "409" => "It does not fit how things stand.",
        "422" => "It can never work.",
        "504" => "It took too long.",
        _ => "Something else.",
    }
}

/// `get_views_view` of `GET /api/v1/views/{view}`.
fn name(method: &Method, path: &str) -> String {
    let rest = path.strip_prefix("/api/v1/").unwrap_or(path);
    let words = rest.replace(['{', '}'], "").replace('/', "_");
    format!("{}_{words}", method.as_str().to_lowercase())
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}

/// Mounts every operation.
pub(crate) fn mount(mount: Mount) -> Mount {
    let mount = views::mount(mount);
    let mount = acts::mount(mount);
    let mount = runs::mount(mount);
    let mount = system::mount(mount);
    let mount = access::mount(mount);
    let mount = alerts::mount(mount);
    let mount = events::mount(mount);
    #[cfg(feature = "redis")]
    let mount = published::mount(mount);
    mount.get("/api/v1/openapi.json", Role::Viewer, openapi)
}

/// The document that describes all of it, with the path under which it is reached.
async fn openapi(State(web): State<Web>) -> Json<OpenApi> {
    let mut document = super::document().clone();
    if !web.base.is_empty() {
        document.servers = Some(vec![Server::new(web.base.as_ref())]);
    }
    Json(document)
}

/// The view of a name, if whoever asks sees it.
async fn find(web: &Web, principal: &Principal, typed: &str) -> Result<View, Problem> {
    let name = RelationName::parse(typed, "public")?;
    if !principal.scope.sees(&name) {
        return Err(Problem::not_found(format!("view \"{name}\" is not defined")));
    }
    Ok(web.remat.view(&name).await?)
}

/// Leaves what was done to a view in the audit.
async fn audit(
    web: &Web,
    principal: &Principal,
    action: &str,
    view: &View,
    after: Option<Value>,
    run_id: Option<i64>,
) -> Result<(), Problem> {
    let (object, schema) = (view.definition.name.to_string(), view.definition.name.schema.as_str());
    let act = Act { schema: Some(schema), after, run_id, ..principal.act(action, Some(&object)) };
    Ok(web.remat.record_act(&act).await?)
}
