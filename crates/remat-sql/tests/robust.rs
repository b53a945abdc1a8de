//! Any text is answered: read or refused, never a panic, never an exhausted stack.
//!
//! Here runs the short form; `PROPTEST_CASES` says how many texts of each kind.

mod shop;

use std::{fs, path::Path, sync::LazyLock};

use proptest::prelude::*;
use remat_sql::{
    Code,
    catalog::{Catalog, Column},
    ir, leading_comment,
    maintain::{Turn, Types, View, compile, questions},
    read, relation_references, relations, repoint, single_select,
    window::clocks,
};

/// Pieces that together make texts more like SQL than chance would.
fn sql_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "select ",
        "from ",
        "with a as (",
        ")",
        "(",
        "'",
        "\"",
        "$$",
        "$a$",
        "/*",
        "*/",
        "--",
        "\n",
        ";",
        ",",
        "*",
        "a",
        "public.",
        "sales",
        "union ",
        "into ",
        "insert ",
        "values ",
        "case ",
        "when ",
        "end ",
        "U&\"",
        "\\",
        "E'",
        "1",
        "é",
        "[",
        "]",
        "::",
        "join ",
        "over (",
        "on ",
        " as ",
        "table ",
        "$1",
        "lateral ",
        "only ",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A query in which `public.sales` stands where it may.
fn query() -> impl Strategy<Value = String> {
    let item = prop::sample::select(vec![
        "public.sales",
        "public.\"sales\" s",
        "public.sales as \"S\"",
        "other.t",
        "only public.sales",
        "f('public.sales') g",
        "(select * from public.sales where a = 'public.sales') q",
        "lateral (select 1) z",
    ]);
    prop::collection::vec(item, 1..6)
        .prop_map(|items| format!("select 1 /* public.sales */ from {}", items.join(", ")))
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(shop::catalog);

/// What the server printed, cut into words.
static PRINTED: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/read");
    let files = fs::read_dir(folder).expect("the cases exist").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|of| of == "sql")).collect();
    files.sort();
    files.iter().map(|path| words(&fs::read_to_string(path).expect("a case is text"))).collect()
});

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut letters = false;
    for c in text.chars() {
        let letter = c.is_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(word) if letter && letters => word.push(c),
            _ => words.push(c.into()),
        }
        letters = letter;
    }
    words
}

/// How a text is changed: where, how many words from there, and whether they go, come twice, or are replaced by words
/// from elsewhere.
type Change = (usize, usize, usize, usize);

fn changed(which: usize, changes: &[Change]) -> String {
    let mut words = PRINTED[which % PRINTED.len()].clone();
    for &(at, count, how, from) in changes {
        let start = at % (words.len() + 1);
        let end = (start + count).min(words.len());
        let other = &PRINTED[from % PRINTED.len()];
        let taken = from % other.len()..(from % other.len() + count).min(other.len());
        match how % 3 {
            0 => drop(words.drain(start..end)),
            1 => drop(words.splice(start..start, words[start..end].to_vec())),
            _ => drop(words.splice(start..end, other[taken].to_vec())),
        }
    }
    words.concat()
}

/// Reads, and if that can be, prints, explains and reads again.
fn there_and_back(text: &str) -> Result<(), TestCaseError> {
    match read(text, &CATALOG) {
        Ok(query) => {
            let _ = (ir::plan(&query), clocks(&query), query.occurrences());
            maintained(&query)?;
            let sql = ir::sql(&query);
            prop_assert_eq!(read(&sql, &CATALOG), Ok(query), "{}\nfrom: {}", sql, text);
        }
        Err(rejection) => {
            prop_assert!(text.get(rejection.span.clone()).is_some(), "{:?}", rejection);
        }
    }
    Ok(())
}

/// What a server might answer, by the length of the question.
fn answers(asked: &[String]) -> Types {
    let kinds = ["integer", "numeric", "text", "timestamp with time zone", "double precision", "bigint"];
    let answer = |question: &String| {
        let columns = (0..40).map(|n| kinds[(question.len() + n) % kinds.len()].to_owned());
        (question.clone(), columns.collect())
    };
    asked.iter().map(answer).collect()
}

