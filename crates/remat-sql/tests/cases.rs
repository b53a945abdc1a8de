//! One file per shape: what must be read, and what must be refused with which code.

use std::{fs, path::Path};

use remat_sql::single_select;

fn each_case(folder: &str, mut check: impl FnMut(&str, &str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut seen = 0;
    for entry in fs::read_dir(&folder).expect("the folder of cases exists") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            seen += 1;
            check(&path.display().to_string(), &fs::read_to_string(&path).expect("a case is text"));
        }
    }
    assert!(seen > 0, "no case in {}", folder.display());
}

#[test]
fn every_query_shape_is_read_and_may_be_followed_by_anything() {
    each_case("", |case, text| {
        let select = single_select(text).unwrap_or_else(|rejection| panic!("{case}: {rejection:?}"));
        let again = single_select(select.query()).unwrap();
        assert_eq!(again.query(), select.query(), "{case}");
        let wrapped = format!("select * from (\n{}\n) as q where false", select.query());
        assert!(single_select(&wrapped).is_ok(), "{case}: {wrapped}");
    });
}

#[test]
fn every_refusal_has_the_code_of_its_first_line() {
    each_case("refused", |case, text| {
        let code = text.lines().next().and_then(|line| line.strip_prefix("-- ")).unwrap();
        let rejection = single_select(text).expect_err(case);
        assert_eq!(rejection.code.as_str(), code, "{case}: {rejection:?}");
        assert!(!rejection.reason.is_empty() && !rejection.construct.is_empty(), "{case}");
        assert!(text.get(rejection.span.clone()).is_some(), "{case}: {:?}", rejection.span);
    });
}

#[test]
fn a_refusal_points_at_the_line_and_column() {
    let text = "select 1;\n  insert into t values (1)";
    let rejection = single_select(text).unwrap_err();
    assert_eq!(rejection.position(text), (2, 3));
    assert_eq!(&text[rejection.span.clone()], "insert into t values (1)");
    let text = "select 1\nfrom a b c";
    assert_eq!(single_select(text).unwrap_err().reason, "syntax error at or near \"c\"");
}

#[test]
fn a_trailing_line_comment_does_not_swallow_what_follows() {
    let select = single_select("select 1 -- one\n; -- two").unwrap();
    assert_eq!(select.query(), "select 1");
}
