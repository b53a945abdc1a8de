//! The HTTP interface, `/api/v1`: all that the command line does.
//!
//! Law: an operation describes itself, and the document is made of these descriptions; none is written by hand. What
//! changes something is in the audit. A view outside the scope of whoever asks does not exist for them.

use remat::access::Role;
use utoipa::{
    OpenApi as _,
    openapi::{
        ContentBuilder, OpenApi, RefOr, Response, ResponseBuilder,
        path::Operation,
        schema::Ref,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    Mount,
    problem::{PROBLEM_JSON, Problem},
};

mod about;

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
pub(crate) fn describe(operation: &mut Operation, role: Role) {
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
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}

/// Mounts every operation.
pub(crate) fn mount(mount: Mount) -> Mount {
    about::mount(mount)
}
