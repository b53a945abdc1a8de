//! The subcommands, one file each: its arguments, and `run`, which asks the library and hands the answer to `render`.

mod alert;
mod apply;
mod audit;
mod bench;
#[cfg(feature = "redis")]
mod board;
pub(crate) mod check;
mod completions;
mod create;
mod delete;
mod demo;
mod explain;
mod init;
mod man;
mod migrate;
mod openapi;
pub(crate) mod pause;
mod plan;
mod prune;
#[cfg(feature = "redis")]
mod publish;
mod queue;
mod refresh;
mod resume;
pub(crate) mod run;
mod runs;
pub(crate) mod schedule;
mod serve;
mod stats;
mod status;
mod token;
mod verify;
mod worker;
mod workers;

use clap::Subcommand;
use remat::error::Error;

use crate::{app::App, exit::Exit};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the main job on an example: a social-timeline application with nine views.
    ///
    /// Brings up a private PostgreSQL, found on this machine or else downloaded; or uses the server of --database-url
    /// or DATABASE_URL, there in a database remat_demo of its own. Loads the application, makes its views, changes
    /// rows, refreshes every view, and compares each refresh with PostgreSQL's own on the same data. A private server
    /// is stopped at the end, also by Ctrl-C.
    #[allow(clippy::doc_markdown, reason = "help texts are for a terminal")]
    Demo(demo::Args),
    /// Write a project folder to begin with.
    Init(init::Args),
    /// Make or update remat's own tables.
    Migrate(migrate::Args),
    /// Show what would make the database match the project folder.
    Plan(plan::Args),
    /// Make the database match the project folder.
    Apply(apply::Args),
    /// Make the relations of defined views.
    Create(create::Args),
    /// Bring views up to date.
    Refresh(refresh::Args),
    /// Drop the relations of views; definitions and runs stay.
    Delete(delete::Args),
    /// Show how fresh the views are.
    Status(status::Args),
    /// Fail when a view is past its target, failed, absent or empty.
    Check(check::Args),
    /// Show what alerts fire, mute them, and try where they go.
    Alert(alert::Args),
    /// List runs, the newest first.
    Runs(runs::Args),
    /// Show one run, or cancel it.
    Run(run::Args),
    /// Show what refreshes cost and how often they fail.
    Stats(stats::Args),
    /// Compare views with their queries, row by row.
    Verify(verify::Args),
    /// Tell how views follow the changes of what they read, or why they do not.
    Explain(explain::Args),
    /// Time the query against reading the view.
    Bench(bench::Args),
    /// Show what fires next.
    Schedule(schedule::Args),
    /// Stop refreshing views for a while.
    Pause(pause::Args),
    /// End a pause.
    Resume(resume::Args),
    /// Run the daemon: schedules, works, rescues.
    Serve(serve::Args),
    /// Run workers alone.
    Worker(worker::Args),
    /// Show the processes that work on runs.
    Workers(workers::Args),
    /// Show what waits and works in which queue.
    Queue(queue::Args),
    /// Delete old runs.
    Prune(prune::Args),
    /// Copy views to their sorted sets in Redis.
    #[cfg(feature = "redis")]
    Publish(publish::Args),
    /// Show a leaderboard: the first places, or a member and who stands around it.
    #[cfg(feature = "redis")]
    Board(board::Args),
    /// Give, show and take access to the pages and the HTTP interface.
    Token(token::Args),
    /// List who asked for what over HTTP, and who gave access.
    Audit(audit::Args),
    /// Print the OpenAPI document of the HTTP interface.
    #[allow(clippy::doc_markdown, reason = "help texts are for a terminal")]
    Openapi(openapi::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Print or write manual pages.
    Man(man::Args),
}

impl Command {
    /// Whether it runs until it is told to stop.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Worker(_))
    }

    /// Does it.
    pub(crate) async fn run(self, app: &App) -> Result<Exit, Error> {
        match self {
            Self::Demo(args) => demo::run(app, &args).await,
            Self::Init(args) => init::run(app, &args),
            Self::Migrate(args) => migrate::run(app, &args).await,
            Self::Plan(args) => plan::run(app, &args).await,
            Self::Apply(args) => apply::run(app, &args).await,
            Self::Create(args) => create::run(app, &args).await,
            Self::Refresh(args) => refresh::run(app, &args).await,
            Self::Delete(args) => delete::run(app, &args).await,
            Self::Status(args) => status::run(app, &args).await,
            Self::Check(args) => check::run(app, &args).await,
            Self::Alert(args) => alert::run(app, &args).await,
            Self::Runs(args) => runs::run(app, &args).await,
            Self::Run(args) => run::run(app, &args).await,
            Self::Stats(args) => stats::run(app, &args).await,
            Self::Verify(args) => verify::run(app, &args).await,
            Self::Explain(args) => explain::run(app, &args).await,
            Self::Bench(args) => bench::run(app, &args).await,
            Self::Schedule(args) => schedule::run(app, &args).await,
            Self::Pause(args) => pause::run(app, &args).await,
            Self::Resume(args) => resume::run(app, &args).await,
            // These hold all that a daemon holds; boxed, the other commands need not carry it.
            Self::Serve(args) => Box::pin(serve::run(app, &args)).await,
            Self::Worker(args) => Box::pin(worker::run(app, &args)).await,
            Self::Workers(args) => workers::run(app, &args).await,
            Self::Queue(args) => queue::run(app, &args).await,
            Self::Prune(args) => prune::run(app, &args).await,
            #[cfg(feature = "redis")]
            Self::Publish(args) => publish::run(app, &args).await,
            #[cfg(feature = "redis")]
            Self::Board(args) => board::run(app, &args).await,
            Self::Token(args) => token::run(app, &args).await,
            Self::Audit(args) => audit::run(app, &args).await,
            Self::Openapi(args) => openapi::run(app, &args),
            Self::Completions(args) => Ok(completions::run(app, &args)),
            Self::Man(args) => man::run(app, &args),
        }
    }
}
