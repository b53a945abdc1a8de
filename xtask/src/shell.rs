//! Runs other programs, loudly: each command is printed before it runs, and its failure names it.

use std::path::Path;

use tokio::process::Command;

use crate::Outcome;

/// Runs a program with its output shown, and fails if it fails.
pub(crate) async fn run(command: &mut Command) -> Outcome {
    let line = spell(command);
    println!("$ {line}");
    let status = command.status().await.map_err(|error| format!("could not run `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}").into()) }
}

/// Runs a program for its answer.
pub(crate) async fn ask(command: &mut Command) -> Outcome<String> {
    let line = spell(command);
    let output = command.output().await.map_err(|error| format!("could not run `{line}`: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

/// Tells whether PATH leads to this program, `sbin` included: Debian keeps daemons there.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    dirs.into_iter().any(|dir: std::path::PathBuf| dir.join(program).is_file())
}

/// Installs Debian packages where we may, else fails with the command for whoever may.
pub(crate) async fn install(packages: &[&str]) -> Outcome {
    let line = format!("apt-get install --yes --no-install-recommends {}", packages.join(" "));
    let is_root = ask(Command::new("id").arg("-u")).await? == "0";
    if !is_root || !Path::new("/usr/bin/apt-get").exists() {
        return Err(
            format!("the tests need {}; run `sudo {line}` and try again", packages.join(" and ")).into()
        );
    }
    run(Command::new("apt-get").args(["update", "--quiet"])).await?;
    // Run level 1 asks the packages not to start system services that nobody asked for; sysvinit listens to it,
    // systemd may not, and the tests do not care: they use none of them.
    let mut install = Command::new("apt-get");
    install.args(line.split(' ').skip(1)).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    run(&mut install).await
}

fn spell(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
