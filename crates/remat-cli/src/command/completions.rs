//! `remat completions`: a script for a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use crate::{app::App, args::Cli, exit::Exit};

/// Print a completion script, for example: remat completions bash > ~/.local/share/bash-completion/completions/remat
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(app: &App, args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "remat", &mut script);
    let script = String::from_utf8_lossy(&script);
    app.out.show(&json!({ "shell": args.shell.to_string(), "script": script }), || script.to_string());
    Exit::Success
}
