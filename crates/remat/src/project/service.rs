//! What `remat serve` and `remat worker` are told: where to listen, how many runs at once, by which back end, and how
//! long runs are kept.
//!
//! Law: every table may be absent, and so may each key; then the defaults hold that `Default` gives. A back end is
//! named, never guessed, and one that has a broker of its own must say where that is.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use super::{
    dispatch, session,
    settings::{SecretUrl, url},
    table::Table,
};
use crate::{
    error::{Error, ErrorKind},
    run::words,
    schedule::queue_is_a_word,
};

/// `[serve]`: the process that schedules and works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// Where the pages and the HTTP interface are.
    pub listen: SocketAddr,
    /// Whether there are any.
    pub web: bool,
    /// How many runs the process works on at once.
    pub workers: usize,
    /// The queues that it serves; all of them when none is named.
    pub queues: Vec<String>,
    /// How often it looks for due times and waiting runs when nothing wakes it.
    pub poll: Duration,
    /// Names under which others ask for the pages.
    pub allow_hosts: Vec<String>,
    /// The path under which a proxy shows the pages: empty, or with a slash before and none behind.
    pub base_path: String,
    /// Whether every request comes through a proxy that says where it comes from.
    pub behind_proxy: bool,
    /// How long runs may go on after it was told to stop.
    pub grace: Duration,
    /// How often each view that follows changes is compared with its query; zero for never.
    pub verify_every: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            web: true,
            workers: 4,
            queues: Vec::new(),
            poll: Duration::from_secs(5),
            allow_hosts: Vec::new(),
            base_path: String::new(),
            behind_proxy: false,
            grace: Duration::from_secs(30),
            verify_every: Duration::from_hours(24),
        }
    }
}

words! {
    /// What carries wake-ups to workers.
    BackendKind {
        /// Nothing: whoever enqueues does the work at once.
        Inline = "inline",
        /// The database of the views itself.
        Postgres = "postgres",
        /// Redis.
        Redis = "redis",
        /// Redis, in the format of Sidekiq.
        Sidekiq = "sidekiq",
        /// RabbitMQ.
        Rabbitmq = "rabbitmq",
    }
}

impl BackendKind {
    /// Whether it has a broker of its own, which must be told.
    pub fn needs_url(self) -> bool {
        matches!(self, Self::Redis | Self::Sidekiq | Self::Rabbitmq)
    }
}

/// `[backend]`: how a run reaches a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    /// Which one.
    pub kind: BackendKind,
    /// Where its broker is; there if and only if [`BackendKind::needs_url`].
    pub url: Option<SecretUrl>,
    /// What its names in the broker begin with, where that is not its own choice.
    pub prefix: Option<String>,
}

impl Default for BackendSettings {
    fn default() -> Self {
        Self { kind: BackendKind::Postgres, url: None, prefix: None }
    }
}

/// `[retention]`: which runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// The newest so many of each view.
    pub keep_per_view: i64,
    /// Those of the last so many days.
    pub keep_days: i64,
    /// Failures of the last so many days.
    pub keep_failures_days: i64,
    /// How often the others are removed.
    pub every: Duration,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { keep_per_view: 1000, keep_days: 90, keep_failures_days: 365, every: Duration::from_hours(1) }
    }
}

/// `[[queue]]`: how many runs of a queue may be at work at once, over all processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name; `*` stands for all queues together.
    pub name: String,
    /// How many.
    pub concurrency: i32,
}

pub(super) fn serve(root: &Table<'_, '_>) -> Result<ServeSettings, Error> {
    let plain = ServeSettings::default();
    let known = [
        "listen",
        "web",
        "allow_hosts",
        "base_path",
        "behind_proxy",
        "workers",
        "queues",
        "poll",
        "grace",
        "verify_every",
    ];
    let Some(table) = root.table("serve", &known)? else { return Ok(plain) };
    Ok(ServeSettings {
        listen: table.read("listen", address)?.unwrap_or(plain.listen),
        web: table.boolean("web")?.unwrap_or(plain.web),
        allow_hosts: table.read_list("allow_hosts", host_name)?.unwrap_or(plain.allow_hosts),
        base_path: table.read("base_path", base_path)?.unwrap_or(plain.base_path),
        behind_proxy: table.boolean("behind_proxy")?.unwrap_or(plain.behind_proxy),
        workers: table.integer("workers", 1..=1000)?.unwrap_or(plain.workers),
        queues: table.read_list("queues", dispatch::queue)?.unwrap_or(plain.queues),
        poll: table.read("poll", some_time)?.unwrap_or(plain.poll),
        grace: table.read("grace", time)?.unwrap_or(plain.grace),
        verify_every: table.read("verify_every", time)?.unwrap_or(plain.verify_every),
    })
}

