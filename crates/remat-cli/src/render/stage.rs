//! Long work as a list of steps on stderr: a bar while somebody watches, plain lines where nobody does.
//!
//! Law: a step that ended leaves one line with its duration; one that was broken off leaves nothing of its bar.

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Output, text};

const COUNTED: &str = "{spinner} {wide_msg} {bar:24} {human_pos}/{human_len} {eta:>4}";
const BYTES: &str = "{spinner} {wide_msg} {bar:24} {bytes}/{total_bytes} {eta:>4}";
const UNCOUNTED: &str = "{spinner} {wide_msg} {elapsed:>4}";

/// How steps are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// With a bar that moves.
    Drawn,
    /// In lines.
    Lines,
    /// Not at all.
    Silent,
}

impl Telling {
    /// What fits stderr and the options.
    pub(crate) fn fitting(out: &Output) -> Self {
        match (out.tells_steps(), out.shows_progress()) {
            (false, _) => Self::Silent,
            (true, false) => Self::Lines,
            (true, true) => Self::Drawn,
        }
    }
}

/// One step at work.
pub(crate) struct Stage {
    telling: Telling,
    bar: ProgressBar,
    began: Instant,
}

impl Stage {
    /// Begins a step, of so many parts where they can be counted.
    pub(crate) fn start(out: &Output, what: &str, parts: Option<u64>) -> Self {
        let template = if parts.is_some() { COUNTED } else { UNCOUNTED };
        Self::begin(Telling::fitting(out), what, parts, template)
    }

    /// Begins a step of so many bytes.
    pub(crate) fn of_bytes(telling: Telling, what: &str, bytes: Option<u64>) -> Self {
        Self::begin(telling, what, bytes, if bytes.is_some() { BYTES } else { UNCOUNTED })
    }

    fn begin(telling: Telling, what: &str, parts: Option<u64>, template: &str) -> Self {
        if telling == Telling::Lines {
            say(what);
        }
        let bar = if telling == Telling::Drawn { drawn(parts, template) } else { ProgressBar::hidden() };
        bar.set_message(text::clean(what));
        Self { telling, bar, began: Instant::now() }
    }

    /// So many parts are done.
    pub(crate) fn at(&self, parts: u64) {
        self.bar.set_position(parts);
    }

    /// One more part is done.
    pub(crate) fn next(&self) {
        self.bar.inc(1);
    }

    /// Ends the step and says what was done.
    pub(crate) fn finish(self, done: &str) {
        self.bar.finish_and_clear();
        if self.telling != Telling::Silent {
            let took = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
            say(&format!("{done} ({})", text::millis(took)));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn drawn(parts: Option<u64>, template: &str) -> ProgressBar {
    let bar = parts.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style =
        ProgressStyle::with_template(template).expect("the templates are constants that the tests draw");
    bar.set_style(style.progress_chars("=> "));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// One line on stderr.
pub(super) fn say(line: &str) {
    let line = text::clean(line);
    // Where stderr is gone, nobody listens.
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_drawn() {
        for template in [COUNTED, BYTES, UNCOUNTED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
