//! Migrations are frozen: databases have run them, so their text never changes again.
//!
//! `checksums.txt` beside them holds what was frozen. `--bless` adds migrations that are new; nothing makes this
//! program accept a changed one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Finding, Source};
use crate::Outcome;

const DIR: &str = "crates/remat/src/migrate/";
const LIST: &str = "crates/remat/src/migrate/checksums.txt";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    // Before the first release nothing is frozen.
    let Some(list) = sources.iter().find(|source| source.path == LIST) else { return Vec::new() };
    let (frozen, present) = (frozen(&list.text), present(sources));
    let changed = frozen.iter().filter_map(|(name, sum)| match present.get(name) {
        Some(now) if now == sum => None,
        Some(_) => Some(finding(name, "is frozen and was changed; write a new migration instead")),
        None => Some(finding(name, "is frozen and is gone; databases that ran it still know it")),
    });
    let new = present.keys().filter(|name| !frozen.contains_key(*name));
    let new =
        new.map(|name| finding(name, "is not frozen yet; run `cargo xtask tidy --bless` when it is final"));
    changed.chain(new).collect()
}

/// Adds the migrations that the list does not have; the others keep their sums, right or wrong.
pub(super) fn freeze_new(root: &Path, sources: &[Source]) -> Outcome {
    let list = sources.iter().find(|source| source.path == LIST).map(|source| source.text.as_str());
    std::fs::write(root.join(LIST), with_new(list.unwrap_or_default(), sources))?;
    println!("wrote {LIST}");
    Ok(())
}

fn with_new(list: &str, sources: &[Source]) -> String {
    let mut sums = present(sources);
    sums.extend(frozen(list));
    sums.iter().fold(String::new(), |mut text, (name, sum)| {
        writeln!(text, "{sum}  {name}").expect("a String accepts every write");
        text
    })
}

fn frozen(list: &str) -> BTreeMap<String, String> {
    let entries = list.lines().filter_map(|line| line.split_once("  "));
    entries.map(|(sum, name)| (name.to_owned(), sum.to_owned())).collect()
}

fn present(sources: &[Source]) -> BTreeMap<String, String> {
    let scripts = sources.iter().filter_map(|source| Some((source.path.strip_prefix(DIR)?, &source.text)));
    let scripts = scripts.filter(|(name, _)| Path::new(name).extension().is_some_and(|ext| ext == "sql"));
    scripts.map(|(name, text)| (name.to_owned(), sum(text))).collect()
}

fn sum(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String accepts every write");
        hex
    })
}

fn finding(name: &str, what: &str) -> Finding {
    Finding::new(&format!("{DIR}{name}"), 0, format!("the migration {what}"))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn migration(name: &str, text: &str) -> Source {
        source(&format!("{DIR}{name}"), text)
    }

    fn list(sources: &[Source]) -> Source {
        source(LIST, &with_new("", sources))
    }

    #[test]
    fn changed_removed_and_unfrozen_migrations_are_found() {
        let list =
            list(&[migration("0001.sql", "a"), migration("0002.sql", "b"), migration("0003.sql", "c")]);
        let now = [list, migration("0001.sql", "a"), migration("0002.sql", "B"), migration("0004.sql", "d")];
        let found: Vec<_> = check(&now).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("0002.sql: the migration is frozen and was changed"));
        assert!(found[1].contains("0003.sql: the migration is frozen and is gone"));
        assert!(found[2].contains("0004.sql: the migration is not frozen yet"));
    }

    #[test]
    fn nothing_is_frozen_before_there_is_a_list() {
        assert_eq!(check(&[migration("0001.sql", "a")]), []);
    }

    #[test]
    fn blessing_adds_new_migrations_and_forgives_no_change() {
        let frozen = list(&[migration("0001.sql", "a")]);
        let now = [migration("0001.sql", "A"), migration("0002.sql", "b")];
        let blessed = with_new(&frozen.text, &now);
        assert!(blessed.starts_with(&frozen.text));
        let found = check(&[source(LIST, &blessed), migration("0001.sql", "A"), migration("0002.sql", "b")]);
        assert_eq!(found.len(), 1);
    }
}
