//! What `GET /metrics` says, over real rows.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test fails by panicking; counts are whole numbers"
)]

mod support;

use std::collections::BTreeMap;

use remat::{
    name::RelationName,
    operation::RefreshOptions,
    service::{Service as _, health::Health, recorder::Recorder},
    store::retention::Retention,
    telemetry,
    view::{Definition, Strategy},
};
use support::{App, PER_USER};

/// Every number by its name and labels.
async fn numbers(app: &App) -> BTreeMap<String, f64> {
    let text = app.remat.metrics(None).await.unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs.map(|(series, number)| (series.to_owned(), number.parse().unwrap())).collect()
}

fn runs(status: &str, strategy: &str, operation: &str) -> String {
    format!(
        "remat_runs_total{{view=\"public.per_user\",job=\"\",operation=\"{operation}\",status=\"{status}\",strategy=\"{strategy}\"}}"
    )
}

async fn record(app: &App) {
    let mut recorder = Recorder::new(&app.remat, Health::default(), "test".into());
    recorder.run_once().await.unwrap();
}

#[tokio::test]
async fn the_numbers_of_a_view_are_those_of_its_runs() {
    let app = App::start().await;
    let view = app
        .view(Strategy::Regular, "select user_id, sum(1000 / cents) as x from sales group by user_id")
        .await;
    app.refresh(&view).await.check().unwrap();
    app.db.execute("update sales set cents = 0 where id = 1").await;
    app.refresh(&view).await.check().unwrap_err();
    let numbers = numbers(&app).await;
    let of = |name: &str| numbers[&format!("{name}{{view=\"public.per_user\"}}")];
    assert_eq!(numbers["remat_view_state{view=\"public.per_user\",state=\"failed\"}"], 1.0);
    assert_eq!(of("remat_view_failures_in_a_row"), 1.0);
    assert!(of("remat_view_age_seconds") < 60.0 && of("remat_view_size_bytes") > 0.0);
    assert!(of("remat_view_data_as_of_timestamp_seconds") <= of("remat_view_last_success_timestamp_seconds"));
    assert_eq!(numbers[&runs("success", "regular", "refresh")], 1.0);
    assert_eq!(numbers[&runs("failed", "regular", "refresh")], 1.0);
    let bucket = "remat_run_duration_seconds_bucket{operation=\"refresh\",strategy=\"regular\",le=\"+Inf\"}";
    assert_eq!(numbers[bucket], 1.0);
    assert_eq!(numbers["remat_alerts_firing{rule=\"failed\"}"], 0.0, "nobody has judged yet");
    assert_eq!(numbers["remat_workers{state=\"alive\"}"], 0.0);
}

#[tokio::test]
async fn counters_go_on_when_runs_are_pruned_and_ends_are_folded() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    for _ in 0..5 {
        app.refresh(&view).await.check().unwrap();
    }
    let successes = runs("success", "regular", "refresh");
    assert_eq!(numbers(&app).await[&successes], 5.0);
    record(&app).await;
    assert_eq!(app.count("select count(*) from remat.run_ends").await, 0);
    assert_eq!(numbers(&app).await[&successes], 5.0);
    let retention = Retention { keep_per_view: 1, ..Retention::default() };
    assert!(app.remat.prune(&retention, |_| ()).await.unwrap().runs > 0);
    assert_eq!(numbers(&app).await[&successes], 5.0);
    app.refresh(&view).await.check().unwrap();
    assert_eq!(numbers(&app).await[&successes], 6.0);
    record(&app).await;
    assert_eq!(numbers(&app).await[&successes], 6.0);
}

#[tokio::test]
async fn two_processes_that_fold_at_once_count_each_end_once() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let run = app.refresh(&view).await;
    app.db
        .execute(&format!(
            "insert into remat.run_ends select e.* from remat.run_ends e, generate_series(1, 5000) where e.operation = 'refresh';
             select {}", run.id
        ))
        .await;
    let (other, again) = (support::connect(&app.db.url()).await, support::connect(&app.db.url()).await);
    let recorder = |remat| Recorder::new(remat, Health::default(), "test".into());
    let (mut one, mut two) = (recorder(&other), recorder(&again));
    let (first, second) = tokio::join!(one.run_once(), two.run_once());
    first.and(second).unwrap();
    record(&app).await;
    assert_eq!(numbers(&app).await[&runs("success", "regular", "refresh")], 5001.0);
    assert_eq!(
        app.count("select sum(runs)::int8 from remat.run_totals where operation = 'refresh'").await,
        5001
    );
}

#[tokio::test]
async fn an_end_that_is_rolled_back_is_not_counted() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    app.refresh(&view).await.check().unwrap();
    app.db
        .execute(
            "begin; update remat.runs set status = 'running', finished_at = null where operation = 'refresh';
             update remat.runs set status = 'failed', finished_at = now(), error_message = 'x' where operation = 'refresh'; rollback",
        )
        .await;
    assert!(!numbers(&app).await.contains_key(&runs("failed", "regular", "refresh")));
}

#[tokio::test]
async fn whatever_a_view_is_called_the_text_stays_a_text_of_metrics() {
    let app = App::start().await;
    let name = RelationName::new("public", "a\"b\\c\n# d} 7").unwrap();
    let hostile = Definition::new(name, "select 1 as n");
    app.create(&hostile).await;
    let text = app.remat.metrics(None).await.unwrap();
    let known: Vec<&str> = telemetry::ALL.iter().map(|metric| metric.name).collect();
    for line in text.lines() {
        let name = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        let name = name.split([' ', '{']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        assert!(known.contains(&name) || family.is_some_and(|family| known.contains(&family)), "{line}");
    }
    assert!(text.contains(r"b\\c\n# d} 7"), "{text}");
    if let Some(path) = std::env::var_os("REMAT_METRICS_TO") {
        std::fs::write(path, text).unwrap();
    }
}

#[tokio::test]
async fn a_reader_needs_usage_and_select_alone() {
    let app = App::start().await;
    let view = app.view(Strategy::Regular, PER_USER).await;
    let options = RefreshOptions { strategy: Some(Strategy::Regular), ..RefreshOptions::default() };
    app.remat.refresh(&view, options).await.unwrap().check().unwrap();
    let reader = app.db.create_role("reader").await;
    app.db
        .execute(&format!(
            "grant usage on schema remat to \"{reader}\"; grant select on all tables in schema remat to \"{reader}\""
        ))
        .await;
    let text = support::connect(&app.db.role_url(&reader)).await.metrics(None).await.unwrap();
    assert!(text.contains(&format!("{} 1\n", runs("success", "regular", "refresh"))), "{text}");
}
