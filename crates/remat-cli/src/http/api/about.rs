//! Who asks.

use axum::Json;
use remat::access::Role;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::http::{Mount, Principal};

/// Whoever asks.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The name of the token, or `local` where nobody has to log in.
    name: String,
    /// `viewer`, `operator`, `editor` or `admin`.
    role: &'static str,
    /// The schemas whose views are seen; null for all of them.
    schemas: Option<Vec<String>>,
    /// The version of the server.
    version: &'static str,
}

pub(super) fn mount(mount: Mount) -> Mount {
    mount.api(Role::Viewer, routes!(me))
}

/// Who asks, and what they may.
#[utoipa::path(get, path = "/api/v1/me", tag = "access", responses((status = 200, body = Me)))]
async fn me(principal: Principal) -> Json<Me> {
    Json(Me {
        name: principal.name,
        role: principal.role.as_str(),
        schemas: principal.scope.schemas().map(<[String]>::to_vec),
        version: env!("CARGO_PKG_VERSION"),
    })
}
