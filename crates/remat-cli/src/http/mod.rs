//! The HTTP listener: probes for anybody, the API and the pages for whom the guard lets in.
//!
//! Law: a request passes, in this order, the guard of hosts, the question who asks, whether that role may, and where what
//! changes something comes from; only then is anything read. A route says its role where it is mounted, so none can
//! forget to. There is no SQL here: routes ask the library.

mod api;
mod attempts;
mod cookie;
mod door;
mod extract;
mod guard;
mod headers;
mod host;
mod listen;
mod live;
mod login;
mod metrics;
mod mount;
mod once;
mod origin;
mod probe;
mod problem;
mod room;
mod who;

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use axum::http::Method;
use axum::routing::{get, post};
pub(crate) use door::{Door, DoorOptions};
use listen::Site;
pub(crate) use live::Live;
pub(crate) use login::local_path;
pub(crate) use metrics::Last as LastMetrics;
pub(crate) use mount::{Mount, Place};
pub(crate) use problem::Problem;
use remat::{
    Remat,
    access::Role,
    backend::JobBackend,
    error::Error,
    service::{Stop, health::Health},
};
pub(crate) use room::READERS;
use tokio::{net::TcpListener, sync::watch};
use utoipa::openapi::OpenApi;
pub(crate) use who::Principal;

use crate::{app::io_error, dashboard};

/// What every route may ask of.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) remat: Remat,
    pub(crate) health: Health,
    pub(crate) stop: watch::Receiver<Stop>,
    /// The path under which a proxy shows all of this: empty, or `/remat`. It begins with a slash and ends with none.
    pub(crate) base: Arc<str>,
    /// Whom the listener answers.
    pub(crate) door: Arc<Door>,
    /// How runs reach a worker.
    pub(crate) backend: Arc<dyn JobBackend>,
    /// What the pages read of all views a moment ago.
    pub(crate) known: dashboard::Known,
    /// What the metrics said last.
    pub(crate) metrics: LastMetrics,
    /// What changes, for whoever watches.
    pub(crate) live: Live,
    /// Where views are published, if anybody says where.
    #[cfg(feature = "redis")]
    pub(crate) publisher: Option<remat::publish::Publisher>,
}

impl Web {
    /// The path of a link: `link("/views")` is `/remat/views` under the base `/remat`.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Takes the address, before anything else starts.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        io_error(&format!("could not listen on {address}"), &error)
            .with_hint("Choose another address with --listen, or none with --no-web.")
    })
}

/// The document of the API, made once.
pub(crate) fn document() -> &'static OpenApi {
    static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| api::mount(Mount::new(None)).document());
    &DOCUMENT
}

/// Every route with its role.
fn routes(mount: Mount) -> Mount {
    let mount = mount
        .open(Method::GET, "/login", get(dashboard::login))
        .open(Method::POST, "/login", post(login::log_in))
        .post("/logout", Role::Viewer, login::log_out)
        .get("/metrics", Role::Viewer, metrics::show);
    dashboard::mount(api::mount(mount))
}

/// Everything that is answered, and the table of the routes.
fn site(web: &Web) -> (Site, Vec<Place>) {
    let (router, places) = routes(Mount::new(Some(web))).finish(web);
    let router = probe::routes(&web.remat, &web.health, &web.stop).fallback_service(router);
    (Site { router, base: Arc::clone(&web.base) }, places)
}

/// Answers probes, and everything else to whom the door lets in, until the process ends.
pub(crate) async fn answer(listener: TcpListener, web: Web) {
    let who = if web.door.no_auth { "everybody on this machine, as admin" } else { "tokens and logins" };
    say_where(&listener, &format!("listening for {who}; GET /healthz and /readyz are answered to all"));
    if !web.door.no_auth && !is_any_token_active(&web.remat).await {
        tracing::info!("no token counts yet; `remat token create NAME --role admin` makes one");
    }
    let (site, _) = site(&web);
    listen::forever(listener, site).await;
}

/// Whoever cannot read the tokens is not told that there are none.
async fn is_any_token_active(remat: &Remat) -> bool {
    remat.tokens().await.map_or(true, |tokens| tokens.iter().any(|token| token.state == "active"))
}

/// Answers probes alone, until the process ends.
pub(crate) async fn answer_probes(
    listener: TcpListener,
    remat: Remat,
    health: Health,
    stop: watch::Receiver<Stop>,
) {
    say_where(&listener, "listening; GET /healthz and /readyz are answered");
    let router = probe::routes(&remat, &health, &stop);
    listen::forever(listener, Site { router, base: Arc::from("") }).await;
}

fn say_where(listener: &TcpListener, what: &str) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "{what}");
    }
}
