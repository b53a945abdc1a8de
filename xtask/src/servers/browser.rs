//! The browser of the tests: Chromium with its driver, and axe-core, which judges whether everybody can use a page.
//!
//! axe-core comes from the npm registry into the target directory, and nothing of it is committed; its package is unpacked
//! with tar, so none of its scripts run.

use std::path::Path;

use remat_testkit::Browser;
use tokio::process::Command;

use super::packaged::archive_in;
use crate::{Outcome, shell};

/// Programs and the Debian packages that have them.
const NEEDED: [(&str, &str); 2] = [("chromium", "chromium"), ("chromedriver", "chromium-driver")];

/// The exact version: what is a finding must not depend on the day.
const AXE: &str = "axe-core@4.14.1";

/// Makes sure that all of it is there.
pub(super) async fn require() -> Outcome {
    let missing = NEEDED.iter().filter(|(program, _)| !shell::on_path(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if !packages.is_empty() {
        shell::install(&packages).await?;
    }
    let axe = Browser::axe_path();
    if axe.exists() { Ok(()) } else { fetch_axe(&axe).await }
}

async fn fetch_axe(axe: &Path) -> Outcome {
    if !shell::on_path("npm") {
        shell::install(&["npm"]).await?;
    }
    let unfinished = axe.with_extension("unpacking");
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(&unfinished)?;
    shell::run(Command::new("npm").args(["pack", "--silent", AXE]).current_dir(&unfinished)).await?;
    let archive = archive_in(&unfinished)?;
    let mut tar = Command::new("tar");
    tar.args(["-xzf", &archive, "--strip-components=1", "--no-same-owner", "package/axe.min.js"]);
    shell::run(tar.current_dir(&unfinished)).await?;
    std::fs::rename(unfinished.join("axe.min.js"), axe)?;
    Ok(std::fs::remove_dir_all(unfinished)?)
}
