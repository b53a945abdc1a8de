//! Writing to stdout and stderr.

use std::{
    cell::RefCell,
    io::{self, IsTerminal as _, Write as _},
};

use anstream::{AutoStream, ColorChoice};
use remat::error::{Complaint, Error};
use serde::Serialize;

use super::error::{ErrorJson, complain};
use crate::{args::GlobalOptions, exit::Exit};

/// Where the command writes, and how.
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    verbose: bool,
    color: ColorChoice,
    unwritten: RefCell<Option<io::Error>>,
}

impl Output {
    pub(crate) fn new(options: &GlobalOptions) -> Self {
        Self {
            json: options.json,
            quiet: options.quiet,
            verbose: options.verbose > 0,
            color: AutoStream::choice(&io::stdout()),
            unwritten: RefCell::default(),
        }
    }

    /// Whether stdout takes colours.
    pub(crate) fn has_color(&self) -> bool {
        self.color != ColorChoice::Never
    }

    /// Whether progress may be drawn on stderr. The log would tear it apart.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.json && !self.quiet && !self.verbose && io::stderr().is_terminal()
    }

    /// Whether stderr tells the steps of long work, drawn or in plain lines.
    pub(crate) fn tells_steps(&self) -> bool {
        !self.json && !self.quiet
    }

    /// Whether a person can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Answers a question: the value as JSON, or the text.
    pub(crate) fn show(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json { self.print_json(value) } else { self.print(&text()) }
    }

    /// Reports an act: as [`Output::show`], but `--quiet` keeps the text back.
    pub(crate) fn report(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json || !self.quiet {
            self.show(value, text);
        }
    }

    /// Writes text to stdout, with a line end if it has none.
    pub(crate) fn print(&self, text: &str) {
        if text.is_empty() || self.unwritten.borrow().is_some() {
            return;
        }
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let mut stdout = io::stdout().lock();
        let written = write!(stdout, "{text}{end}").and_then(|()| stdout.flush());
        *self.unwritten.borrow_mut() = written.err();
    }

    /// Ends the command with an error: on stderr for people, on stdout too with `--json`.
    pub(crate) fn error(&self, error: &Error) -> Exit {
        if self.json {
            self.print_json(&serde_json::json!({ "error": ErrorJson::from(error) }));
        }
        complain(error.complaint());
        error.kind().into()
    }

    /// The exit code when all is written: a full disk is a failure, a reader that went away is none.
    pub(crate) fn close(&self, exit: Exit) -> Exit {
        match self.unwritten.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let primary = format!("could not write the answer: {error}");
                complain(&Complaint { primary, ..Complaint::default() });
                Exit::Failed
            }
            _ => exit,
        }
    }

    fn print_json(&self, value: &impl Serialize) {
        self.print(&serde_json::to_string_pretty(value).expect("what the command prints has text keys"));
    }
}
