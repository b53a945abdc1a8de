//! Which module may know which: decisions stay pure, and nothing below the terminal prints.

use super::code::{code_of, crate_names, lines_with};
use super::{Finding, Source, is_rust};

/// Modules of the library that take values and return values.
const PURE: [&str; 9] = ["name", "view", "plan", "run", "schedule", "failure", "project", "error", "alert"];

/// Modules that touch the world, or act in it.
const WORLDLY: [&str; 5] = ["pg", "store", "operation", "strategy", "embedded"];

const CLOCKS: [&str; 4] = ["Instant::now", "SystemTime", "Timestamp::now", "Zoned::now"];
const PRINTS: [&str; 4] = ["println!", "eprintln!", "print!", "eprint!"];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().filter(|source| is_rust(source)).flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Finding> {
    let code = code_of(&source.text);
    let library = source.path.strip_prefix("crates/remat/src/");
    let module = library.map(|path| path.split(['/', '.']).next().unwrap_or_default());
    let mut findings = Vec::new();
    if module.is_some_and(|module| PURE.contains(&module)) {
        findings.extend(forbid_modules(source, &code, &WORLDLY, "a pure module does not know"));
        findings.extend(forbid(source, &code, &["tokio"], "a pure module does not use"));
        findings.extend(forbid(source, &code, &CLOCKS, "a pure module is given the time; it does not use"));
    }
    if module == Some("strategy") {
        findings.extend(forbid_modules(source, &code, &["operation"], "a strategy does not know"));
    }
    if library.is_some() {
        findings.extend(forbid(
            source,
            &code,
            &PRINTS,
            "the library returns what it has to say; it does not",
        ));
    }
    if source.path.starts_with("crates/remat-sql/src/") {
        let world = ["tokio", "std::net", "std::fs"];
        findings.extend(forbid(source, &code, &world, "remat-sql does not use"));
        findings.extend(forbid(source, &code, &CLOCKS, "remat-sql does not use"));
    }
    findings
}

fn forbid(source: &Source, code: &str, names: &[&str], why: &str) -> Vec<Finding> {
    let each = names.iter().flat_map(|name| {
        lines_with(code, name)
            .into_iter()
            .map(move |line| Finding::new(&source.path, line, format!("{why} `{name}`")))
    });
    each.collect()
}

fn forbid_modules(source: &Source, code: &str, modules: &[&str], why: &str) -> Vec<Finding> {
    let known = crate_names(code).into_iter().filter(|(_, name)| modules.contains(name));
    known.map(|(line, name)| Finding::new(&source.path, line, format!("{why} `crate::{name}`"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[source(path, text)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn pure_module_may_not_know_the_world() {
        let text = "use crate::view::Name;\nuse crate::{run::Run, pg::Client};\n";
        let path = "crates/remat/src/plan/step.rs";
        assert_eq!(found(path, text), [format!("{path}:2: a pure module does not know `crate::pg`")]);
        assert_eq!(found("crates/remat/src/failure.rs", "use tokio::time;").len(), 1);
        assert_eq!(found("crates/remat/src/schedule/mod.rs", "let now = Timestamp::now();").len(), 1);
    }

    #[test]
    fn world_and_comments_are_free_to_name_them() {
        assert!(found("crates/remat/src/store/mod.rs", "use crate::pg::Client; use tokio::time;").is_empty());
        assert!(found("crates/remat/src/plan/mod.rs", "//! No tokio here, see crate::pg.\n").is_empty());
        assert!(found("crates/remat/src/running.rs", "use crate::pg::Client;").is_empty());
    }

    #[test]
    fn strategy_may_not_know_the_operation_around_it() {
        assert_eq!(found("crates/remat/src/strategy/swap.rs", "use crate::operation::Refresh;").len(), 1);
    }

    #[test]
    fn compiler_stays_without_sockets_files_and_clock() {
        let text = "use std::fs;\nuse std::net::TcpStream;\nlet t = Instant::now();\n";
        assert_eq!(found("crates/remat-sql/src/parse.rs", text).len(), 3);
        assert!(found("crates/remat-sql/tests/cases.rs", text).is_empty());
    }

    #[test]
    fn library_does_not_print_but_the_command_may() {
        assert_eq!(found("crates/remat/src/pg/mod.rs", "println!(\"x\"); eprintln!(\"y\");").len(), 2);
        assert!(found("crates/remat-cli/src/main.rs", "println!(\"x\");").is_empty());
    }
}
