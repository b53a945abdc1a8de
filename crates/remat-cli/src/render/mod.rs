//! All that the command writes.
//!
//! Law: what was asked for goes to stdout; complaints, progress and the log go to stderr. With `--json`, stdout holds
//! one JSON document. A reader that went away (`remat runs | head`) is no error. Text that comes from the database is
//! cleaned of control characters before a terminal sees it.

pub(crate) mod demo;
mod error;
pub(crate) mod explain;
mod output;
pub(crate) mod plan;
mod progress;
pub(crate) mod prompt;
pub(crate) mod runs;
mod stage;
pub(crate) mod table;
pub(crate) mod text;

use std::ffi::OsString;

pub(crate) use error::{ErrorJson, complain, usage};
pub(crate) use output::Output;
pub(crate) use progress::Progress;
pub(crate) use stage::{LastWords, Stage, Telling};
use tracing_subscriber::EnvFilter;

use crate::args::GlobalOptions;

/// Starts the log on stderr. A service says what it does, with the time, and with `--json` in lines of JSON.
pub(crate) fn trace(options: &GlobalOptions, service: bool) {
    anstream::ColorChoice::from(options.color).write_global();
    let filter = match (options.quiet, options.verbose) {
        (true, _) => "error",
        (false, 0) if service => "warn,remat=info",
        (false, 0) => "warn",
        (false, 1) => "warn,remat=debug",
        (false, _) => "trace",
    };
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(EnvFilter::new(filter));
    // Only a second call within one process could fail, and the first log is as good.
    let _ = match (service, options.json) {
        (true, true) => log.json().flatten_event(true).with_ansi(false).try_init(),
        (true, false) => log.with_ansi(color).try_init(),
        (false, _) => log.with_ansi(color).without_time().try_init(),
    };
}

/// Whether the arguments ask for JSON, where they could not be read as a whole.
fn wants_json(args: &[OsString]) -> bool {
    args.iter().skip(1).take_while(|arg| *arg != "--").any(|arg| arg == "--json")
}
