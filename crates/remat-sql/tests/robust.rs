//! Any text is answered: read or refused, never a panic, never an exhausted stack.

use proptest::prelude::*;
use remat_sql::{leading_comment, relation_references, relations, repoint, single_select};

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

proptest! {
    #[test]
    fn arbitrary_text_is_answered(text in "\\PC{0,80}|[ -~\\n]{0,80}") {
        let _ = (single_select(&text), relations(&text), leading_comment(&text));
    }

    #[test]
    fn sql_like_text_is_answered_and_a_query_stays_one(text in sql_like()) {
        let _ = (relations(&text), leading_comment(&text));
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
        "x".repeat(200_000),
    ] {
        let _ = single_select(&text);
    }
    assert!(single_select(&deep("(", 250, ")")).is_ok());
    assert_eq!(single_select(&deep("(", 300, ")")).unwrap_err().code.as_str(), "R007");
}
