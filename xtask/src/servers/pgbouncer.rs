//! A private `PgBouncer` in transaction mode, in front of one test server.
//!
//! Every database of the server is reachable under its own name, as any role, without a password. It stays on the
//! loopback.

use std::net::TcpListener;
use std::path::Path;

use remat::embedded::RunAs;
use tokio::process::Command;

use crate::{Outcome, shell};

/// Makes sure that the program is there.
pub(super) async fn require() -> Outcome {
    if shell::on_path("pgbouncer") { Ok(()) } else { shell::install(&["pgbouncer"]).await }
}

/// Starts it for this server, or takes over the one that runs; returns its port.
pub(super) async fn start(dir: &Path, server_port: u16, run_as: &RunAs) -> Outcome<u16> {
    if let Some(port) = running_for(dir, server_port).await {
        return Ok(port);
    }
    stop(dir).await?;
    std::fs::create_dir_all(dir)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    std::fs::write(dir.join("users.txt"), "\"postgres\" \"\"\n")?;
    std::fs::write(dir.join("pgbouncer.ini"), configuration(dir, server_port, port))?;
    let mut command = Command::new("pgbouncer");
    command
        .args(["--quiet", "--daemon"])
        .env("PATH", "/usr/sbin:/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin");
    if let RunAs::Account { name, uid, gid } = run_as {
        std::os::unix::fs::chown(dir, Some(*uid), Some(*gid))?;
        command.args(["--user", name]);
    }
    shell::run(command.arg(dir.join("pgbouncer.ini"))).await?;
    remat_testkit::wait_until("PgBouncer accepts connections", || async { answers(port).await }).await;
    Ok(port)
}

/// Stops it if it runs.
pub(super) async fn stop(dir: &Path) -> Outcome {
    let Some(pid) = living(dir) else { return Ok(()) };
    // The shell's own kill: not every Debian has the program.
    shell::ask(Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid])).await?;
    remat_testkit::wait_until("PgBouncer has ended", || async { living(dir).is_none() }).await;
    Ok(())
}

async fn running_for(dir: &Path, server_port: u16) -> Option<u16> {
    living(dir)?;
    let written = std::fs::read_to_string(dir.join("pgbouncer.ini")).ok()?;
    let port = written.lines().find_map(|line| line.strip_prefix("listen_port = "))?.parse().ok()?;
    (written == configuration(dir, server_port, port) && answers(port).await).then_some(port)
}

async fn answers(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}

/// The process of the pid file, if it is a `PgBouncer` still.
fn living(dir: &Path) -> Option<String> {
    let pid = std::fs::read_to_string(dir.join("pgbouncer.pid")).ok()?.trim().to_owned();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    (stat.contains("(pgbouncer)") && !stat.contains(") Z ")).then_some(pid)
}

fn configuration(dir: &Path, server_port: u16, port: u16) -> String {
    let dir = dir.display();
    format!(
        "[databases]
* = host=127.0.0.1 port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {dir}/users.txt
auth_user = postgres
admin_users = postgres
pool_mode = transaction
default_pool_size = 5
max_client_conn = 500
server_idle_timeout = 10
ignore_startup_parameters = extra_float_digits,options,search_path
logfile = {dir}/pgbouncer.log
pidfile = {dir}/pgbouncer.pid
"
    )
}
