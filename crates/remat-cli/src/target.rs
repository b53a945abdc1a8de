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
    let url = match project_dir(options)? {
        Some(dir) => project_url(&dir, env)?,
        None => None,
    };
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
    let url = match project_dir(options)? {
        Some(dir) => named_url(&dir, settings(&dir)?.publish, "Redis", env)?,
        None => None,
    };
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

fn project_url(dir: &Path, env: Environment<'_>) -> Result<Option<String>, Error> {
    named_url(dir, settings(dir)?.database, "the database", env)
}

fn settings(dir: &Path) -> Result<ProjectSettings, Error> {
    let path = dir.join(project::FILE);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| io_error(&format!("could not read {}", path.display()), &error))?;
    project::parse_settings(&text)
}

fn named_url(
    dir: &Path,
    url: Option<SecretUrl>,
    of: &str,
    env: Environment<'_>,
) -> Result<Option<String>, Error> {
    match url {
        None => Ok(None),
        Some(SecretUrl::Written(url)) => Ok(Some(url)),
        Some(SecretUrl::Environment(name)) => match env(&name) {
            Some(url) => Ok(Some(url)),
            None => {
                Err(Error::new(ErrorKind::InvalidSettings, format!("environment variable {name} is not set"))
                    .with_detail(format!(
                        "{} says that it holds the URL of {of}.",
                        dir.join(project::FILE).display()
                    )))
            }
        },
    }
}
