//! The pages escape whatever is put into them: nothing goes around that, and no page holds a script or a style.

use super::code::{code_of, lines_with};
use super::{Finding, Source, is_rust};

const PAGES: &str = "crates/remat-cli/src/dashboard/";

/// Ways around the escaping of the templates.
const WAYS_AROUND: [&str; 3] = ["PreEscaped", "from_html", "Html"];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let pages = sources.iter().filter(|source| is_rust(source) && source.path.starts_with(PAGES));
    pages.flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Finding> {
    let code = code_of(&source.text);
    let around = WAYS_AROUND.iter().flat_map(|name| {
        let what = move |line| {
            Finding::new(&source.path, line, format!("a page does not go around escaping: `{name}`"))
        };
        lines_with(&code, name).into_iter().map(what).collect::<Vec<_>>()
    });
    let inline = code.lines().enumerate().filter(|(_, line)| is_inline(line));
    let inline = inline.map(|(at, _)| {
        Finding::new(
            &source.path,
            at + 1,
            "no style and no handler stands in a page; use a class and the script",
        )
    });
    around.chain(inline).collect()
}

/// An attribute of style or a handler of events in a template. The literals are blanked by now.
fn is_inline(line: &str) -> bool {
    let words = line.split(|c: char| c.is_whitespace() || c == '(' || c == '{');
    words.into_iter().any(|word| {
        let name = word.split('=').next().unwrap_or_default();
        word.contains('=')
            && (name == "style" || (name.starts_with("on") && name.len() > 4 && name != "only"))
            && !word.contains("==")
    })
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    const FILE: &str = "crates/remat-cli/src/dashboard/page/a.rs";

    #[test]
    fn ways_around_escaping_are_found_in_pages_alone() {
        let text = "use maud::PreEscaped;\n";
        assert_eq!(check(&[source(FILE, text)])[0].line, 1);
        assert_eq!(check(&[source("crates/remat-cli/src/render/a.rs", text)]), []);
    }

    #[test]
    fn styles_and_handlers_in_a_template_are_found() {
        for text in ["p style=\"color: red\" { }\n", "a onclick=\"x()\" { }\n"] {
            assert_eq!(check(&[source(FILE, text)]).len(), 1, "{text}");
        }
        assert_eq!(check(&[source(FILE, "rect class=(style) only=(x) { }\nif style == 1 {}\n")]), []);
    }
}
