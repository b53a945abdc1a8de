//! Decisions are numbered from 0001 without gaps, so that "the third" means one of them.

use super::{Finding, Source};

const DIR: &str = "docs/adr/";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let names = sources.iter().filter_map(|source| source.path.strip_prefix(DIR));
    let mut names: Vec<&str> = names.filter(|name| *name != "README.md").collect();
    names.sort_unstable();
    let numbered = names.iter().zip(1..);
    let wrong = numbered.filter(|(name, number)| !name.starts_with(&format!("{number:04}-")));
    let found = wrong.map(|(name, number)| {
        Finding::new(&format!("{DIR}{name}"), 0, format!("decision number {number:04} was to come here"))
    });
    // What follows a gap is right again once the gap is closed.
    found.take(1).collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn check_names(names: &[&str]) -> Vec<Finding> {
        let sources: Vec<_> = names.iter().map(|name| source(&format!("{DIR}{name}"), "")).collect();
        check(&sources)
    }

    #[test]
    fn gaps_doubles_and_names_without_numbers_are_found() {
        assert_eq!(check_names(&["README.md", "0001-a.md", "0002-b.md"]), []);
        assert_eq!(check_names(&["0001-a.md", "0003-b.md", "0004-c.md"])[0].path, "docs/adr/0003-b.md");
        assert_eq!(check_names(&["0001-a.md", "0001-b.md"])[0].path, "docs/adr/0001-b.md");
        assert_eq!(check_names(&["notes.md"]).len(), 1);
    }
}
