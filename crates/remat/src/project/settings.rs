//! `remat.toml`: what a project is called, what its views inherit, where its database is, its jobs, and how it is served.
//!
//! Law: what is not written has the default of [`ProjectDefaults`]; what is written is checked here, down to the cron
//! lines of the jobs. A URL is a secret: it has no `Debug` and appears in no complaint.

use std::{collections::BTreeSet, fmt};

use super::{
    ProjectDefaults,
    alerts::{self, AlertSettings},
    dispatch,
    service::{self, BackendSettings, Queue, RetentionSettings, ServeSettings},
    session,
    table::{Source, Table},
};
use crate::{
    error::{Error, ErrorKind},
    name::RelationName,
    schedule::{Dispatch, Schedule},
    view::validate::tag_is_a_word,
};

/// The name of the file.
pub const FILE: &str = "remat.toml";

/// What `remat.toml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSettings {
    /// The project's name; views in the database remember which project defined them.
    pub name: String,
    /// What the views inherit.
    pub defaults: ProjectDefaults,
    /// Where the database is, if the file says.
    pub database: Option<SecretUrl>,
    /// The jobs, in the order of the file.
    pub jobs: Vec<Job>,
    /// How many runs of which queue may be at work at once, in the order of the file.
    pub queues: Vec<Queue>,
    /// What `remat serve` does.
    pub serve: ServeSettings,
    /// How a run reaches a worker.
    pub backend: BackendSettings,
    /// Which runs are kept.
    pub retention: RetentionSettings,
    /// Where the Redis is that keeps the serving copies, if the file says.
    pub publish: Option<SecretUrl>,
    /// What is worth a message, and where messages go.
    pub alerts: AlertSettings,
}

/// Where a URL comes from that may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretUrl {
    /// Written in the file.
    Written(String),
    /// In the environment variable of this name.
    Environment(String),
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(_) => f.write_str("Written(..)"),
            Self::Environment(name) => write!(f, "Environment({name:?})"),
        }
    }
}

/// Something that runs on a schedule of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name, unique in the project.
    pub name: String,
    /// The cron line.
    pub schedule: String,
    /// The zone in which the line is read.
    pub zone: String,
    /// What it does.
    pub target: JobTarget,
    /// Whether it fires.
    pub enabled: bool,
    /// How its runs reach a worker.
    pub dispatch: Dispatch,
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobTarget {
    /// Refreshes one view.
    View(RelationName),
    /// Refreshes every view with this tag.
    Tag(String),
    /// Runs one statement.
    Sql(String),
}

/// The tables of the file.
const ROOT: [&str; 10] = [
    "project",
    "database",
    "job",
    "queue",
    "serve",
    "backend",
    "retention",
    "publish",
    "alerts",
    "destinations",
];

/// Reads `remat.toml`.
///
/// ```
/// let settings = remat::project::parse_settings("[project]\nname = \"shop\"\nlock_timeout = \"20ms\"").unwrap();
/// assert_eq!(settings.defaults.settings.lock_timeout_ms, 20);
/// ```
pub fn parse_settings(text: &str) -> Result<ProjectSettings, Error> {
    let source = Source { file: FILE, text, base: 0, kind: ErrorKind::InvalidSettings };
    let entries = source.parse(text)?;
    let root = Table::new(&source, entries.get_ref(), 0..0, &ROOT)?;
    let known: Vec<&str> =
        ["name", "schema"].into_iter().chain(session::KEYS).chain(dispatch::KEYS).collect();
    let project = root.table("project", &known)?.ok_or_else(|| {
        root.error("project", "the table [project] is missing").with_hint("Write [project] and name = \"…\".")
    })?;
    let defaults = defaults(&project)?;
    Ok(ProjectSettings {
        name: project.require("name", a_name)?,
        database: root.table("database", &["url", "url_env"])?.map(|table| url(&table)).transpose()?,
        jobs: jobs(&root, &defaults)?,
        queues: service::queues(&root)?,
        serve: service::serve(&root)?,
        backend: service::backend(&root)?,
        retention: service::retention(&root)?,
        publish: service::publish(&root)?,
        alerts: alerts::alerts(&root, &defaults)?,
        defaults,
    })
}