/// A path under which a proxy shows something: with a slash before and none behind, or nothing.
pub fn base_path(typed: &str) -> Result<String, Error> {
    let path = typed.trim_end_matches('/');
    let fits = |part: &str| {
        !part.is_empty()
            && part != ".."
            && part.chars().all(|char| char.is_ascii_alphanumeric() || "._~-".contains(char))
    };
    match path.strip_prefix('/') {
        _ if path.is_empty() => Ok(String::new()),
        Some(rest) if rest.split('/').all(fits) => Ok(path.to_owned()),
        _ => Err(Error::new(ErrorKind::InvalidSettings, format!("\"{typed}\" is no path"))
            .with_hint("A path looks like /remat.")),
    }
}

fn host_name(text: &str) -> Result<String, Error> {
    let fits = |char: char| char.is_ascii_alphanumeric() || ".-_".contains(char);
    if text.is_empty() || !text.chars().all(fits) {
        return Err(Error::new(ErrorKind::InvalidSettings, format!("\"{text}\" is no name of a host"))
            .with_hint("A name looks like remat.example.org, without a port."));
    }
    Ok(text.to_owned())
}

pub(super) fn backend(root: &Table<'_, '_>) -> Result<BackendSettings, Error> {
    let plain = BackendSettings::default();
    let known = ["kind", "url", "url_env", "prefix"];
    let Some(table) = root.table("backend", &known)? else { return Ok(plain) };
    let kind = table.read("kind", str::parse::<BackendKind>)?.unwrap_or(plain.kind);
    let says_where = table.has("url") || table.has("url_env");
    if says_where && !kind.needs_url() {
        let key = if table.has("url") { "url" } else { "url_env" };
        return Err(table
            .error(key, format!("back end {kind} takes no url"))
            .with_detail("It has no broker."));
    }
    Ok(BackendSettings {
        kind,
        url: kind.needs_url().then(|| url(&table)).transpose()?,
        prefix: table.read("prefix", a_prefix)?,
    })
}

pub(super) fn retention(root: &Table<'_, '_>) -> Result<RetentionSettings, Error> {
    let plain = RetentionSettings::default();
    let known = ["keep_per_view", "keep_days", "keep_failures_days", "every"];
    let Some(table) = root.table("retention", &known)? else { return Ok(plain) };
    // Longer than a calendar has days would end in an interval that the server refuses.
    let days = 0..=100_000;
    Ok(RetentionSettings {
        keep_per_view: table.integer("keep_per_view", 0..=i64::MAX)?.unwrap_or(plain.keep_per_view),
        keep_days: table.integer("keep_days", days.clone())?.unwrap_or(plain.keep_days),
        keep_failures_days: table.integer("keep_failures_days", days)?.unwrap_or(plain.keep_failures_days),
        every: table.read("every", some_time)?.unwrap_or(plain.every),
    })
}

/// `[publish]`: where the Redis is that keeps the serving copies.
pub(super) fn publish(root: &Table<'_, '_>) -> Result<Option<SecretUrl>, Error> {
    root.table("publish", &["url", "url_env"])?.map(|table| url(&table)).transpose()
}

pub(super) fn queues(root: &Table<'_, '_>) -> Result<Vec<Queue>, Error> {
    let name = |name: &str| match name {
        "*" => Ok(name.to_owned()),
        _ => queue_is_a_word(name).map(|()| name.to_owned()),
    };
    let (mut names, mut queues) = (BTreeSet::new(), Vec::new());
    for table in root.tables("queue", &["name", "concurrency"])? {
        let name = table.require("name", name)?;
        if !names.insert(name.clone()) {
            return Err(table.error("name", format!("there are two queues with the name \"{name}\"")));
        }
        let concurrency = table.integer("concurrency", 1..=i32::MAX)?;
        let concurrency =
            concurrency.ok_or_else(|| table.error("concurrency", "\"concurrency\" is missing"))?;
        queues.push(Queue { name, concurrency });
    }
    Ok(queues)
}

fn address(text: &str) -> Result<SocketAddr, Error> {
    text.parse().map_err(|_| {
        invalid(format!("\"{text}\" is not an address and a port"))
            .with_hint("Write 127.0.0.1:8080, or [::1]:8080.")
    })
}

fn a_prefix(text: &str) -> Result<String, Error> {
    if text.is_empty() || text.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return Err(invalid(format!("prefix \"{text}\" is not a word")));
    }
    Ok(text.to_owned())
}

fn time(text: &str) -> Result<Duration, Error> {
    let read = session::duration(text)?;
    Duration::try_from(read).map_err(|_| invalid(format!("\"{text}\" is not a length of time")))
}

/// A length of time after which something is done again: without any, it would be done without end.
fn some_time(text: &str) -> Result<Duration, Error> {
    let read = time(text)?;
    if read < Duration::from_millis(10) {
        return Err(invalid(format!("\"{text}\" is too short")).with_hint("Write 10ms or more."));
    }
    Ok(read)
}

fn invalid(primary: String) -> Error {
    Error::new(ErrorKind::InvalidSettings, primary)
}
