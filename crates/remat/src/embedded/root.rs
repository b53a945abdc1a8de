//! Runs the server as an account that it accepts.
//!
//! PostgreSQL refuses to run as root, so root hands over to `postgres` where that account exists, else to
//! `nobody`; everybody else runs it as themselves. The account must be able to enter every directory on the way to
//! its data, which is checked before anything is started. Access lists beyond the mode bits are not looked at.

use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{EmbeddedError, Environment};

/// Who runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunAs {
    /// The user who runs remat.
    Myself {
        /// The user's number.
        uid: u32,
    },
    /// Another account, because we are root.
    Account {
        /// Its name in `/etc/passwd`.
        name: String,
        /// Its number.
        uid: u32,
        /// The number of its main group.
        gid: u32,
    },
}

impl RunAs {
    /// Asks the system who we are and who may run the server.
    pub async fn find() -> Result<Self, EmbeddedError> {
        let id = tokio::process::Command::new("id").arg("-u").output().await;
        let id = id.map_err(EmbeddedError::io("run", Path::new("id")))?;
        let uid = String::from_utf8_lossy(&id.stdout).trim().parse();
        let uid = uid.map_err(|_| EmbeddedError::Program { program: "id", output: String::new() })?;
        let passwd = tokio::fs::read_to_string("/etc/passwd").await.unwrap_or_default();
        decide(uid, &passwd)
    }

    /// Prepares a program so that it runs as this account, away from the terminal's Ctrl-C and from the
    /// caller's libpq environment, in English.
    pub(super) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).process_group(0).env("LC_ALL", "C").stdin(std::process::Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Self::Account { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Makes a directory that only this account (and root) may enter; one that exists must be its own already.
    pub(super) fn private_dir(&self, path: &Path) -> Result<(), EmbeddedError> {
        if let Some(parent) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
            made.map_err(EmbeddedError::io("make directory", parent))?;
        }
        self.check_reach(path)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => self.give(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => self.check_owner(path),
            Err(error) => Err(EmbeddedError::io("make directory", path)(error)),
        }
    }

    /// Fails unless this account may enter every directory that exists on the way to `path`.
    pub(super) fn check_reach(&self, path: &Path) -> Result<(), EmbeddedError> {
        let Self::Account { name, .. } = self else { return Ok(()) };
        if self.reaches(path) {
            return Ok(());
        }
        Err(EmbeddedError::Unreachable { account: name.clone(), path: path.to_owned() })
    }

    /// Tells whether this account may enter every directory that exists on the way to `path`.
    pub fn reaches(&self, path: &Path) -> bool {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        path.ancestors().filter_map(|dir| dir.metadata().ok()).all(|dir| self.may_enter(&dir))
    }

    fn may_enter(&self, dir: &Metadata) -> bool {
        // Whoever runs remat as himself learns from the system what he may do.
        let Self::Account { uid, gid, .. } = self else { return true };
        let bit = match dir {
            dir if dir.uid() == *uid => 0o100,
            dir if dir.gid() == *gid => 0o010,
            _ => 0o001,
        };
        dir.permissions().mode() & bit != 0
    }

    /// Makes this account the owner; of a link, not of what it leads to.
    pub(super) fn give(&self, path: &Path) -> Result<(), EmbeddedError> {
        let Self::Account { uid, gid, .. } = self else { return Ok(()) };
        lchown(path, Some(*uid), Some(*gid)).map_err(EmbeddedError::io("give away", path))
    }

    /// In a directory such as /var/tmp a stranger may have made ours first.
    fn check_owner(&self, path: &Path) -> Result<(), EmbeddedError> {
        let found = path.symlink_metadata().map_err(EmbeddedError::io("look at", path))?;
        let (Self::Myself { uid } | Self::Account { uid, .. }) = self;
        if found.is_dir() && found.uid() == *uid {
            return Ok(());
        }
        Err(EmbeddedError::NotOurs { path: path.to_owned() })
    }
}

/// Where the private server of this major version lives unless told otherwise: in the user's data directory, or in
/// `/var/lib/remat` where root runs it as an account that cannot enter root's home.
pub fn default_home(env: &Environment, run_as: &RunAs, major: u32) -> PathBuf {
    data_dir(env, run_as).join(format!("postgres-{major}"))
}

/// Where remat keeps what it may lose: the data of private servers, and downloaded programs.
pub(super) fn data_dir(env: &Environment, run_as: &RunAs) -> PathBuf {
    let base = env.data_home().filter(|dir| run_as.reaches(dir));
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("remat")
}

/// Decides who runs the server, from our own number and the text of `/etc/passwd`.
fn decide(uid: u32, passwd: &str) -> Result<RunAs, EmbeddedError> {
    if uid != 0 {
        return Ok(RunAs::Myself { uid });
    }
    let found = account(passwd, "postgres").or_else(|| account(passwd, "nobody"));
    found.ok_or(EmbeddedError::NoAccount)
}

fn account(passwd: &str, wanted: &str) -> Option<RunAs> {
    let entries = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.into_iter().find(|entry| entry.first() == Some(&wanted))?;
    let (uid, gid) = (entry.get(2)?.parse().ok()?, entry.get(3)?.parse().ok()?);
    // Another name for root would not help.
    (uid != 0).then(|| RunAs::Account { name: wanted.to_owned(), uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn root_prefers_postgres_to_nobody() {
        let expected = RunAs::Account { name: "postgres".into(), uid: 101, gid: 104 };
        assert_eq!(decide(0, PASSWD).unwrap(), expected);
        let without = PASSWD.lines().take(2).collect::<Vec<_>>().join("\n");
        let expected = RunAs::Account { name: "nobody".into(), uid: 65534, gid: 65534 };
        assert_eq!(decide(0, &without).unwrap(), expected);
    }

    #[test]
    fn root_without_another_account_is_refused() {
        assert!(matches!(decide(0, "postgres:x:0:0::/:\n"), Err(EmbeddedError::NoAccount)));
    }

    #[test]
    fn user_runs_the_server_as_himself() {
        assert_eq!(decide(1000, PASSWD).unwrap(), RunAs::Myself { uid: 1000 });
    }

    #[test]
    fn closed_home_sends_the_server_to_var_lib() {
        let home = std::env::temp_dir().join(format!("remat-closed-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&home).unwrap();
        let env = Environment { home: Some(home.clone()), ..Environment::default() };
        let stranger = RunAs::Account { name: "nobody".into(), uid: 65534, gid: 65534 };
        assert_eq!(default_home(&env, &stranger, 18), Path::new("/var/lib/remat/postgres-18"));
        let myself = default_home(&env, &RunAs::Myself { uid: 1000 }, 18);
        assert_eq!(myself, home.join(".local/share/remat/postgres-18"));
        std::fs::remove_dir(home).unwrap();
    }
}
