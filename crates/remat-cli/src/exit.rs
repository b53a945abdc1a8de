//! Exit codes: the only place that knows them.
//!
//! Law: a code means one thing in every command. `remat --help` and docs/guide/cli.md show this table.

use std::{fmt::Write as _, process::ExitCode};

use remat::{
    error::ErrorKind,
    run::{Run, Status},
};

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Success = 0,
    Failed = 1,
    Usage = 2,
    PastTarget = 3,
    Invalid = 4,
    NoServer = 5,
    NeedsYes = 6,
    Unknown = 7,
    Schema = 8,
    Interrupted = 130,
}

impl Exit {
    /// Every code, in the order of the table.
    pub(crate) const ALL: [Self; 10] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::PastTarget,
        Self::Invalid,
        Self::NoServer,
        Self::NeedsYes,
        Self::Unknown,
        Self::Schema,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// What it means.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Success => "all went well",
            Self::Failed => "a run failed, a comparison found a difference, or the server refused",
            Self::Usage => "the command line cannot be understood",
            Self::PastTarget => {
                "`remat check` found a view that is stale, failed, absent or empty, or another alert"
            }
            Self::Invalid => "settings, a name or a definition are invalid",
            Self::NoServer => "no server could be reached",
            Self::NeedsYes => "the act would lose something and was not confirmed; see --yes",
            Self::Unknown => "the view, tag or run is not known",
            Self::Schema => "remat's tables are missing, too old or too new; see `remat migrate`",
            Self::Interrupted => "interrupted; what was at work was cancelled",
        }
    }

    /// The end of an act that gave runs: a run that was skipped tried nothing and failed nothing.
    pub(crate) fn of_runs(runs: &[Run]) -> Self {
        let failed = |run: &Run| match run.status {
            Status::Failed | Status::Cancelled | Status::Unknown => true,
            Status::Pending | Status::Running | Status::Success | Status::Skipped => false,
        };
        if runs.iter().any(failed) { Self::Failed } else { Self::Success }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidDefinition | ErrorKind::InvalidSettings => Self::Invalid,
            ErrorKind::Connection => Self::NoServer,
            ErrorKind::NotFound => Self::Unknown,
            ErrorKind::NeedsConfirmation => Self::NeedsYes,
            ErrorKind::Schema => Self::Schema,
            ErrorKind::Database | ErrorKind::Conflict => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table for `remat --help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for exit in Exit::ALL {
        writeln!(text, "  {:>3}  {}", exit.code(), exit.meaning()).expect("a string takes all text");
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_the_same_table() {
        let guide = include_str!("../../../docs/guide/cli.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(guide.contains(&row), "docs/guide/cli.md lacks: {row}");
        }
    }
}
