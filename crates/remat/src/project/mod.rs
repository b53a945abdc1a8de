//! A project folder: `remat.toml` and `views/**/*.sql`.
//!
//! Law: [`read`] is the only function that touches files; all else takes texts and returns values. What is read is
//! valid in itself: every option known, every query one SELECT, every name given once. Every complaint names the file
//! and the line. Folders under `views` are for people; they name no schema.

mod alerts;
mod dispatch;
mod files;
mod init;
mod service;
mod session;
mod settings;
mod table;
mod view;

use std::{collections::BTreeMap, path::Path};

pub use alerts::AlertSettings;
pub(crate) use alerts::rows as alert_rows;
pub use init::init;
pub use service::{BackendKind, BackendSettings, Queue, RetentionSettings, ServeSettings, base_path};
pub use settings::{FILE, Job, JobTarget, ProjectSettings, SecretUrl, parse_settings};
pub use view::{ProjectDefaults, parse_view};

use crate::{
    error::{Error, ErrorKind},
    view::Definition,
};

/// A project as its folder has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// What `remat.toml` says.
    pub settings: ProjectSettings,
    /// The views, in the order of their files.
    pub views: Vec<ViewFile>,
}

/// A view and the file that defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewFile {
    /// The path within the project, with `/` between folders.
    pub path: String,
    /// What the file says.
    pub definition: Definition,
}

impl Project {
    /// The definitions alone.
    pub fn definitions(&self) -> Vec<Definition> {
        self.views.iter().map(|file| file.definition.clone()).collect()
    }
}

/// Reads a project folder.
pub fn read(dir: &Path) -> Result<Project, Error> {
    let sources = files::sources(dir)?;
    let settings = parse_settings(&sources.settings)?;
    let views = sources.views.into_iter().map(|(path, text)| {
        let definition = parse_view(&path, &text, &settings.defaults)?;
        Ok(ViewFile { path, definition })
    });
    let views: Vec<ViewFile> = views.collect::<Result<_, Error>>()?;
    names_are_given_once(&views)?;
    sets_are_published_once(&views)?;
    Ok(Project { settings, views })
}

fn names_are_given_once(views: &[ViewFile]) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for ViewFile { path, definition } in views {
        if let Some(first) = seen.insert(&definition.name, path) {
            let primary = format!("{path}:1: view {} is already defined in {first}", definition.name);
            return Err(Error::new(ErrorKind::InvalidDefinition, primary)
                .with_hint("Remove one of the files, or give it another name."));
        }
    }
    Ok(())
}

/// Two views behind one key would take it from each other again and again.
fn sets_are_published_once(views: &[ViewFile]) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for ViewFile { path, definition } in views {
        let Some(publish) = &definition.publish else { continue };
        if let Some(first) = seen.insert(&publish.key, path) {
            let primary = format!("{path}:1: the key \"{}\" is already published by {first}", publish.key);
            return Err(Error::new(ErrorKind::InvalidDefinition, primary)
                .with_hint("Give each published view a key of its own."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod tests;
