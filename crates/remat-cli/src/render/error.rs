//! Errors, in PostgreSQL's voice: a primary line, then detail and hint.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Style};
use remat::error::{Complaint, Error, ErrorKind};
use serde::Serialize;

use super::{text::clean_lines, wants_json};
use crate::exit::Exit;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const LABEL: Style = Style::new().bold();

/// `{"message","sqlstate","detail","hint","kind"}`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorJson {
    #[serde(flatten)]
    complaint: Complaint,
    kind: Kind,
}

/// A command line that cannot be understood has no kind of the library.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Kind {
    Library(ErrorKind),
    Usage(&'static str),
}

impl From<&Error> for ErrorJson {
    fn from(error: &Error) -> Self {
        Self { complaint: error.complaint().clone(), kind: Kind::Library(error.kind()) }
    }
}

/// Complains on stderr.
pub(crate) fn complain(what: &Complaint) {
    // Where stderr is gone, nobody listens.
    let _ = write!(anstream::stderr(), "{}", for_terminal(what));
}

fn for_terminal(complaint: &Complaint) -> String {
    let mut text = format!("{ERROR}error:{ERROR:#} {}\n", clean_lines(&complaint.primary));
    for (label, part) in [("detail", &complaint.detail), ("hint", &complaint.hint)] {
        if let Some(part) = part {
            writeln!(text, "  {LABEL}{label}:{LABEL:#} {}", clean_lines(part))
                .expect("a string takes all text");
        }
    }
    text
}

/// Help, the version, or what is wrong with the arguments.
pub(crate) fn usage(error: &clap::Error, args: &[OsString]) -> Exit {
    if error.use_stderr() && wants_json(args) {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let complaint = Complaint { primary: message, ..Complaint::default() };
        let value = serde_json::json!({ "error": ErrorJson { complaint, kind: Kind::Usage("usage") } });
        // A reader that went away misses nothing that stderr does not say.
        let _ = writeln!(io::stdout(), "{value:#}");
    }
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Success }
}
