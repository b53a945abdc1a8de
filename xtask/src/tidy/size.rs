//! Files and functions stay short enough to be read at once, or a file says at its top why not.

use super::code::{code_of, end_of_block};
use super::{Finding, Source, is_rust};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// What a long file writes into its opening comment, with its reason.
const EXCUSE: &str = "Long because";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let rust = sources.iter().filter(|source| is_rust(source));
    rust.flat_map(|source| long_file(source).into_iter().chain(long_functions(source))).collect()
}

fn long_file(source: &Source) -> Option<Finding> {
    let count = source.text.lines().count();
    let mut opening = source.text.lines().take_while(|line| line.starts_with("//!"));
    let is_excused = opening.any(|line| line.contains(EXCUSE));
    (count > FILE_LINES_MAX && !is_excused).then(|| {
        let what =
            format!("{count} lines; split it, or say `{EXCUSE}` and the reason in its opening comment");
        Finding::new(&source.path, 0, what)
    })
}

/// Tests may tell long stories; everything else is counted from its `fn` to its last brace.
fn long_functions(source: &Source) -> Vec<Finding> {
    if source.path.contains("/tests/") {
        return Vec::new();
    }
    let code = code_of(&source.text);
    let functions = code.match_indices("fn ").filter(|(at, _)| begins_word(&code, *at));
    let long = functions.filter_map(|(start, _)| {
        let open = start + body_or_end(&code[start..])?;
        let count = code[start..end_of_block(&code, open)].lines().count();
        (count > FUNCTION_LINES_MAX).then(|| {
            let line = code[..start].matches('\n').count() + 1;
            Finding::new(
                &source.path,
                line,
                format!("a function of {count} lines; {FUNCTION_LINES_MAX} are enough"),
            )
        })
    });
    long.collect()
}

/// Where the body opens, or the semicolon of a function without one; an array's semicolon ends no line.
fn body_or_end(code: &str) -> Option<usize> {
    [code.find('{'), code.find(";\n")].into_iter().flatten().min()
}

fn begins_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn file_over_the_limit_needs_its_reason_at_the_top() {
        let body = "const A: u8 = 1;\n".repeat(500);
        let plain = source("a.rs", &format!("//! Law.\n{body}"));
        assert_eq!(check(&[plain])[0].to_string().split(';').next(), Some("a.rs: 501 lines"));
        let excused = source("a.rs", &format!("//! Law.\n//! Long because it is a table.\n{body}"));
        assert_eq!(check(&[excused]), []);
        let late = source("a.rs", &format!("//! Law.\n{body}// Long because of nothing.\n"));
        assert_eq!(check(&[late]).len(), 1);
    }

    #[test]
    fn function_over_the_limit_is_found_at_its_line() {
        assert_eq!(check(&[source("a.rs", &function(70))]), []);
        let found = check(&[source("a.rs", &format!("\n{}", function(71)))]);
        assert_eq!(found, [Finding::new("a.rs", 2, "a function of 71 lines; 70 are enough")]);
    }

    #[test]
    fn declaration_without_a_body_does_not_borrow_the_next_one() {
        let text = format!("trait T {{\n    fn short(&self);\n}}\n{}", function(70));
        assert_eq!(check(&[source("a.rs", &text)]), []);
        let array = function(71).replace("fn f()", "fn f(a: [u8; 4])");
        assert_eq!(check(&[source("a.rs", &array)]).len(), 1);
    }

    #[test]
    fn tests_may_be_long() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(90));
        assert_eq!(check(&[source("a.rs", &tests)]), []);
        assert_eq!(check(&[source("crates/a/tests/b.rs", &function(90))]), []);
    }
}