/// Compiles, and reads every statement that comes out; tells whether there was a plan.
fn maintained(query: &ir::Query) -> Result<bool, TestCaseError> {
    let names = query.output();
    let column = |name: &String| Column { name: name.clone(), type_name: "text".into(), not_null: false };
    let columns: Vec<_> = names.iter().map(column).collect();
    for key in [&names[..names.len().min(1)], &names] {
        let mut view = View { query, catalog: &CATALOG, columns: &columns, key, types: &Types::new() };
        let first = answers(&questions(view));
        view.types = &first;
        let mut all = answers(&questions(view));
        all.extend(first.clone());
        view.types = &all;
        let Ok(plan) = compile(view) else { continue };
        let names = (0..plan.hidden.len()).map(|n| format!("h.\"hidden {n}\"")).collect();
        for some in [true, false] {
            let change = |n: usize| (some || n == 0).then(|| format!("(select * from log.t{n})"));
            let turn = Turn {
                public: "public.\"v w\"".into(),
                hidden: Vec::clone(&names),
                changes: (0..plan.sources.len()).map(change).collect(),
                since: "'2026-03-08'::timestamptz".into(),
            };
            let crossing = plan.crossing(&turn).map(|condition| format!("select {condition}"));
            let statements = [plan.create(&turn), plan.fill(&turn), plan.refresh(&turn)].concat();
            for statement in statements.into_iter().chain(crossing) {
                prop_assert!(!statement.contains(['\u{1}', '\u{2}']), "a gap is left: {}", statement);
                let code = single_select(&statement).err().map(|rejection| rejection.code);
                let of_a_writer = [Code::NotAQuery, Code::DataModifying, Code::TooLarge];
                prop_assert!(
                    code.is_none_or(|code| of_a_writer.contains(&code)),
                    "{:?}: {}",
                    code,
                    statement
                );
            }
        }
        return Ok(true);
    }
    Ok(false)
}

#[test]
fn what_the_server_printed_is_maintained_or_refused_and_the_statements_can_be_read() {
    let mut plans = 0;
    for words in PRINTED.iter() {
        if let Ok(query) = read(&words.concat(), &CATALOG) {
            plans += usize::from(maintained(&query).unwrap());
        }
    }
    assert!(plans > 5, "{plans} of {} texts have a plan", PRINTED.len());
}

proptest! {
    // What the compiler meets most: twice as many as of the other kinds.
    #![proptest_config(ProptestConfig { cases: 2 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn what_the_server_would_never_print_is_refused_or_comes_back_as_it_was_read(
        which in any::<usize>(),
        changes in prop::collection::vec((any::<usize>(), 0_usize..12, any::<usize>(), any::<usize>()), 0..4),
    ) {
        there_and_back(&changed(which, &changes))?;
    }
}

proptest! {
    #[test]
    fn arbitrary_text_is_answered(text in "\\PC{0,80}|[ -~\\n]{0,80}") {
        let _ = (single_select(&text), relations(&text), leading_comment(&text));
        there_and_back(&text)?;
    }

    #[test]
    fn sql_like_text_is_answered_and_a_query_stays_one(text in sql_like()) {
        let _ = (relations(&text), leading_comment(&text));
        there_and_back(&text)?;
        match single_select(&text) {
            Ok(select) => {
                let followed = format!("{}\n;", select.query());
                prop_assert_eq!(single_select(&followed).unwrap().query(), select.query());
            }
            Err(rejection) => {
                prop_assert!(text.get(rejection.span.clone()).is_some(), "{:?}", rejection);
            }
        }
    }

    #[test]
    fn text_without_the_name_is_unchanged(text in query()) {
        prop_assert_eq!(repoint(&text, ("public", "absent"), ("a", "b")).unwrap(), text);
    }

    #[test]
    fn there_and_back_differs_only_in_quotes_and_aliases(text in query()) {
        let (sales, other) = (("public", "sales"), ("Else \"where\"", "x"));
        let there = repoint(&text, sales, other).unwrap();
        prop_assert!(relation_references(&there, sales.0, sales.1).unwrap().is_empty());
        let back = repoint(&there, other, sales).unwrap();
        prop_assert_eq!(back, repoint(&text, sales, sales).unwrap());
        prop_assert!(single_select(&there).is_ok(), "{}", there);
    }
}

#[test]
fn deep_and_long_texts_are_refused_or_read_without_exhausting_the_stack() {
    let deep = |open: &str, times: usize, close: &str| {
        format!("select {}1{}", open.repeat(times), close.repeat(times))
    };
    for text in [
        deep("(", 100_000, ")"),
        deep("[", 100_000, ""),
        deep("(", 250, ")"),
        deep("+", 2_000, ""),
        deep("- ", 2_000, ""),
        deep("case when true then ", 1_000, " end"),
        deep("", 5_000, "+1"),
        deep("", 1_000, " union all select 1"),
        deep("", 5_000, " AND true"),
        deep("CASE WHEN 1 = ", 400, " THEN 1 END"),
        deep("ARRAY(SELECT ", 200, ")"),
        deep("1 = ANY (SELECT ", 200, ")"),
        format!("SELECT 1 FROM {}shop.sales a{}", "(".repeat(200), " JOIN shop.sales b ON true)".repeat(200)),
        format!("SELECT 1 FROM shop.sales a{}", " JOIN shop.sales b ON true".repeat(1_000)),
        deep("not ", 1_000, ""),
        deep("-1", 1_000, "+1"),
        "x".repeat(200_000),
    ] {
        let _ = single_select(&text);
        if let Ok(query) = read(&text, &CATALOG) {
            // On the stack of a test, which is the usual one of a thread.
            assert_eq!(read(&ir::sql(&query), &CATALOG).as_ref(), Ok(&query));
            let _ = (ir::plan(&query), clocks(&query), query.occurrences());
        }
    }
    assert!(single_select(&deep("(", 250, ")")).is_ok());
    assert_eq!(single_select(&deep("(", 300, ")")).unwrap_err().code.as_str(), "R007");
}
