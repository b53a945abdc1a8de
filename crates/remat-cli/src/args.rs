//! The command line as it is typed.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, ValueEnum};

use crate::{command::Command, exit};

/// Keeps PostgreSQL materialized views fresh, and proves it.
#[derive(Debug, Parser)]
#[command(name = "remat", version, after_help = exit::help(), max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
#[allow(clippy::doc_markdown, reason = "help texts are for a terminal")]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalOptions {
    /// The database, as a URL or key=value text without a password.
    ///
    /// Without it: DATABASE_URL, then [database] of the project's remat.toml, then PGHOST, PGPORT, PGUSER, PGDATABASE
    /// and their kin. A command line is visible to every user of the machine, so a password in it is refused: use
    /// DATABASE_URL, PGPASSWORD or ~/.pgpass.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,

    /// The folder with remat.toml. Without it: the current directory, if it has one.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,

    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// When to use colours. NO_COLOR is respected.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,

    /// Say on stderr what is done; twice for more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// No progress and no report of what went well.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_fit_together() {
        super::Cli::command().debug_assert();
    }
}
