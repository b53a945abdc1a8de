//! Reads `postmaster.pid`, by which a PostgreSQL server says where it is.
//!
//! Pure reading of the text, plus one question to the system: is that process a living PostgreSQL? A file whose
//! process is gone, is a zombie, or is some other program by now is stale.

use std::path::{Path, PathBuf};

/// What a running server wrote about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PidFile {
    /// The process id of the postmaster.
    pub(super) pid: u32,
    /// The port, which also names the socket file.
    pub(super) port: u16,
    /// The directory of the socket, where there is one.
    pub(super) socket_dir: Option<PathBuf>,
}

/// Reads the text of a `postmaster.pid`; none if the server has not yet written as far as the socket's line.
pub(super) fn parse(text: &str) -> Option<PidFile> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    Some(PidFile {
        pid: lines.first()?.parse().ok()?,
        port: lines.get(3)?.parse().ok()?,
        socket_dir: lines.get(4).filter(|dir| !dir.is_empty()).map(PathBuf::from),
    })
}

/// Tells whether the process is alive and is the server of this data directory, as far as the system tells.
pub(super) async fn is_living_server(pid: u32, data: &Path) -> bool {
    if let Ok(stat) = tokio::fs::read_to_string(format!("/proc/{pid}/stat")).await {
        // A postmaster works inside its data directory; where we may not look, the name has to do.
        let cwd = tokio::fs::read_link(format!("/proc/{pid}/cwd")).await;
        return stat_is_living_server(&stat) && cwd.map_or(true, |cwd| cwd == data);
    }
    // Systems without /proc have ps; where neither knows the process, it is gone.
    let ps = tokio::process::Command::new("ps").args(["-o", "stat=,comm=", "-p", &pid.to_string()]).output();
    ps.await.is_ok_and(|output| ps_is_living_server(&String::from_utf8_lossy(&output.stdout)))
}

fn stat_is_living_server(stat: &str) -> bool {
    let Some((head, tail)) = stat.rsplit_once(')') else { return false };
    let name = head.split_once('(').map_or("", |(_, name)| name);
    name.starts_with("postgres") && !tail.trim_start().starts_with(['Z', 'X'])
}

fn ps_is_living_server(line: &str) -> bool {
    line.trim()
        .split_once(' ')
        .is_some_and(|(stat, name)| name.contains("postgres") && !stat.starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_a_running_server_is_read() {
        let text = "4711\n/var/x/data\n1763715000\n40123\n/var/x\n\n  5432001   12\nready   \n";
        let expected = PidFile { pid: 4711, port: 40123, socket_dir: Some("/var/x".into()) };
        assert_eq!(parse(text), Some(expected));
    }

    #[test]
    fn half_written_file_is_not_an_answer() {
        assert_eq!(parse("4711\n/var/x/data\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn zombies_and_strangers_are_not_servers() {
        assert!(stat_is_living_server("12 (postgres) S 1 12 12"));
        assert!(!stat_is_living_server("12 (postgres) Z 1 12 12"));
        assert!(!stat_is_living_server("12 (sh (x) y) S 1 12 12"));
        assert!(ps_is_living_server("Ss   /opt/homebrew/bin/postgres\n"));
        assert!(!ps_is_living_server("Z    postgres\n"));
        assert!(!ps_is_living_server(""));
    }
}
