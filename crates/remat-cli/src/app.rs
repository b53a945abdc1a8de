//! What every command has at hand: its options, its output, the database.

use std::{io, path::PathBuf};

#[cfg(feature = "redis")]
use remat::publish::Publisher;
use remat::{
    Remat,
    error::{Error, ErrorKind},
    pg::Target,
    project::ProjectSettings,
    run::Run,
    view::View,
};

use crate::{
    args::GlobalOptions,
    exit::Exit,
    interrupt::Interrupt,
    render::{Output, Progress, runs::RunsReport},
    target,
};

/// A command works on one thing after another.
const IDLE_SESSIONS: usize = 4;

/// One call of the command.
pub(crate) struct App {
    pub(crate) out: Output,
    pub(crate) interrupt: Interrupt,
    options: GlobalOptions,
}

impl App {
    pub(crate) fn new(options: GlobalOptions, out: Output, interrupt: Interrupt) -> Self {
        Self { out, interrupt, options }
    }

    /// Connects, whatever state remat's tables are in.
    pub(crate) async fn connect(&self) -> Result<Remat, Error> {
        self.connect_as("cli", IDLE_SESSIONS).await
    }

    /// Connects in the name of this source, and keeps so many idle sessions for the next operations.
    pub(crate) async fn connect_as(
        &self,
        source: &'static str,
        idle_sessions: usize,
    ) -> Result<Remat, Error> {
        let target = target::resolve(&self.options, &environment)?;
        let builder = Remat::builder().target(target).source(source).idle_sessions(idle_sessions);
        let remat = builder.connect().await?;
        self.interrupt.covers(&remat);
        Ok(remat)
    }

    /// What `remat.toml` says; nothing where there is no project.
    pub(crate) fn project_settings(&self) -> Result<Option<ProjectSettings>, Error> {
        target::project_settings(&self.options)
    }

    /// Connects, makes sure that remat's tables are this program's, and ends runs that were lost.
    pub(crate) async fn open(&self) -> Result<Remat, Error> {
        let remat = self.connect().await?;
        remat.check_schema().await?;
        Ok(remat)
    }

    /// The server that was named by `--database-url` or `DATABASE_URL`, if one was.
    pub(crate) fn named_target(&self) -> Result<Option<Target>, Error> {
        target::named(&self.options, &environment)
    }

    /// Where views are published. Nothing is asked of the server yet.
    #[cfg(feature = "redis")]
    pub(crate) fn publisher(&self) -> Result<Publisher, Error> {
        Publisher::new(&target::redis_url(&self.options, &environment)?)
    }

    /// The project's folder, or an error that says how to make one.
    pub(crate) fn project_dir(&self) -> Result<PathBuf, Error> {
        target::project_dir(&self.options)?.ok_or_else(|| {
            Error::new(ErrorKind::InvalidSettings, "there is no remat.toml in the current directory")
                .with_hint("Name a project folder with --project DIR, or make one with `remat init`.")
        })
    }

    /// Does the same to one view after another. A run that failed does not stop the rest; an interrupt does.
    pub(crate) async fn each_run<A>(
        &self,
        views: &[View],
        label: impl Fn(&View) -> String,
        act: A,
    ) -> Result<Exit, Error>
    where
        A: AsyncFn(&View) -> Result<Run, Error>,
    {
        let each: Vec<_> = views.iter().map(|view| vec![view.clone()]).collect();
        let label = |views: &[View]| views.first().map(&label).unwrap_or_default();
        let act = async |views: &[View]| match views {
            [view] => Ok(vec![act(view).await?]),
            _ => Ok(Vec::new()),
        };
        self.each_group(&each, label, act).await
    }

    /// The same with views that are acted on together.
    pub(crate) async fn each_group<A>(
        &self,
        groups: &[Vec<View>],
        label: impl Fn(&[View]) -> String,
        act: A,
    ) -> Result<Exit, Error>
    where
        A: AsyncFn(&[View]) -> Result<Vec<Run>, Error>,
    {
        let progress = Progress::start(&self.out, groups.len());
        let mut report = RunsReport::default();
        for group in groups {
            if self.interrupt.is_asked() {
                break;
            }
            progress.step(&label(group));
            match self.interrupt.attend(act(group)).await {
                Ok(runs) => report.runs.extend(runs),
                // Not the view's failure: the run could not even be recorded.
                Err(error) => {
                    report.error = Some(error);
                    break;
                }
            }
        }
        progress.finish();
        Ok(report.show(&self.out))
    }
}

/// A variable of this process's environment.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// An error of a file or the system.
pub(crate) fn io_error(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::InvalidSettings, what).with_detail(format!("{error}."))
}
