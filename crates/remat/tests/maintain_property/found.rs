//! Stories that found a fault once.

use jiff::SignedDuration;

use crate::{
    kind::Fidelity,
    stage::{Ending, Stage},
    story::{Moment, Story, begin},
};

/// Plays it; an hour passes before each refresh. All columns of the view are compared by their text.
async fn holds(tables: &[&str], key: &[&str], columns: &[&str], query: &str, moments: &[&[&str]]) {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let mut now = begin();
    let moments = moments.iter().map(|work| {
        now += SignedDuration::from_hours(1);
        Moment { work: owned(work), now }
    });
    let story = Story {
        zone: "UTC",
        moments: moments.collect(),
        tables: owned(tables),
        query: query.into(),
        key: owned(key),
        columns: owned(columns).into_iter().map(|name| (name, Fidelity::Exact)).collect(),
    };
    match Stage::open().await.play(&story).await {
        Ok(Ending::Maintained { writing, .. }) => assert!(writing > 0, "nothing was refreshed"),
        Ok(Ending::Refused(rejection)) => panic!("{rejection:?}"),
        Err(fault) => panic!("{story}\n{fault}"),
    }
}

#[tokio::test]
async fn a_column_may_be_called_as_the_weight_once_was() {
    let table = "create table t0 (id int primary key, w int not null)";
    let moments: &[&[&str]] =
        &[&["insert into t0 values (0, 0), (1, 0)"], &["update t0 set w = 1 where id = 1"]];
    holds(&[table], &["k1"], &["k1"], "select w as k1 from t0 group by w", moments).await;
    let query = "select a.id as k1, (select count(*) from t0 b where b.id = a.w) as v2 from t0 a";
    holds(&[table], &["k1"], &["k1", "v2"], query, moments).await;
}

#[tokio::test]
async fn an_extremum_over_all_rows_leaves_with_the_last_row() {
    let moments: &[&[&str]] =
        &[&["insert into t0 values (0, -1), (4, 0)"], &["delete from t0"], &["insert into t0 values (1, 7)"]];
    let (table, query) =
        ("create table t0 (id int primary key, c1 int)", "select 1 as k1, min(c1) as v2 from t0");
    holds(&[table], &["k1"], &["k1", "v2"], query, moments).await;
}

#[tokio::test]
async fn a_side_that_never_varies_leaves_no_correlation_with_what_is_no_number() {
    let moments: &[&[&str]] = &[
        &["insert into t0 values (0, 0, 'NaN'), (1, 0, 1)"],
        &["insert into t0 values (0, 0, 2), (1, 'NaN', 1)"],
        &["insert into t0 values (0, 1, 3), (1, 0, 2)"],
        &["delete from t0 where y = 'NaN'"],
        &["delete from t0 where x = 'NaN'", "update t0 set y = 'Infinity' where y = 2"],
        &["update t0 set x = 3"],
        &["insert into t0 values (2, 'NaN', 'NaN'), (3, 1, 'NaN'), (4, 1, 1)"],
    ];
    let table = "create table t0 (k int not null, x double precision, y double precision)";
    let query =
        "select k as k1, corr(y, x) as v2, corr(x, y) as v3, covar_pop(y, x) as v4, covar_samp(y, x) as v5,
                        regr_count(y, x) as v6 from t0 group by k";
    holds(&[table], &["k1"], &["k1", "v2", "v3", "v4", "v5", "v6"], query, moments).await;
}
