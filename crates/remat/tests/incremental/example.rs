//! The project of the examples, every view incremental.

use std::{fs, path::Path, time::Instant};

use remat::{
    Remat,
    operation::RefreshOptions,
    project,
    view::{RelationKind, Strategy, View},
};
use remat_testkit::TestDb;
use tokio_postgres::Client;

use crate::fixture::differences;

struct Example {
    _db: TestDb,
    remat: Remat,
    sql: Client,
    views: Vec<View>,
}

impl Example {
    /// The schema and so many analyses of so many users, and all views created and filled.
    async fn with(users: u32, analyses: u32) -> Self {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/skyflow");
        let db = TestDb::create().await;
        for folder in ["schema", "seed"] {
            let mut files: Vec<_> =
                fs::read_dir(home.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            for file in files {
                db.execute(&fs::read_to_string(file).unwrap()).await;
            }
        }
        db.execute(&format!(
            "select skyflow_seed_users({users}); select skyflow_seed_analyses(1, {analyses}); analyze"
        ))
        .await;
        let remat = crate::support::connect(&db.url()).await;
        remat.migrate().await.unwrap();
        let mut project = project::read(&home).unwrap();
        for file in &mut project.views {
            file.definition.strategy = Strategy::Incremental;
        }
        let plan = remat.plan(&project).await.unwrap();
        for step in remat.apply(&project, &plan, true).await.unwrap() {
            let run = step.run.unwrap();
            run.check().unwrap();
            assert_eq!(run.meta["follows_changes"], true, "{}", run.meta);
        }
        let sql = db.connect().await;
        sql.batch_execute("set timezone = 'UTC'").await.unwrap();
        let views = remat.views().await.unwrap();
        assert!(views.iter().all(|view| view.definition.relation_kind() == RelationKind::Table));
        let example = Self { _db: db, remat, sql, views };
        example.refresh().await;
        example
    }

    /// Refreshes all and gives the strategies.
    async fn refresh(&self) -> Vec<String> {
        let mut strategies = Vec::new();
        for view in &self.views {
            let run = self.remat.refresh(view, RefreshOptions::default()).await.unwrap();
            run.check().unwrap();
            strategies.push(run.strategy.unwrap());
        }
        strategies
    }

    /// Every view is its query, up to the last digits of floats.
    async fn assert_fresh(&self) {
        for view in &self.views {
            assert_eq!(differences(&self.sql, view).await, 0, "{}", view.definition.name);
        }
    }
}

#[tokio::test]
async fn every_view_of_the_example_is_refreshed_by_what_changed() {
    let example = Example::with(150, 2_000).await;
    for changes in [40, 300, 1] {
        example.sql.batch_execute(&format!("select * from skyflow_churn({changes})")).await.unwrap();
        let strategies = example.refresh().await;
        assert!(strategies.iter().all(|strategy| strategy == "incremental"), "{strategies:?}");
        example.assert_fresh().await;
    }
}

/// A measurement, not a test: `REMAT_ROWS=1000000 cargo nextest run --release --run-ignored only ...`.
#[tokio::test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, reason = "a measurement")]
async fn what_it_costs() {
    let rows: u32 = std::env::var("REMAT_ROWS").map_or(100_000, |rows| rows.parse().unwrap());
    let example = Example::with(rows / 15, rows).await;
    for changes in [0, 0, 0, 100, 100, 1_000, 1_000, 10_000, 0, 0] {
        if changes > 0 {
            example.sql.batch_execute(&format!("select * from skyflow_churn({changes})")).await.unwrap();
        }
        let began = Instant::now();
        let strategies = example.refresh().await;
        println!("{changes:>6} changes: {:>7.1} ms {strategies:?}", began.elapsed().as_secs_f64() * 1000.0);
        let runs = example
            .remat
            .runs(&remat::store::runs::Filter { limit: Some(9), ..Default::default() })
            .await
            .unwrap();
        for run in runs {
            println!(
                "   {} {:?} ms {} {}",
                run.view.unwrap(),
                run.duration_ms,
                run.reason.unwrap(),
                run.meta["stages"]
            );
        }
    }
}
