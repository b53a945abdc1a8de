//! Rust text without what is no code: enough of a lexer to look for words and to count braces.
//!
//! Comments, strings, characters and test modules become spaces; lines stay where they were. It does not expand macros
//! and does not parse.

/// The code of a file as its own characters, everything else as spaces.
pub(super) fn code_of(text: &str) -> String {
    without_tests(&without_words(text))
}

/// Blanks comments and literals.
fn without_words(text: &str) -> String {
    let (mut rest, mut code) = (text, String::with_capacity(text.len()));
    while let Some(first) = rest.chars().next() {
        match wordy_length(rest, code.chars().next_back()) {
            0 => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            }
            length => {
                code.extend(rest[..length].chars().map(blank));
                rest = &rest[length..];
            }
        }
    }
    code
}

/// How many bytes of a comment or literal stand here; 0 if none begins here.
fn wordy_length(rest: &str, before: Option<char>) -> usize {
    let in_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if rest.starts_with('"') {
        return string_length(rest);
    }
    if !in_name && let Some(length) = raw_string_length(rest) {
        return length;
    }
    character_length(rest)
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

fn raw_string_length(rest: &str) -> Option<usize> {
    let start = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = start.bytes().take_while(|byte| *byte == b'#').count();
    let body = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + length)
}

/// A character literal; a lifetime, which looks alike at first, has no quote after its first character.
fn character_length(rest: &str) -> usize {
    let Some(inner) = rest.strip_prefix('\'') else { return 0 };
    if let Some(escape) = inner.strip_prefix('\\') {
        let skipped = escape.chars().next().map_or(0, char::len_utf8);
        return escape[skipped..].find('\'').map_or(0, |at| 2 + skipped + at + 1);
    }
    let first = inner.chars().next().map_or(0, char::len_utf8);
    if inner[first..].starts_with('\'') { 1 + first + 1 } else { 0 }
}

/// Blanks `#[cfg(test)] mod … { … }`.
fn without_tests(code: &str) -> String {
    let mut text = code.to_owned();
    while let Some(start) = text.find("#[cfg(test)]\nmod ") {
        let end = text[start..].find(['{', ';']).map_or(text.len(), |at| end_of_block(&text, start + at));
        let blanks: String = text[start..end].chars().map(blank).collect();
        text.replace_range(start..end, &blanks);
    }
    text
}

/// The position after the block that opens here, or after the one character that is no block.
pub(super) fn end_of_block(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The places where a name stands as a whole, path separators within it included, with their line numbers.
pub(super) fn lines_with(code: &str, name: &str) -> Vec<usize> {
    let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let stands = |line: &str| {
        line.match_indices(name).any(|(at, _)| {
            !is_name(line[..at].chars().next_back()) && !is_name(line[at + name.len()..].chars().next())
        })
    };
    code.lines().enumerate().filter(|(_, line)| stands(line)).map(|(number, _)| number + 1).collect()
}

/// The names directly below `crate::`, also from braces, with their line numbers.
pub(super) fn crate_names(code: &str) -> Vec<(usize, &str)> {
    let uses = code.match_indices("crate::").flat_map(|(at, head)| {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + head.len()..];
        let names = if rest.starts_with('{') { names_in_braces(rest) } else { vec![first_name(rest)] };
        names.into_iter().map(move |name| (line, name))
    });
    uses.collect()
}

fn names_in_braces(rest: &str) -> Vec<&str> {
    let inside = &rest[1..end_of_block(rest, 0).saturating_sub(1).max(1)];
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                names.push(first_name(&inside[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(first_name(&inside[start..]));
    names
}

fn first_name(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

fn blank(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_blanked_and_lines_stay() {
        let code = code_of(
            "let a = \"{ \\\" tokio\"; // tokio\n/* { /* tokio */ */ let c = '{';\nlet r = r#\"to\"kio\"#;",
        );
        assert!(!code.contains("tokio") && !code.contains('{') && !code.contains("kio"), "{code}");
        assert_eq!(code.lines().count(), 3);
        assert!(code.contains("let c =") && code.contains("let r ="));
    }

    #[test]
    fn lifetimes_are_code_and_escaped_quotes_are_not() {
        assert_eq!(code_of("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(
            code_of("['\\'', '\\u{7f}', 'ü']").trim_end_matches(']').trim_start_matches('['),
            "    ,         ,    "
        );
    }

    #[test]
    fn test_modules_are_blanked() {
        let code = code_of("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { tokio }\n}\nfn c() {}\n");
        assert!(code.contains("fn a") && code.contains("fn c") && !code.contains("tokio"), "{code}");
    }

    #[test]
    fn only_whole_names_are_found() {
        assert_eq!(lines_with("use tokio::x;\nlet tokio_like = 1;\nstd::fs::read()", "tokio"), [1]);
        assert_eq!(lines_with("a\nstd::fs::read()", "std::fs"), [2]);
    }

    #[test]
    fn names_below_the_crate_are_found_in_braces_too() {
        let names = crate_names("use crate::pg::Client;\nuse crate::{view::{Name, Key}, store, run as r};");
        assert_eq!(names, [(1, "pg"), (2, "view"), (2, "store"), (2, "run")]);
    }
}
