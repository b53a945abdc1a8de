//! What is going on, on stderr, while somebody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Output, text};

/// One line that tells the step at work; nothing where nobody watches.
pub(crate) struct Progress {
    bar: ProgressBar,
    of: usize,
}

impl Progress {
    /// Begins work of so many steps.
    pub(crate) fn start(out: &Output, of: usize) -> Self {
        if !out.shows_progress() {
            return Self { bar: ProgressBar::hidden(), of };
        }
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {prefix}{wide_msg} {elapsed:>6}");
        bar.set_style(style.expect("the template is a constant that the tests draw"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, of }
    }

    /// Begins the next step.
    pub(crate) fn step(&self, what: &str) {
        self.bar.inc(1);
        if self.of > 1 {
            self.bar.set_prefix(format!("[{}/{}] ", self.bar.position(), self.of));
        }
        self.bar.set_message(text::clean(what));
        self.bar.reset_elapsed();
    }

    /// Says how far the step is.
    pub(crate) fn tell(&self, what: &str) {
        self.bar.set_message(text::clean(what));
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_template_can_be_drawn() {
        assert!(indicatif::ProgressStyle::with_template("{spinner} {prefix}{wide_msg} {elapsed:>6}").is_ok());
    }
}
