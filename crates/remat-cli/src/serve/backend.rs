//! From the settings to the back end, for services and for whoever enqueues.
//!
//! Law: nothing is guessed. `--backend` wins over `remat.toml`; a broker's URL is a secret, so no flag takes it:
//! `REMAT_BACKEND_URL` wins over `[backend]`, whose URL counts for the kind that stands beside it only.

use std::sync::Arc;

use remat::{
    Remat,
    backend::{self, InlineBackend, JobBackend, PostgresBackend},
    error::{Error, ErrorKind},
    project::{BackendKind, BackendSettings},
};

use crate::{
    app::{App, environment},
    target,
};

/// Holds the URL of the broker.
const URL: &str = "REMAT_BACKEND_URL";

/// Reaches the back end that the flag names, else that of the project.
pub(crate) async fn connect(
    app: &App,
    remat: &Remat,
    flag: Option<BackendKind>,
) -> Result<Arc<dyn JobBackend>, Error> {
    let written = app.project_settings()?.map(|settings| settings.backend).unwrap_or_default();
    let kind = flag.unwrap_or(written.kind);
    match kind {
        BackendKind::Inline => Ok(Arc::new(InlineBackend)),
        BackendKind::Postgres => Ok(Arc::new(PostgresBackend::new(remat))),
        _ => backend::connect(&broker(kind, written)?).await,
    }
}

fn broker(kind: BackendKind, written: BackendSettings) -> Result<backend::BackendSettings, Error> {
    let named = environment(URL).filter(|url| !url.is_empty());
    let same_kind = written.kind == kind;
    let url = match (named, written.url.filter(|_| same_kind)) {
        (Some(url), _) => url,
        (None, Some(url)) => target::secret(url, "the broker", &environment)?,
        (None, None) => return Err(without_url(kind)),
    };
    let prefix = written.prefix.filter(|_| same_kind);
    Ok(backend::BackendSettings { kind: kind.as_str().into(), url: Some(url), prefix })
}

fn without_url(kind: BackendKind) -> Error {
    Error::new(ErrorKind::InvalidSettings, format!("back end {kind} has no URL")).with_hint(format!(
        "Put the URL of its broker into the environment variable {URL}, or say in [backend] of remat.toml where it is."
    ))
}
