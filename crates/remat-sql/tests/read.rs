//! What the server printed is read, and shown to people as the text beside it.
//!
//! `BLESS=1 cargo nextest run -p remat-sql -E 'binary(read)'` writes the texts anew; read them before they are kept.

#![allow(clippy::unwrap_used, reason = "a test panics wherever it must fail")]

mod shop;

use std::{env, fs, path::Path};

use remat_sql::{
    Rejection,
    catalog::QualifiedName,
    ir::{self, Query, Target},
    read,
    window::{TimeOperator, clocks},
};

fn each_case(folder: &str, mut check: impl FnMut(&Path, &str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<_> = paths.filter(|path| path.extension().is_some_and(|of| of == "sql")).collect();
    assert!(!cases.is_empty());
    for case in cases {
        check(&case, &fs::read_to_string(&case).unwrap());
    }
}

fn query(text: &str) -> Query {
    read(text, &shop::catalog()).unwrap_or_else(|rejection| panic!("{rejection:?}\nin: {text}"))
}

fn refused(text: &str) -> Rejection {
    read(text, &shop::catalog()).expect_err(text)
}

fn case(name: &str) -> Query {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/read").join(name).with_extension("sql");
    query(&fs::read_to_string(path).unwrap())
}

#[test]
fn every_case_is_shown_as_the_text_beside_it() {
    let bless = env::var_os("BLESS").is_some();
    each_case("read", |path, text| {
        let beside = path.with_extension("plan");
        let plan = ir::plan(&query(text));
        if bless {
            fs::write(&beside, &plan).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(plan, expected, "{}", path.display());
    });
}

#[test]
fn every_case_prints_as_sql_that_reads_as_the_same_query() {
    each_case("read", |path, text| {
        let read_once = query(text);
        assert_eq!(query(&ir::sql(&read_once)), read_once, "{}", path.display());
    });
}

#[test]
fn every_refusal_has_the_code_of_its_first_line() {
    each_case("read/refused", |path, text| {
        let code = text.lines().next().and_then(|line| line.strip_prefix("-- ")).unwrap();
        let rejection = refused(text);
        assert_eq!(rejection.code.as_str(), code, "{}: {rejection:?}", path.display());
        assert!(!rejection.reason.is_empty() && rejection.hint.is_some(), "{}", path.display());
        assert!(text.get(rejection.span.clone()).is_some(), "{}: {:?}", path.display(), rejection.span);
    });
}

#[test]
fn every_reading_of_a_relation_is_found_with_the_columns_it_needs() {
    let query = case("subquery_two_levels_deep");
    let catalog = shop::catalog();
    let needed = |name: &str| {
        let relation = QualifiedName::new("shop", name);
        let of = query.occurrences().into_iter().find(|found| *found.relation == relation).unwrap();
        let columns = &catalog.relations[&relation].columns;
        let name = |target: &Target| match target {
            Target::Column(place) => columns[*place].name.clone(),
            Target::Row | Target::System(_) => format!("{target:?}"),
        };
        (of.path.len(), of.columns.iter().map(name).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(needed("users"), (0, "id handle".to_owned()));
    assert_eq!(needed("sales"), (1, "id user_id".to_owned()));
    assert_eq!(needed("refunds"), (2, "sale_id cents".to_owned()));
}

#[test]
fn a_relation_that_is_read_twice_is_found_twice_each_with_its_way() {
    let query = case("cte_that_hides_a_table");
    let found = query.occurrences();
    let ways: Vec<_> =
        found.iter().map(|found| found.path.iter().map(ToString::to_string).collect::<Vec<_>>()).collect();
    assert_eq!(ways, [vec!["with 1".to_owned()], vec!["sub-select 1".to_owned()]]);
    assert!(found.iter().all(|found| query.at(&found.path).unwrap().select().is_some()));
}

#[test]
fn columns_that_are_equal_in_every_row_are_one_class_and_those_of_outer_joins_are_none() {
    let classes = |text: &str| {
        let query = query(text);
        let select = query.select().unwrap().clone();
        let name = |column: &ir::ColumnRef| {
            let source = &select.sources[column.source];
            let Target::Column(place) = column.target else { panic!("{column:?}") };
            format!("{}.{}", source.name.as_deref().unwrap_or("merged"), source.columns[place])
        };
        let class = |class: &std::collections::BTreeSet<ir::ColumnRef>| {
            class.iter().map(name).collect::<Vec<_>>().join(" = ")
        };
        ir::equalities(&select).iter().map(class).collect::<Vec<_>>()
    };
    assert_eq!(
        classes(
            "SELECT u.id FROM ((shop.users u JOIN shop.sales s ON ((s.user_id = u.id))) JOIN shop.moods m \
             USING (user_id)), shop.totals t WHERE ((t.user_id = m.user_id) AND (s.cents = 1) AND (s.id < u.id))"
        ),
        ["u.id = s.user_id = m.user_id = t.user_id"]
    );
    assert_eq!(
        classes(
            "SELECT u.id FROM (shop.users u LEFT JOIN (shop.sales s JOIN shop.moods m ON ((s.user_id = \
             m.user_id))) ON ((s.user_id = u.id)))"
        ),
        [""; 0]
    );
    assert_eq!(
        classes(
            "SELECT u.id FROM ((shop.users u JOIN shop.moods m ON ((m.user_id = u.id))) LEFT JOIN shop.sales s \
             ON ((s.user_id = u.id))) WHERE ((u.email = u.country) OR (u.email = u.handle))"
        ),
        ["u.id = m.user_id"]
    );
}

#[test]
fn expressions_tell_what_they_depend_on() {
    let query = query(
        "SELECT u.id, (u.id + 1), now(), ( SELECT max(s.cents) AS max FROM shop.sales s WHERE (s.user_id = u.id)), \
         ( SELECT count(*) AS count FROM shop.sales s WHERE (s.sold_at > now())) FROM shop.users u",
    );
    let items: Vec<_> = query.select().unwrap().items.iter().map(|item| &item.expr).collect();
    let which = |is: &dyn Fn(&ir::Expr) -> bool| items.iter().map(|&expr| is(expr)).collect::<Vec<_>>();
    assert_eq!(which(&|expr| expr.bare_column().is_some()), [true, false, false, false, false]);
    assert_eq!(which(&|expr| !expr.columns().is_empty()), [true, true, false, true, false]);
    assert_eq!(which(&ir::Expr::has_clock), [false, false, true, false, true]);
    assert_eq!(which(&ir::Expr::has_sublink), [false, false, false, true, true]);
    assert_eq!(which(&ir::Expr::has_call), [false, false, false, true, true]);
    assert_eq!(which(&ir::Expr::is_correlated), [false; 5]);
    let inner = items[3].sublink().unwrap();
    assert!(inner.query.is_correlated());
    assert!(inner.query.select().unwrap().filter[0].is_correlated());
}

#[test]
fn an_aggregate_belongs_to_the_level_of_its_innermost_column() {
    let ups = |text: &str| {
        let mut ups = Vec::new();
        query(text).each_query(&mut Vec::new(), &mut |_, query| {
            for (_, expr) in query.exprs() {
                expr.each(&mut |piece| {
                    if let ir::Piece::Aggregate(call) = piece {
                        ups.push(call.up);
                    }
                });
            }
        });
        ups
    };
    assert_eq!(
        ups(
            "SELECT ( SELECT count(*) AS count FROM shop.sales s WHERE (s.user_id = max(u.id))) FROM shop.users u"
        ),
        [0, 1]
    );
    assert_eq!(ups("SELECT ( SELECT sum((u.id + s.cents)) AS sum FROM shop.sales s) FROM shop.users u"), [0]);
}

#[test]
fn windows_of_time_are_told_from_other_uses_of_the_clock() {
    use TimeOperator::{Greater, GreaterOrEqual, Less, LessOrEqual};
    let found = clocks(&case("clock_windows"));
    let operators: Vec<_> = found.windows.iter().map(|window| window.operator).collect();
    assert_eq!(operators, [Greater, GreaterOrEqual, Less, GreaterOrEqual, LessOrEqual]);
    assert!(
        found.windows.iter().all(|window| window.expr.bare_column().is_some() && window.bound.has_clock())
    );
    assert!(found.other.is_empty());
}

#[test]
fn a_clock_is_no_window_where_a_row_does_not_merely_enter_or_leave() {
    let found = |condition: &str| {
        let text = format!("SELECT s.id FROM shop.sales s WHERE {condition}");
        let found = clocks(&query(&text));
        (found.windows.len(), found.other.len())
    };
    assert_eq!(found("(s.sold_at > now())"), (1, 0));
    assert_eq!(found("((s.sold_at + '1 day'::interval) < CURRENT_TIMESTAMP)"), (1, 0));
    for other in [
        "((s.sold_at > now()) OR (s.cents > 3))",
        "(NOT (s.sold_at > now()))",
        "(s.sold_at = now())",
        "(s.sold_at > clock_timestamp())",
        "(s.sold_at > statement_timestamp())",
        "(age(s.sold_at) > '1 day'::interval)",
        "((s.sold_at - now()) < '1 day'::interval)",
        "(s.sold_at > (now() - (s.cents * '1 day'::interval)))",
        "('2026-01-01'::date > now())",
        "(( SELECT max(t.sold_at) AS max FROM shop.sales t) > now())",
    ] {
        assert_eq!(found(other), (0, 1), "{other}");
    }
    let having = "SELECT max(s.sold_at) AS max FROM shop.sales s HAVING (max(s.sold_at) > now())";
    assert_eq!(clocks(&query(having)).windows, []);
    let own = "SELECT shop.now() AS now FROM shop.sales s";
    assert_eq!(clocks(&query(own)).other, []);
}
