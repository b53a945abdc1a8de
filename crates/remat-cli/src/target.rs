//! Which database is meant.
//!
//! Law: what is nearest to the person wins: `--database-url`, then `DATABASE_URL`, then the project, then the `PG*`
//! variables. A password in the arguments is refused, because every user of the machine can read those.

use std::path::{Path, PathBuf};

use remat::{
    error::{Error, ErrorKind},
    pg::{Environment, Target},
    project::{self, ProjectSettings, SecretUrl},
};

use crate::{app::io_error, args::GlobalOptions};

/// Finds the database.
pub(crate) fn resolve(options: &GlobalOptions, env: Environment<'_>) -> Result<Target, Error> {
    if let Some(target) = named(options, env)? {
        return Ok(target);
    }
    let written = project_settings(options)?.and_then(|settings| settings.database);
    let url = written.map(|url| secret(url, "the database", env)).transpose()?;
    Target::resolve(url.as_deref(), env)
}

/// The database that `--database-url` or `DATABASE_URL` names, if one of them is given.
pub(crate) fn named(options: &GlobalOptions, env: Environment<'_>) -> Result<Option<Target>, Error> {
    if let Some(url) = &options.database_url {
        refuse_password(url)?;
        return Target::resolve(Some(url), env).map(Some);
    }
    env("DATABASE_URL").map(|_| Target::resolve(None, env)).transpose()
}

/// The Redis that serves published views: that of the project, else `REDIS_URL`.
#[cfg(feature = "redis")]
pub(crate) fn redis_url(options: &GlobalOptions, env: Environment<'_>) -> Result<String, Error> {
    let written = project_settings(options)?.and_then(|settings| settings.publish);
    let url = written.map(|url| secret(url, "Redis", env)).transpose()?;
    url.or_else(|| env("REDIS_URL").filter(|url| !url.is_empty())).ok_or_else(|| {
        Error::new(ErrorKind::InvalidSettings, "nobody says where Redis is").with_hint(
            "Set url_env under [publish] of remat.toml, or REDIS_URL, such as redis://localhost:6379/0.",
        )
    })
}

/// The project's folder: the one that was named, or the current directory if it has a `remat.toml`.
pub(crate) fn project_dir(options: &GlobalOptions) -> Result<Option<PathBuf>, Error> {
    if let Some(dir) = &options.project {
        if !dir.join(project::FILE).is_file() {
            let primary = format!("{} has no {}", dir.display(), project::FILE);
            return Err(
                Error::new(ErrorKind::InvalidSettings, primary).with_hint("`remat init` makes a project.")
            );
        }
        return Ok(Some(dir.clone()));
    }
    Ok(Path::new(project::FILE).is_file().then(|| PathBuf::from(".")))
}

fn refuse_password(url: &str) -> Result<(), Error> {
    if !Target::holds_password(url) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidSettings, "--database-url holds a password")
        .with_detail("Every user of this machine can read the arguments of a running program.")
        .with_hint("Put the URL into DATABASE_URL, or the password into PGPASSWORD or ~/.pgpass."))
}

/// The project's `remat.toml`, if there is a project.
pub(crate) fn project_settings(options: &GlobalOptions) -> Result<Option<ProjectSettings>, Error> {
    let Some(dir) = project_dir(options)? else { return Ok(None) };
    let path = dir.join(project::FILE);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| io_error(&format!("could not read {}", path.display()), &error))?;
    project::parse_settings(&text).map(Some)
}

/// The URL that `remat.toml` writes or names. `what` says what is there, for the complaint.
pub(crate) fn secret(url: SecretUrl, what: &str, env: Environment<'_>) -> Result<String, Error> {
    match url {
        SecretUrl::Written(url) => Ok(url),
        SecretUrl::Environment(name) => env(&name).ok_or_else(|| {
            Error::new(ErrorKind::InvalidSettings, format!("environment variable {name} is not set"))
                .with_detail(format!("{} says that it holds the URL of {what}.", project::FILE))
        }),
    }
}
