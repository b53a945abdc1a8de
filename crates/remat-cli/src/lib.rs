//! The `remat` command: arguments in, text and an exit code out.
//!
//! Law: the library does the work and this crate only asks for it. `render` is the only place that writes to a
//! terminal; `exit` is the only place that knows exit codes; a command has no SQL. `demo`
//! plays an application of its own, and has the SQL of one.

mod app;
mod args;
mod command;
mod dashboard;
mod demo;
mod enqueue;
mod exit;
mod http;
mod interrupt;
mod render;
mod selection;
mod serve;
mod target;
mod values;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;
use remat::error::Error;

use crate::{app::App, args::Cli, exit::Exit, interrupt::Interrupt, render::Output};

/// Runs the command with its arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return render::usage(&error, &args).into(),
    };
    render::trace(&cli.global, cli.command.is_service());
    let out = Output::new(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return out.error(&app::io_error("could not start", &error)).into(),
    };
    let exit = runtime.block_on(perform(cli, out));
    // What was given up at the second interrupt is not waited for.
    runtime.shutdown_background();
    exit.into()
}

async fn perform(cli: Cli, out: Output) -> Exit {
    // A service has signals of its own: the first one drains.
    let interrupt = if cli.command.is_service() { Interrupt::default() } else { Interrupt::listen() };
    let app = App::new(cli.global, out, interrupt);
    let outcome = tokio::select! {
        outcome = cli.command.run(&app) => outcome,
        () = app.interrupt.gives_up() => Ok(Exit::Interrupted),
    };
    finish(&app, outcome)
}

fn finish(app: &App, outcome: Result<Exit, Error>) -> Exit {
    let exit = outcome.unwrap_or_else(|error| app.out.error(&error));
    let exit = app.out.close(exit);
    if app.interrupt.is_asked() { Exit::Interrupted } else { exit }
}
