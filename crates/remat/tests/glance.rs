//! Two statements tell the state of a view: `remat.status()` for SQL, and the glance for pages. They say the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use jiff::Timestamp;
use remat::{
    Remat,
    name::RelationName,
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    pg::Target,
    run::Status,
    status::State,
    store::search::Search,
    view::{Definition, Pause, Strategy, View},
};
use remat_testkit::TestDb;

async fn remat(db: &TestDb) -> Remat {
    let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    remat.migrate().await.unwrap();
    remat
}

async fn made(remat: &Remat, name: &str, query: &str, target_lag_s: Option<i64>) -> View {
    let name = RelationName::new("public", name).unwrap();
    let definition = Definition { target_lag_s, strategy: Strategy::Regular, ..Definition::new(name, query) };
    let view = remat.define(&definition).await.unwrap();
    remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    remat.view(&view.definition.name).await.unwrap()
}

/// Asserts that both say the same, and gives the states by name.
async fn states(remat: &Remat) -> Vec<(String, State)> {
    let told = remat.status().await.unwrap();
    let seen = remat.picture().await.unwrap().views;
    let of_status: Vec<_> = told.iter().map(|one| (one.view.clone(), one.state, one.data_as_of)).collect();
    let of_glance: Vec<_> = seen.iter().map(|one| (one.view.clone(), one.state, one.data_as_of)).collect();
    assert_eq!(of_status, of_glance);
    of_glance.into_iter().map(|(view, state, _)| (view.name.as_str().to_owned(), state)).collect()
}

#[tokio::test]
async fn a_glance_says_what_the_status_says_in_every_state() {
    let db = TestDb::create().await;
    let remat = remat(&db).await;
    db.execute("create sequence fails").await;
    let fresh = made(&remat, "fresh", "select 1 as n", Some(3600)).await;
    drop(remat.refresh(&fresh, RefreshOptions::default()).await.unwrap());
    made(&remat, "no_target", "select 1 as n", None).await;
    made(&remat, "stale", "select 1 as n", Some(60)).await;
    db.execute("update remat.runs set data_as_of = data_as_of - interval '1 hour' where view_id = (select id from remat.views where view_name = 'stale')").await;
    let failed =
        made(&remat, "failed", "select 1 / greatest(2 - nextval('fails'), 0) as n", Some(3600)).await;
    assert_eq!(remat.refresh(&failed, RefreshOptions::default()).await.unwrap().status, Status::Failed);
    let paused = made(&remat, "paused", "select 1 as n", Some(3600)).await;
    let pause = Pause { by: "ada".into(), reason: None, until: None };
    remat.pause(&paused, &pause).await.unwrap();
    let over = made(&remat, "over", "select 1 as n", Some(3600)).await;
    let past = Pause { until: Some(Timestamp::now() - Duration::from_mins(1)), ..pause };
    remat.pause(&over, &past).await.unwrap();
    let gone = made(&remat, "gone", "select 1 as n", Some(3600)).await;
    remat.delete(&gone, DeleteOptions::default()).await.unwrap().check().unwrap();
    let name = RelationName::new("public", "empty").unwrap();
    let empty = Definition { strategy: Strategy::Regular, ..Definition::new(name, "select 1 as n") };
    let empty = remat.define(&empty).await.unwrap();
    remat
        .create(&empty, CreateOptions { no_data: true, ..CreateOptions::default() })
        .await
        .unwrap()
        .check()
        .unwrap();
    // Made anew and not filled: what its predecessor had counts for nothing.
    let again = made(&remat, "made_anew", "select 1 as n", None).await;
    remat.delete(&again, DeleteOptions::default()).await.unwrap().check().unwrap();
    remat
        .create(&again, CreateOptions { no_data: true, ..CreateOptions::default() })
        .await
        .unwrap()
        .check()
        .unwrap();
    let expected = [
        ("empty", State::Unpopulated),
        ("failed", State::Failed),
        ("fresh", State::Fresh),
        ("gone", State::Absent),
        ("made_anew", State::Unpopulated),
        ("no_target", State::Ok),
        ("over", State::Fresh),
        ("paused", State::Paused),
        ("stale", State::Stale),
    ];
    assert_eq!(states(&remat).await, expected.map(|(name, state)| (name.to_owned(), state)));
}

#[tokio::test]
async fn runs_are_found_page_by_page_whatever_is_looked_for() {
    let db = TestDb::create().await;
    let remat = remat(&db).await;
    let view = made(&remat, "numbers", "select 1 as n", None).await;
    for _ in 0..5 {
        remat.refresh(&view, RefreshOptions::default()).await.unwrap().check().unwrap();
    }
    let mut search = Search { view_id: Some(view.id), limit: 4, ..Search::default() };
    let first = remat.search_runs(&search).await.unwrap();
    search.before = first.next;
    let second = remat.search_runs(&search).await.unwrap();
    let ids: Vec<i64> = first.runs.iter().chain(&second.runs).map(|run| run.id).collect();
    assert_eq!(ids, [6, 5, 4, 3, 2, 1]);
    assert_eq!(second.next, None);
    let outside = Search { schemas: Some(vec!["elsewhere".into()]), limit: 4, ..Search::default() };
    assert!(remat.search_runs(&outside).await.unwrap().runs.is_empty());
    let failed = Search { status: Some(Status::Failed), limit: 4, ..Search::default() };
    assert!(remat.search_runs(&failed).await.unwrap().runs.is_empty());
}
