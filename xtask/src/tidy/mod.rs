//! `cargo xtask tidy`: the house rules that a program can check, checked over the text of the repository.
//!
//! One rule per file; each is a function from sources to findings, with a test that shows it failing. It reads the files
//! that git knows or would add, and changes none, except that `--bless` freezes new migrations.

mod adr;
mod code;
mod direction;
mod escape;
mod header;
mod migrations;
mod size;
mod words;

use std::fmt;
use std::path::PathBuf;

use tokio::process::Command;

use crate::{Outcome, shell};

/// A text file of the repository.
#[derive(Debug)]
struct Source {
    /// Relative to the root, with forward slashes.
    path: String,
    text: String,
}

/// A rule that is broken, and where.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// 0 where the whole file is meant.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

type Rule = fn(&[Source]) -> Vec<Finding>;

/// Every rule, in the order in which a reader wants to hear of them.
const RULES: [Rule; 7] = [
    direction::check,
    size::check,
    header::check,
    migrations::check,
    words::check,
    adr::check,
    escape::check,
];

/// Checks everything, prints what is broken, and fails if anything is.
pub(crate) async fn run(bless: bool) -> Outcome {
    let root = PathBuf::from(shell::ask(Command::new("git").args(["rev-parse", "--show-toplevel"])).await?);
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let list = shell::ask(Command::new("git").args(list).current_dir(&root)).await?;
    let sources: Vec<Source> = list.lines().filter_map(|path| read(&root, path)).collect();
    if bless {
        migrations::freeze_new(&root, &sources)?;
        return Ok(());
    }
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&sources)).collect();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        return Err(format!("{} findings", findings.len()).into());
    }
    println!("tidy: {} files, every rule holds", sources.len());
    Ok(())
}

/// None for a file that is no text, or that git still lists but that is gone.
fn read(root: &std::path::Path, path: &str) -> Option<Source> {
    let text = std::fs::read_to_string(root.join(path)).ok()?;
    Some(Source { path: path.to_owned(), text })
}

fn is_rust(source: &Source) -> bool {
    std::path::Path::new(&source.path).extension().is_some_and(|extension| extension == "rs")
}

#[cfg(test)]
fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}
