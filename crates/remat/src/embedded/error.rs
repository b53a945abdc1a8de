//! What can go wrong around the private server, in the voice of PostgreSQL.
//!
//! `Display` is the primary line; [`EmbeddedError::detail`] says what was seen and [`EmbeddedError::hint`] what to
//! do. No message carries a secret: the private server has none.

use std::io;
use std::path::{Path, PathBuf};

/// A private server could not be found, made, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// This platform cannot run the private server.
    #[error("the private PostgreSQL server is not supported on this platform")]
    Unsupported,
    /// No directory with `initdb`, `postgres` and `pg_ctl` was found.
    #[error("no PostgreSQL server was found on this machine")]
    NotFound {
        /// The places that were looked at, in order.
        searched: Vec<PathBuf>,
        /// Why there is no downloaded server either, where that was tried.
        download: Option<String>,
    },
    /// `REMAT_PG_BIN_DIR` names a directory that holds no complete server.
    #[error("\"{}\" does not hold a PostgreSQL server", dir.display())]
    Incomplete {
        /// The directory that was named.
        dir: PathBuf,
        /// What is missing or does not run there.
        missing: String,
    },
    /// root needs another account to run the server, and the machine has none.
    #[error("there is no account to run the PostgreSQL server as")]
    NoAccount,
    /// The account that shall run the server cannot reach a directory.
    #[error("account \"{account}\" cannot reach \"{}\"", path.display())]
    Unreachable {
        /// The account that root runs the server as.
        account: String,
        /// The directory in question.
        path: PathBuf,
    },
    /// The directory of the server belongs to somebody else.
    #[error("directory \"{}\" belongs to another account", path.display())]
    NotOurs {
        /// The directory in question.
        path: PathBuf,
    },
    /// Another process of remat holds this server.
    #[error("the private server in \"{}\" is in use by another remat", home.display())]
    InUse {
        /// The directory of the server.
        home: PathBuf,
    },
    /// The directory holds data that remat did not make.
    #[error("directory \"{}\" holds data that remat did not make", home.display())]
    Foreign {
        /// The directory of the server.
        home: PathBuf,
    },
    /// A setting's name is not one that PostgreSQL could know.
    #[error("\"{name}\" is not the name of a server setting")]
    BadSetting {
        /// The name as given.
        name: String,
    },
    /// The operating system refused something.
    #[error("could not {doing} \"{}\"", path.display())]
    Io {
        /// What was tried, as an infinitive.
        doing: &'static str,
        /// The file, directory or program.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// One of the server's own programs failed.
    #[error("{program} failed")]
    Program {
        /// `initdb`, `pg_ctl` or `postgres`.
        program: &'static str,
        /// The last lines that it or the server wrote.
        output: String,
    },
    /// The server started but does not answer as the server of this directory.
    #[error("the private server in \"{}\" does not answer", home.display())]
    Silent {
        /// The directory of the server.
        home: PathBuf,
        /// What the connection said.
        reason: String,
    },
}

impl EmbeddedError {
    /// What was seen, as full sentences.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::NotFound { searched, download } => Some(searched_sentence(searched, download.as_deref())),
            Self::Incomplete { missing, .. } => Some(missing.clone()),
            Self::NoAccount => Some(
                "PostgreSQL refuses to run as root, and neither postgres nor nobody is in /etc/passwd."
                    .into(),
            ),
            Self::Unreachable { account, .. } => {
                Some(format!("PostgreSQL refuses to run as root, so remat runs it as \"{account}\"."))
            }
            Self::Io { source, .. } => Some(format!("The system said: {source}.")),
            Self::Program { output, .. } => (!output.is_empty()).then(|| output.clone()),
            Self::Silent { reason, .. } => Some(format!("Connecting gave: {reason}.")),
            Self::Unsupported
            | Self::NotOurs { .. }
            | Self::InUse { .. }
            | Self::Foreign { .. }
            | Self::BadSetting { .. } => None,
        }
    }

    /// What to do about it, as full sentences.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unsupported => Some("Set DATABASE_URL to a PostgreSQL server that already runs.".into()),
            Self::NotFound { .. } => Some(install_sentence(std::env::consts::OS, Path::new("/"))),
            Self::Incomplete { .. } => {
                Some("Set REMAT_PG_BIN_DIR to the directory that holds initdb, postgres and pg_ctl.".into())
            }
            Self::NoAccount => Some("Run remat as a user other than root.".into()),
            Self::Unreachable { .. } => Some(
                "Choose a directory that every user may enter, or run remat as a user other than root."
                    .into(),
            ),
            Self::NotOurs { .. } | Self::Foreign { .. } => {
                Some("Choose another directory for the private server, or move this one away.".into())
            }
            Self::InUse { .. } => {
                Some("Wait for the other remat to end, or choose another directory.".into())
            }
            Self::Silent { home, .. } => Some(format!("Read \"{}\".", home.join("server.log").display())),
            Self::BadSetting { .. } | Self::Io { .. } | Self::Program { .. } => None,
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn searched_sentence(searched: &[PathBuf], download: Option<&str>) -> String {
    let places: Vec<_> = searched.iter().map(|place| place.display().to_string()).collect();
    let searched = format!("Looked for initdb, postgres and pg_ctl in {}.", places.join(", "));
    match download {
        Some(reason) => format!("{searched} Downloading a server failed: {reason}."),
        None => searched,
    }
}

/// Names the one command that installs a server on this platform.
fn install_sentence(os: &str, root: &Path) -> String {
    let command = match os {
        "macos" => "brew install postgresql@18",
        "freebsd" => "pkg install postgresql18-server",
        _ if root.join("etc/debian_version").exists() => "apt-get install postgresql",
        _ if root.join("etc/alpine-release").exists() => "apk add postgresql",
        _ if root.join("etc/arch-release").exists() => "pacman -S postgresql",
        _ => "dnf install postgresql-server",
    };
    format!("Install one with `{command}`, or set DATABASE_URL to a server that already runs.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_names_the_command_of_the_platform() {
        let root = tempdir("install-hint");
        assert!(install_sentence("macos", &root).contains("`brew install postgresql@18`"));
        assert!(install_sentence("linux", &root).contains("`dnf install postgresql-server`"));
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/debian_version"), "12").unwrap();
        assert!(install_sentence("linux", &root).contains("`apt-get install postgresql`"));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn machine_without_a_server_or_network_is_told_both_and_the_way_out() {
        let error = EmbeddedError::NotFound {
            searched: vec!["PATH".into(), "/usr/lib/postgresql/*/bin".into()],
            download: Some("https://host: io: timed out".into()),
        };
        assert_eq!(error.to_string(), "no PostgreSQL server was found on this machine");
        let detail = error.detail().unwrap();
        assert!(
            detail.contains("in PATH, /usr/lib/postgresql/*/bin. Downloading a server failed: https://host")
        );
        assert!(error.hint().unwrap().starts_with("Install one with `"));
    }

    fn tempdir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("remat-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }
}
