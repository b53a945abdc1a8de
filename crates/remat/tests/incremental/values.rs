//! Values whose equality, order or text is not what it seems: NULL, duplicates, numerics, collations.

use remat::{
    name::Identifier,
    run::Status,
    view::{Definition, View},
};

use crate::{
    fixture::{assert_fresh, incremental, refreshed, refreshes_by},
    support::App,
};

const ITEMS: &str = "
create collation nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table items (k int, amount numeric, word text, folded text collate nd, plain text collate \"C\");
insert into items values (1, 1, 'a', 'a', 'a'), (1, 1, 'a', 'a', 'a'), (1, 2.50, 'B', 'B', 'B'), (2, null, null, null, null),
                         (3, 'NaN', 'é', 'É', 'z'), (null, 5, 'null', 'null', 'null');";

/// The table and a view over it that is filled and follows changes.
async fn followed(key: &str, query: &str) -> (App, View) {
    let app = App::start().await;
    app.db.execute(ITEMS).await;
    let key = key.split(", ").map(|name| Identifier::new(name).unwrap()).collect();
    let view = app.create(&Definition { key, ..incremental("seen", query) }).await;
    refreshes_by(&app, &view, "merge").await;
    (app, view)
}

/// Rows that come, change and go: duplicates, NULL, the last row of a group and of the table.
const CHANGES: [&str; 12] = [
    "insert into items select * from items where k = 1",
    "delete from items where ctid = (select min(ctid) from items where k = 1)",
    "insert into items values (null, null, null, null, null), (null, null, null, null, null), (4, null, 'd', 'd', 'd')",
    "update items set k = null where k = 3",
    "update items set amount = null, word = null where k = 1",
    "update items set k = 7 where k is null",
    "delete from items where k = 7",
    "update items set amount = 3.10 where k = 2",
    "delete from items where k = 2",
    "delete from items",
    "insert into items values (1, 1, 'A', 'A', 'A'), (1, 1, 'A', 'A', 'A')",
    "update items set k = k + 1",
];

#[tokio::test]
async fn null_keys_duplicates_and_empty_groups_are_followed() {
    for (key, query) in [
        (
            "k",
            "select coalesce(k, -1) as k, count(*) as n, count(k) as ks, count(word) as words, sum(amount) as amount,
                    min(word) as least, max(plain) as most, bool_or(amount is null) as unknown
             from items group by coalesce(k, -1)",
        ),
        (
            "k, known",
            "select coalesce(k, -1) as k, k is not null as known, count(distinct word) as words from items group by k",
        ),
        ("k, word", "select distinct coalesce(k, -1) as k, coalesce(word, '') as word from items"),
        (
            "k",
            "select coalesce(a.k, -1) as k, count(*) as pairs from items a join items b on a.k is not distinct from b.k
             group by coalesce(a.k, -1)",
        ),
        (
            "k",
            "select coalesce(k, -1) as k, array_agg(word order by word, amount) as words from items
             group by coalesce(k, -1) having count(*) > 1",
        ),
    ] {
        let (app, view) = followed(key, query).await;
        for change in CHANGES {
            app.db.execute(change).await;
            refreshes_by(&app, &view, "incremental").await;
        }
    }
}

#[tokio::test]
async fn numerics_keep_the_scale_that_the_query_shows() {
    let query = "select coalesce(k, -1) as k, sum(amount) as total, avg(amount) as mean,
                        sum(amount) filter (where amount < 100) as small, count(distinct amount) as kinds
                 from items group by coalesce(k, -1)";
    let (app, view) = followed("k", query).await;
    for change in [
        "insert into items (k, amount) values (1, 1.0000)",
        "insert into items (k, amount) values (1, 'NaN')",
        "delete from items where amount = 'NaN'",
        "insert into items (k, amount) values (1, 'Infinity'), (2, '-Infinity'), (2, 'Infinity')",
        "delete from items where amount = '-Infinity'",
        "delete from items where amount = 'Infinity'",
        "delete from items where scale(amount) = 4",
        "update items set amount = 1.00 where amount = 1 and ctid = (select min(ctid) from items where amount = 1)",
        "insert into items (k, amount) values (1, 1e-30), (1, 1e30)",
        "delete from items where amount in (1e30, 1e-30)",
        "update items set amount = -amount",
        "update items set amount = 0.000 where k = 1",
        "delete from items where k = 1",
    ] {
        app.db.execute(change).await;
        refreshes_by(&app, &view, "incremental").await;
    }
}

/// Where equal values look different, the query shows one of them, and not the same one each time; so does the view.
#[tokio::test]
async fn values_that_are_equal_and_look_different_are_one() {
    let folded = "coalesce(folded, '')";
    for (key, query) in [
        ("amount", "select coalesce(amount, 0) as amount, count(*) as n from items group by coalesce(amount, 0)".to_owned()),
        ("folded", format!("select {folded} as folded, count(*) as n from items group by {folded}")),
        ("folded", format!("select {folded} as folded, min(plain) as p, max(plain) as q from items group by {folded}")),
        ("folded", format!("select distinct {folded} as folded from items")),
        (
            "folded",
            format!("select {folded} as folded, count(*) as n from items join (values ('A'), ('é'), ('x')) v (w) on w = folded group by {folded}"),
        ),
        (
            "k",
            "select coalesce(k, -1) as k, count(distinct folded) as n, min(folded) as f, max(amount) as most from items
             group by coalesce(k, -1)".to_owned(),
        ),
        ("word", "select coalesce(word, '') collate \"und-x-icu\" as word, count(*) as n from items group by 1".to_owned()),
    ] {
        let (app, view) = followed(key, &query).await;
        for change in [
            "insert into items values (1, 1.0, 'A', 'A', 'A'), (1, 2.5, 'b', 'b', 'b'), (5, 0.00, 'É', 'é', 'é')",
            "delete from items where word = 'a'",
            "update items set folded = upper(folded), word = upper(word)",
            "update items set folded = lower(folded), word = lower(word), amount = amount * 1.00",
            "delete from items where k = 1",
            "delete from items",
        ] {
            app.db.execute(change).await;
            let run = app.refresh(&view).await;
            assert_eq!(run.strategy.as_deref(), Some("incremental"), "{run:#?}");
            assert_fresh(&app, &view).await;
        }
    }
}

#[tokio::test]
async fn a_key_that_becomes_null_fails_the_run_and_nothing_else() {
    let query = "select k, count(*) as n from items where amount <> 5 group by k";
    let (app, view) = followed("k", query).await;
    app.db.execute("insert into items values (null, 1), (1, 1)").await;
    let run = app.refresh(&view).await;
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    let error = run.error.unwrap();
    assert_eq!(error.primary, "the key of view \"public.seen\" is NULL in a row of its query's result");
    assert_eq!(app.count("select n from seen where k = 1").await, 3);
    app.db.execute("delete from items where k is null").await;
    refreshed(&app, &view).await;
    assert_eq!(app.count("select n from seen where k = 1").await, 4);
}
