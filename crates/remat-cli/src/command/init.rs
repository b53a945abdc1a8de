//! `remat init`: `{"files":[{"path","written"}]}`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use remat::{error::Error, project};
use serde::Serialize;
use serde_json::json;

use crate::{
    app::{App, io_error},
    exit::Exit,
};

/// Write a project folder to begin with: remat.toml and one view. Files that are there already stay as they are.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder; it is made if need be.
    #[arg(default_value = ".")]
    dir: PathBuf,
}

#[derive(Serialize)]
struct File {
    path: String,
    written: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let mut files = Vec::new();
    for (path, content) in project::init(&project_name(&args.dir)) {
        let path = args.dir.join(path);
        let written = write_new(&path, &content)
            .map_err(|error| io_error(&format!("could not write {}", path.display()), &error))?;
        files.push(File { path: path.display().to_string(), written });
    }
    app.out.report(&json!({ "files": files }), || text(&files));
    Ok(Exit::Success)
}

fn text(files: &[File]) -> String {
    let line = |file: &File| {
        let what = if file.written { "wrote" } else { "kept" };
        format!("{what} {}\n", file.path)
    };
    let lines: String = files.iter().map(line).collect();
    lines + "next: `remat migrate`, then `remat plan` and `remat apply`"
}

/// The name of the folder, which a path such as `.` does not show.
fn project_name(dir: &Path) -> String {
    let whole = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    whole.file_name().map_or_else(|| "project".into(), |name| name.to_string_lossy().into_owned())
}

/// Writes a file unless there is one; true when it was written.
fn write_new(path: &Path, content: &str) -> io::Result<bool> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(content.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