fn defaults(project: &Table<'_, '_>) -> Result<ProjectDefaults, Error> {
    let plain = ProjectDefaults::default();
    Ok(ProjectDefaults {
        schema: project.name("schema")?.unwrap_or(plain.schema),
        settings: session::settings(project, &plain.settings)?,
        dispatch: dispatch::dispatch(project, &plain.dispatch)?,
    })
}

/// One of `url` and `url_env`.
pub(super) fn url(table: &Table<'_, '_>) -> Result<SecretUrl, Error> {
    let url = table.read("url", |url| Ok(SecretUrl::Written(url.to_owned())))?;
    let variable = table.read("url_env", |name| Ok(SecretUrl::Environment(name.to_owned())))?;
    let hint = "Prefer url_env: the file then holds no password.";
    match (url, variable) {
        (Some(found), None) | (None, Some(found)) => Ok(found),
        (Some(_), Some(_)) => {
            Err(table.error("url", "both \"url\" and \"url_env\" are given").with_hint(hint))
        }
        (None, None) => Err(table.error("url", "neither \"url\" nor \"url_env\" is given").with_hint(hint)),
    }
}

fn jobs(root: &Table<'_, '_>, defaults: &ProjectDefaults) -> Result<Vec<Job>, Error> {
    let known: Vec<&str> = ["name", "schedule", "zone", "view", "tag", "sql", "enabled"]
        .into_iter()
        .chain(dispatch::KEYS)
        .collect();
    let mut names = BTreeSet::new();
    let mut jobs = Vec::new();
    for table in root.tables("job", &known)? {
        let job = job(&table, defaults)?;
        if !names.insert(job.name.clone()) {
            return Err(table.error("name", format!("there are two jobs with the name \"{}\"", job.name)));
        }
        jobs.push(job);
    }
    Ok(jobs)
}

fn job(table: &Table<'_, '_>, defaults: &ProjectDefaults) -> Result<Job, Error> {
    let text = |text: &str| Ok(text.to_owned());
    let zone = table.read("zone", text)?.unwrap_or_else(|| defaults.settings.time_zone.clone());
    let schedule = table.require("schedule", text)?;
    Schedule::parse(&schedule, &zone).map_err(|error| table.locate("schedule", &error))?;
    Ok(Job {
        name: table.require("name", a_name)?,
        schedule,
        zone,
        target: target(table, defaults)?,
        enabled: table.boolean("enabled")?.unwrap_or(true),
        dispatch: dispatch::dispatch(table, &defaults.dispatch)?,
    })
}

fn target(table: &Table<'_, '_>, defaults: &ProjectDefaults) -> Result<JobTarget, Error> {
    let named: Vec<_> = ["view", "tag", "sql"].into_iter().filter(|key| table.has(key)).collect();
    let [what] = named[..] else {
        let primary = format!("a job needs one of view, tag and sql; this one has {}", in_words(&named));
        return Err(table.error(named.first().unwrap_or(&"name"), primary));
    };
    let view = |typed: &str| RelationName::parse(typed, defaults.schema.as_str()).map(JobTarget::View);
    let tag = |tag: &str| tag_is_a_word(tag).map(|()| JobTarget::Tag(tag.to_owned()));
    match what {
        "view" => table.require(what, view),
        "tag" => table.require(what, tag),
        _ => table.require(what, |sql| a_name(sql).map(JobTarget::Sql)),
    }
}

fn in_words(keys: &[&str]) -> String {
    if keys.is_empty() { "none".into() } else { keys.join(" and ") }
}

fn a_name(text: &str) -> Result<String, Error> {
    if text.trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidSettings, "the text must not be empty"));
    }
    Ok(text.to_owned())
}
