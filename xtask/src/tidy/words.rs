//! Committed text says nothing of the machine or the place where it was written.

use super::{Finding, Source};

/// Spelled in two halves, so that this file does not break its own rule.
const PLACE: &str = concat!("/wo", "rk/");
const WORD: &str = concat!("work", "place");

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let each = sources.iter().flat_map(|source| {
        let lines = source.text.lines().enumerate();
        lines.filter_map(|(number, line)| Some(Finding::new(&source.path, number + 1, complaint(line)?)))
    });
    each.collect()
}

fn complaint(line: &str) -> Option<String> {
    if line.to_lowercase().contains(WORD) {
        return Some(format!("names the {WORD}"));
    }
    let is_absolute =
        |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/}*".contains(c));
    let absolute = line.match_indices(PLACE).any(|(at, _)| is_absolute(at));
    absolute.then(|| format!("names a path that begins with {PLACE}"))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn paths_of_this_machine_and_the_word_are_found() {
        let text = format!("fine\nsee `{PLACE}main`\nour {}\n", "Work".to_owned() + "place");
        let lines: Vec<_> = check(&[source("a.md", &text)]).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn relative_paths_are_free() {
        let text = format!("src{PLACE}main.rs https://example.org{PLACE}x\n");
        assert_eq!(check(&[source("a.md", &text)]), []);
    }
}
