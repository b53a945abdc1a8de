//! `remat man`: `{"page":"…"}`, or `{"files":["…"]}` with `--dir`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;
use clap_mangen::Man;
use remat::error::Error;
use serde_json::json;

use crate::{
    app::{App, io_error},
    args::Cli,
    exit::Exit,
};

/// Print the manual page, or write one for each command into a folder.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write remat.1 and one page for each command here.
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let Some(dir) = &args.dir else {
        let page = page().map_err(|error| io_error("could not write the manual page", &error))?;
        app.out.show(&json!({ "page": page }), || page.clone());
        return Ok(Exit::Success);
    };
    let written = write_all(dir)
        .map_err(|error| io_error(&format!("could not write manual pages to {}", dir.display()), &error))?;
    app.out.report(&json!({ "files": written }), || {
        format!("wrote {} pages to {}", written.len(), dir.display())
    });
    Ok(Exit::Success)
}

fn page() -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn write_all(dir: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)?;
    let entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut pages: Vec<String> =
        names.filter(|name| name.starts_with("remat") && name.ends_with(".1")).collect();
    pages.sort_unstable();
    Ok(pages)
}
