//! Other expressions in the place of columns, in every case that is read.

#![allow(clippy::unwrap_used, reason = "a test panics wherever it must fail")]

mod shop;

use std::{collections::BTreeSet, fs, path::Path};

use remat_sql::{
    ir::{self, Body, ColumnRef, Expr, Query},
    read,
};

/// Every query of every case, and every query within one.
fn each_query(mut check: impl FnMut(&str, &Query)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/read");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|of| of == "sql")) {
        let query = read(&fs::read_to_string(&path).unwrap(), &shop::catalog()).unwrap();
        query.each_query(&mut Vec::new(), &mut |_, query| check(&path.display().to_string(), query));
    }
}

fn query(text: &str) -> Query {
    read(text, &shop::catalog()).unwrap_or_else(|rejection| panic!("{rejection:?}\nin: {text}"))
}

/// The expression of the first column.
fn first(query: &mut Query) -> &mut Expr {
    let Body::Select(select) = &mut query.body else { panic!("not a SELECT") };
    &mut select.items[0].expr
}

#[test]
fn a_column_in_its_own_place_changes_nothing() {
    each_query(|case, query| {
        let mut same = query.clone();
        same.substitute(&mut |column| Some(Expr::column(column.clone())));
        assert_eq!(same, *query, "{case}");
    });
}

#[test]
fn a_substitution_meets_every_column_that_a_walk_finds() {
    each_query(|case, query| {
        let mut met = BTreeSet::new();
        query.clone().substitute(&mut |column| {
            met.insert(column.clone());
            None
        });
        let mut named: BTreeSet<ColumnRef> =
            query.exprs().iter().flat_map(|(_, expr)| expr.columns()).collect();
        for (_, child) in query.children() {
            let outer = child.exprs().into_iter().flat_map(|(_, expr)| expr.columns());
            named.extend(
                outer.filter_map(|column| Some(ColumnRef { up: column.up.checked_sub(1)?, ..column })),
            );
        }
        assert!(met.is_superset(&named), "{case}: {named:?} of {met:?}");
        let read: BTreeSet<_> = query.columns_read().into_keys().collect();
        let met: BTreeSet<_> =
            met.into_iter().filter(|column| column.up == 0).map(|column| column.source).collect();
        assert!(met.is_subset(&read), "{case}");
    });
}

#[test]
fn what_takes_the_place_of_a_column_stands_in_parentheses() {
    let mut query = query("SELECT (s.cents * 2) AS twice FROM shop.sales s");
    first(&mut query).substitute(&mut |_| Some(Expr::text("1 + 1")));
    let sql = ir::sql(&query);
    assert!(sql.contains("(1 + 1) * 2"), "{sql}");
}

#[test]
fn a_column_named_in_a_sub_select_is_replaced_in_terms_of_the_level_outside() {
    let mut query = query(
        "SELECT ( SELECT count(*) AS count FROM shop.sales s WHERE (s.user_id = u.id)) AS n FROM shop.users u, shop.sales t",
    );
    let mut asked = Vec::new();
    first(&mut query).substitute(&mut |column| {
        asked.push(column.clone());
        Some(Expr::column(ColumnRef { source: 1, ..column.clone() }))
    });
    assert!(asked.iter().all(|column| column.up == 0), "the sub-select's own columns are not asked for");
    assert_eq!(asked.len(), 1, "{asked:?}");
    let sql = ir::sql(&query);
    assert!(sql.contains(r#"("s"."user_id" = "t"."id")"#), "{sql}");
}

#[test]
fn an_expression_moved_inwards_names_the_same_columns_from_there() {
    each_query(|case, query| {
        for (_, expr) in query.exprs() {
            let outside = expr.columns();
            let inside: BTreeSet<_> = expr.clone().moved_in(2).columns();
            let back: BTreeSet<_> =
                inside.into_iter().map(|column| ColumnRef { up: column.up - 2, ..column }).collect();
            assert_eq!(back, outside, "{case}");
        }
    });
}
