//! What a service is to do: the flags, over `[serve]` of `remat.toml`, over the defaults.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use remat::{
    error::Error,
    project::{BackendKind, RetentionSettings, ServeSettings},
    store::retention::Retention,
};

use crate::{
    app::App,
    http::{Door, DoorOptions},
    values::one_of,
};

/// How a service works on runs.
#[derive(Args, Debug)]
pub(crate) struct WorkOptions {
    /// How runs reach this process, instead of kind in [backend] of remat.toml (postgres).
    ///
    /// The URL of a broker is taken from REMAT_BACKEND_URL, or from [backend] where that is of the same kind.
    #[arg(long, value_name = "KIND", value_parser = one_of(BackendKind::ALL, BackendKind::as_str))]
    #[allow(clippy::doc_markdown, reason = "help texts are for a terminal")]
    backend: Option<BackendKind>,
    /// How many runs to do at once (4).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    workers: Option<u16>,
    /// Serve these queues only.
    #[arg(long, value_name = "QUEUE,…", value_delimiter = ',')]
    queues: Vec<String>,
}

/// What a service is to do.
#[derive(Debug)]
pub(crate) struct Charge {
    /// Where to listen, if anywhere.
    pub(crate) listen: Option<SocketAddr>,
    /// Who is let in there, and the path under which all is shown; without it probes alone are answered.
    pub(crate) door: Option<(Door, String)>,
    /// The kind of back end that a flag asks for.
    pub(crate) backend: Option<BackendKind>,
    pub(crate) slots: usize,
    pub(crate) queues: Vec<String>,
    pub(crate) poll: Duration,
    pub(crate) grace: Duration,
    /// Whether it makes runs of what falls due.
    pub(crate) schedules: bool,
    /// What it keeps of the history, and how often it looks; none to delete nothing.
    pub(crate) retention: Option<(Retention, Duration)>,
    /// Whether it judges alerts and sends what they have to say.
    pub(crate) alerts: bool,
    /// Whether it keeps serving copies in Redis.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "nothing can be published then"))]
    pub(crate) publishes: bool,
    /// How often each view that follows changes is compared with its query, if ever.
    pub(crate) verify_every: Option<Duration>,
}

impl Charge {
    /// Schedules and works. Without `web` it listens nowhere; an address that a flag names is listened on in any case.
    pub(crate) fn serve(
        app: &App,
        work: &WorkOptions,
        listen: Option<SocketAddr>,
        web: Option<&DoorOptions>,
        verify_every: Option<Duration>,
    ) -> Result<Self, Error> {
        let project = app.project_settings()?;
        let publishes = project.as_ref().is_some_and(|project| project.publish.is_some());
        let (settings, retention) =
            project.map(|project| (project.serve, project.retention)).unwrap_or_default();
        let written = (web.is_some() && settings.web).then_some(settings.listen);
        let listen = listen.or(written);
        let door = match (listen, web) {
            (Some(address), Some(web)) => Some((web.resolve(address, &settings)?, web.base(&settings))),
            _ => None,
        };
        let verify_every = verify_every.unwrap_or(settings.verify_every);
        Ok(Self {
            listen,
            door,
            schedules: true,
            alerts: true,
            retention: Some((kept(&retention), retention.every)),
            publishes,
            verify_every: (verify_every > Duration::ZERO).then_some(verify_every),
            ..Self::of(work, settings)
        })
    }

    /// Works, and answers probes where a flag says so.
    pub(crate) fn work(app: &App, work: &WorkOptions, listen: Option<SocketAddr>) -> Result<Self, Error> {
        let settings = app.project_settings()?.map(|project| project.serve).unwrap_or_default();
        Ok(Self { listen, ..Self::of(work, settings) })
    }

    fn of(work: &WorkOptions, settings: ServeSettings) -> Self {
        Self {
            listen: None,
            door: None,
            backend: work.backend,
            slots: work.workers.map_or(settings.workers, usize::from),
            queues: if work.queues.is_empty() { settings.queues } else { work.queues.clone() },
            poll: settings.poll,
            grace: settings.grace,
            schedules: false,
            alerts: false,
            retention: None,
            publishes: false,
            verify_every: None,
        }
    }

    /// The queues for the log.
    pub(crate) fn queues_in_words(&self) -> String {
        if self.queues.is_empty() { "all".into() } else { self.queues.join(", ") }
    }
}

fn kept(settings: &RetentionSettings) -> Retention {
    let whole = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    Retention {
        keep_per_view: whole(settings.keep_per_view),
        keep_days: whole(settings.keep_days),
        keep_failures_days: whole(settings.keep_failures_days),
        ..Retention::default()
    }
}
