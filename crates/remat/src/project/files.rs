//! The one place of the project that touches files.
//!
//! Law: reads `remat.toml` and every `views/**/*.sql`, in the order of their paths, and decides nothing. Hidden files
//! and folders are passed over, and links to folders are not followed.

use std::{fs, io, path::Path};

use super::settings::FILE;
use crate::error::{Error, ErrorKind};

/// What a folder holds, unread.
pub(super) struct Sources {
    /// The text of `remat.toml`.
    pub(super) settings: String,
    /// Path within the project and text of each view file.
    pub(super) views: Vec<(String, String)>,
}

pub(super) fn sources(dir: &Path) -> Result<Sources, Error> {
    let settings = dir.join(FILE);
    if !settings.is_file() {
        return Err(Error::new(
            ErrorKind::InvalidSettings,
            format!("there is no {FILE} in {}", dir.display()),
        )
        .with_hint("Go to the folder of the project, or run `remat init` to begin one."));
    }
    let mut views = Vec::new();
    if dir.join("views").is_dir() {
        walk(dir, "views", &mut views)?;
    }
    Ok(Sources { settings: text(&settings)?, views })
}

fn walk(dir: &Path, within: &str, views: &mut Vec<(String, String)>) -> Result<(), Error> {
    let folder = dir.join(within);
    let list = || fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>();
    let mut entries = list().map_err(|error| unreadable(&folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|_| {
            Error::new(ErrorKind::InvalidSettings, format!("the name of {} is not UTF-8", path.display()))
        })?;
        let within = format!("{within}/{name}");
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(dir, &within, views)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            views.push((within, text(&path)?));
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::InvalidSettings, format!("{} cannot be read", path.display()))
        .with_detail(format!("The system says: {error}."))
}
