//! The platforms on which remat runs no server of its own: every question is answered with that sentence.
//!
//! Same face as `root.rs`, so that the rest of the module needs no conditions.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{EmbeddedError, Environment};

/// Who runs the server: nobody, here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunAs {}

impl RunAs {
    /// Always fails on this platform.
    #[expect(clippy::unused_async, reason = "the face is that of the platforms that can")]
    pub async fn find() -> Result<Self, EmbeddedError> {
        Err(EmbeddedError::Unsupported)
    }

    pub(super) fn command(&self, _program: &Path, _dir: &Path) -> Command {
        match *self {}
    }

    pub(super) fn private_dir(&self, _path: &Path) -> Result<(), EmbeddedError> {
        match *self {}
    }

    pub(super) fn check_reach(&self, _path: &Path) -> Result<(), EmbeddedError> {
        match *self {}
    }

    pub(super) fn give(&self, _path: &Path) -> Result<(), EmbeddedError> {
        match *self {}
    }

    /// Cannot be called on this platform.
    pub fn reaches(&self, _path: &Path) -> bool {
        match *self {}
    }
}

/// Cannot be called on this platform.
pub fn default_home(_env: &Environment, run_as: &RunAs, _major: u32) -> PathBuf {
    match *run_as {}
}

#[cfg(feature = "download")]
pub(super) fn data_dir(_env: &Environment, run_as: &RunAs) -> PathBuf {
    match *run_as {}
}
