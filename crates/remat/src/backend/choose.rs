//! From the name of a back end to the back end.
//!
//! Nothing is guessed: an unknown kind, a kind that this program was built without, and a kind that lacks its URL are
//! errors that say what to do. The URL is a secret: it has no `Debug`, and appears in no complaint.

use std::{fmt, sync::Arc};

use super::JobBackend;
use crate::error::{Error, ErrorKind};

/// What the settings may call a back end.
pub const KINDS: [&str; 5] = ["postgres", "inline", "redis", "sidekiq", "rabbitmq"];

/// `[backend]` of `remat.toml`, with what the environment said.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BackendSettings {
    /// One of [`KINDS`].
    pub kind: String,
    /// Where the broker is, with the password.
    pub url: Option<String>,
    /// What the names of queues begin with there, if not with the default of the kind.
    pub prefix: Option<String>,
}

impl fmt::Debug for BackendSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_ref().map(|_| "..");
        let mut shown = f.debug_struct("BackendSettings");
        shown.field("kind", &self.kind).field("url", &url).field("prefix", &self.prefix).finish()
    }
}

/// Connects to the broker that the settings name.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use remat::backend::{BackendSettings, connect};
/// let settings = BackendSettings { kind: "kafka".into(), ..BackendSettings::default() };
/// let error = connect(&settings).await.err().unwrap();
/// assert_eq!(error.to_string().lines().next(), Some("back end \"kafka\" is not known"));
/// # });
/// ```
pub async fn connect(settings: &BackendSettings) -> Result<Arc<dyn JobBackend>, Error> {
    match settings.kind.as_str() {
        "redis" | "sidekiq" => redis(settings).await,
        "rabbitmq" => rabbitmq(settings).await,
        // These two need the database and no broker; whoever has the database makes them.
        "inline" | "postgres" => Err(Error::new(
            ErrorKind::InvalidSettings,
            format!("back end {:?} has no broker to connect to", settings.kind),
        )),
        unknown => Err(Error::new(ErrorKind::InvalidSettings, format!("back end {unknown:?} is not known"))
            .with_hint(format!("Set kind in [backend] of remat.toml to one of: {}.", KINDS.join(", ")))),
    }
}

#[cfg(feature = "redis")]
async fn redis(settings: &BackendSettings) -> Result<Arc<dyn JobBackend>, Error> {
    let (url, prefix) = (url(settings)?, settings.prefix.as_deref());
    if settings.kind == "sidekiq" {
        return Ok(Arc::new(super::SidekiqBackend::connect(url, prefix).await?));
    }
    Ok(Arc::new(super::RedisBackend::connect(url, prefix).await?))
}

#[cfg(not(feature = "redis"))]
async fn redis(settings: &BackendSettings) -> Result<Arc<dyn JobBackend>, Error> {
    Err(not_built_in(settings, "redis"))
}

#[cfg(feature = "rabbitmq")]
async fn rabbitmq(settings: &BackendSettings) -> Result<Arc<dyn JobBackend>, Error> {
    Ok(Arc::new(super::RabbitmqBackend::connect(url(settings)?, settings.prefix.as_deref()).await?))
}

#[cfg(not(feature = "rabbitmq"))]
async fn rabbitmq(settings: &BackendSettings) -> Result<Arc<dyn JobBackend>, Error> {
    Err(not_built_in(settings, "rabbitmq"))
}

#[cfg(any(feature = "redis", feature = "rabbitmq"))]
fn url(settings: &BackendSettings) -> Result<&str, Error> {
    settings.url.as_deref().ok_or_else(|| {
        let primary = format!("back end {:?} has no URL", settings.kind);
        Error::new(ErrorKind::InvalidSettings, primary).with_hint(
            "Set url_env in [backend] of remat.toml to the environment variable that holds it (or url to the URL \
             itself, where it holds no password).",
        )
    })
}

#[cfg(not(all(feature = "redis", feature = "rabbitmq")))]
fn not_built_in(settings: &BackendSettings, feature: &str) -> Error {
    Error::new(
        ErrorKind::InvalidSettings,
        format!("back end {:?} is not built into this program", settings.kind),
    )
    .with_hint(format!(
        "Build remat with the cargo feature `{feature}`, or choose another kind in [backend]."
    ))
}
