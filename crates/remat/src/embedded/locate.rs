//! Finds PostgreSQL server binaries on this machine.
//!
//! First what was named (`REMAT_PG_BIN_DIR`, and then nothing else), then PATH, then the places where Debian,
//! Homebrew and Postgres.app put them, newest version first. A directory counts only if it holds `initdb`,
//! `postgres` and `pg_ctl` and its `postgres` says its version. Nothing is installed and nothing is started here.

use std::env;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::EmbeddedError;

const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// Directories whose children hold one version each: the directory, the prefix of the child, the rest of the path.
const INSTALLATIONS: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// What the environment says about where things are.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `REMAT_PG_BIN_DIR`: the directory to use, without a search.
    pub bin_dir: Option<PathBuf>,
    /// The directories of `PATH`.
    pub path: Vec<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub xdg_data_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        let dir = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            bin_dir: dir("REMAT_PG_BIN_DIR"),
            path: env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
            xdg_data_home: dir("XDG_DATA_HOME").filter(|dir| dir.is_absolute()),
            home: dir("HOME"),
        }
    }

    /// The directory for a user's data, where there is one.
    pub(super) fn data_home(&self) -> Option<PathBuf> {
        let in_home = || self.home.as_ref().map(|home| home.join(".local/share"));
        self.xdg_data_home.clone().or_else(in_home)
    }
}

/// A directory of server programs that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerBinaries {
    dir: PathBuf,
    version: String,
    major: u32,
}

impl ServerBinaries {
    /// Looks at one directory.
    pub async fn at(dir: &Path) -> Result<Self, EmbeddedError> {
        let incomplete = |missing| EmbeddedError::Incomplete { dir: dir.to_owned(), missing };
        if let Some(program) = PROGRAMS.iter().find(|program| !dir.join(program).is_file()) {
            return Err(incomplete(format!("There is no {program} in it.")));
        }
        let said = Command::new(dir.join("postgres")).arg("--version").output().await;
        let said = said.map_err(EmbeddedError::io("run", &dir.join("postgres")))?;
        // A missing library is told on the other stream.
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let (major, version) = parse_version(&said).ok_or_else(|| {
            incomplete(format!("Its postgres answers \"{said}\" when asked for its version."))
        })?;
        Ok(Self { dir: dir.to_owned(), version, major })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The full version, such as `15.14` or `19beta1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The major version, which decides whether a data directory fits.
    pub fn major(&self) -> u32 {
        self.major
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Finds the server binaries to use; see the module for the order.
pub async fn locate(env: &Environment) -> Result<ServerBinaries, EmbeddedError> {
    if let Some(dir) = &env.bin_dir {
        return ServerBinaries::at(dir).await;
    }
    let mut candidates = on_path(env).await;
    candidates.extend(INSTALLATIONS.iter().flat_map(installed));
    candidates.dedup();
    for dir in &candidates {
        if let Ok(binaries) = ServerBinaries::at(dir).await {
            return Ok(binaries);
        }
    }
    let places = INSTALLATIONS.iter().map(|(parent, prefix, rest)| format!("{parent}/{prefix}*/{rest}"));
    let places = std::iter::once("PATH".to_owned()).chain(places);
    Err(EmbeddedError::NotFound { searched: places.map(PathBuf::from).collect(), download: None })
}

/// The directories that PATH leads to. A `postgres` in PATH may be a link, then the directory it leads to has the
/// siblings; or a wrapper script, then `pg_config` knows the directory.
async fn on_path(env: &Environment) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in &env.path {
        if dir.join("postgres").is_file() {
            found.extend(
                dir.join("postgres").canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned)),
            );
        }
        if dir.join("pg_config").is_file() {
            found.extend(bindir_of(&dir.join("pg_config")).await);
        }
        if dir.join("postgres").is_file() {
            found.push(dir.clone());
        }
    }
    found
}

async fn bindir_of(pg_config: &Path) -> Option<PathBuf> {
    let said = Command::new(pg_config).arg("--bindir").output().await.ok()?;
    let dir = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    (!dir.is_empty()).then(|| PathBuf::from(dir))
}

fn installed((parent, prefix, rest): &(&str, &str, &str)) -> Vec<PathBuf> {
    let Ok(children) = std::fs::read_dir(parent) else { return Vec::new() };
    let names = children.filter_map(|child| child.ok()?.file_name().into_string().ok());
    newest_first(names, prefix).iter().map(|name| Path::new(parent).join(name).join(rest)).collect()
}

/// Keeps the names that are the prefix and a version, the newest version first.
fn newest_first(names: impl Iterator<Item = String>, prefix: &str) -> Vec<String> {
    let version = |name: &str| -> Option<Vec<u32>> {
        name.strip_prefix(prefix)?.split('.').map(|part| part.parse().ok()).collect()
    };
    let mut versions: Vec<_> = names.filter_map(|name| Some((version(&name)?, name))).collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, name)| name).collect()
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn parse_version(said: &str) -> Option<(u32, String)> {
    let version = said.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    Some((version[..digits].parse().ok()?, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_kinds_are_read() {
        let debian = parse_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)");
        assert_eq!(debian, Some((15, "15.14".into())));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1"), Some((19, "19beta1".into())));
        assert_eq!(parse_version("sh: not found"), None);
    }

    #[test]
    fn newest_version_comes_first_by_number_not_by_letter() {
        let names = ["9.6", "15", "18", "notes", "10"].into_iter().map(String::from);
        assert_eq!(newest_first(names, ""), ["18", "15", "10", "9.6"]);
        let names = ["postgresql@9", "postgresql@17", "python@3"].into_iter().map(String::from);
        assert_eq!(newest_first(names, "postgresql@"), ["postgresql@17", "postgresql@9"]);
    }

    #[test]
    fn data_home_of_the_desktop_standard_wins_over_home() {
        let env = Environment { home: Some("/home/a".into()), ..Environment::default() };
        assert_eq!(env.data_home(), Some("/home/a/.local/share".into()));
        let env = Environment { xdg_data_home: Some("/data".into()), ..env };
        assert_eq!(env.data_home(), Some("/data".into()));
        assert_eq!(Environment::default().data_home(), None);
    }
}
