//! Where routes are mounted, each with the role that it needs.
//!
//! Law: there is no other way for a route to get into the router, so none can forget its role; what is open to strangers says
//! so by [`Mount::open`]. The table of all of them is what the tests walk.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::Method,
    middleware::from_fn_with_state,
    response::IntoResponse as _,
    routing::{MethodRouter, any, get, post},
};
use remat::access::Role;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::{Problem, Web, api, guard};

/// A route as it was mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// None where strangers are answered.
    pub(crate) role: Option<Role>,
}

/// The routes so far.
pub(crate) struct Mount {
    /// None where they are described and not served.
    web: Option<Web>,
    router: OpenApiRouter<Web>,
    places: Vec<Place>,
}

impl Mount {
    pub(crate) fn new(web: Option<&Web>) -> Self {
        Self { web: web.cloned(), router: OpenApiRouter::with_openapi(api::document()), places: Vec::new() }
    }

    /// A page: reads.
    #[allow(dead_code, reason = "the pages come next")]
    pub(crate) fn get<H, T>(self, path: &str, role: Role, handler: H) -> Self
    where
        H: Handler<T, Web>,
        T: 'static,
    {
        self.page(Method::GET, path, role, get(handler))
    }

    /// What a form of a page posts to: changes something.
    pub(crate) fn post<H, T>(self, path: &str, role: Role, handler: H) -> Self
    where
        H: Handler<T, Web>,
        T: 'static,
    {
        self.page(Method::POST, path, role, post(handler))
    }

    fn page(mut self, method: Method, path: &str, role: Role, routes: MethodRouter<Web>) -> Self {
        self.router = self.router.route(path, guarded(self.web.as_ref(), role, routes));
        self.places.push(Place { method, path: path.to_owned(), role: Some(role) });
        self
    }

    /// Answers to whoever reaches the listener under an allowed name: the login, and what its page is drawn with.
    pub(crate) fn open(mut self, method: Method, path: &str, routes: MethodRouter<Web>) -> Self {
        self.router = self.router.route(path, routes);
        self.places.push(Place { method, path: path.to_owned(), role: None });
        self
    }

    /// Operations of the API, described by themselves; `routes!(handler)` makes them.
    pub(crate) fn api(mut self, role: Role, (schemas, mut paths, routes): UtoipaMethodRouter<Web>) -> Self {
        for (path, item) in &mut paths.paths {
            let operations = [
                (Method::GET, &mut item.get),
                (Method::PUT, &mut item.put),
                (Method::POST, &mut item.post),
                (Method::PATCH, &mut item.patch),
                (Method::DELETE, &mut item.delete),
            ];
            for (method, operation) in operations {
                let Some(operation) = operation else { continue };
                api::describe(operation, &method, path, role);
                self.places.push(Place { method, path: path.clone(), role: Some(role) });
            }
        }
        self.router = self.router.routes((schemas, paths, guarded(self.web.as_ref(), role, routes)));
        self
    }

    /// The document of the API.
    pub(crate) fn document(self) -> OpenApi {
        self.router.into_openapi()
    }

    /// The router with all that stands before it, and the table.
    pub(crate) fn finish(self, web: &Web) -> (Router, Vec<Place>) {
        let (router, _) = self.router.split_for_parts();
        let nothing = any(async || Problem::not_found("there is nothing here").into_response());
        let nothing = nothing.layer(from_fn_with_state((web.clone(), Role::Viewer), guard::needs));
        let router = router
            .fallback_service(nothing)
            .layer(DefaultBodyLimit::max(guard::BODY_BYTES_MAX))
            .layer(from_fn_with_state(web.clone(), guard::admit))
            .with_state(web.clone());
        (router, self.places)
    }
}

fn guarded(web: Option<&Web>, role: Role, routes: MethodRouter<Web>) -> MethodRouter<Web> {
    match web {
        Some(web) => routes.route_layer(from_fn_with_state((web.clone(), role), guard::needs)),
        None => routes,
    }
}
