//! Every Rust file opens with its law.

use super::{Finding, Source, is_rust};

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let without = sources.iter().filter(|source| is_rust(source) && !source.text.starts_with("//! "));
    without
        .map(|source| Finding::new(&source.path, 1, "the file does not open with its law in `//!`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn file_without_a_law_is_found() {
        let sources =
            [source("a.rs", "//! Law.\n"), source("b.rs", "use a;\n//! Late.\n"), source("c.sql", "")];
        let found = check(&sources);
        assert_eq!(found.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(), ["b.rs"]);
    }
}
