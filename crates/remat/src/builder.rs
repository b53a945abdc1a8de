//! How a program says which database, and in whose name it acts.
//!
//! Law: nothing is needed but a database, which the process's environment may name. What is set here holds for the
//! [`Remat`]'s whole life; what holds for one view stands in its definition.

use crate::{Remat, error::Error, pg::Target};

/// What can be said before connecting; see [`Remat::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `connect`"]
pub struct Builder {
    target: Option<Target>,
    source: &'static str,
    idle_sessions: usize,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { target: None, source: "library", idle_sessions: 4 }
    }

    /// The database. Without it: `DATABASE_URL`, else libpq's variables of the process.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// The database by its URL. Fails when the URL cannot be read.
    pub fn database_url(self, url: &str) -> Result<Self, Error> {
        Ok(self.target(Target::resolve(Some(url), &process_variable)?))
    }

    /// Who acts, for the audit in `remat.events`; `library` by default.
    pub fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// How many idle sessions are kept for the next operation; 4 by default, 0 opens one for each.
    pub fn idle_sessions(mut self, sessions: usize) -> Self {
        self.idle_sessions = sessions;
        self
    }

    /// Connects. Fails when the server cannot be reached.
    pub async fn connect(self) -> Result<Remat, Error> {
        let target = match self.target {
            Some(target) => target,
            None => Target::resolve(None, &process_variable)?,
        };
        Remat::start(target, self.source, self.idle_sessions).await
    }
}

fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
