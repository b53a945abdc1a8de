//! Through PgBouncer in transaction mode: each transaction may land on another server session.

mod support;

use remat::{
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::Status,
    view::Strategy,
};
use remat_testkit::TestDb;
use support::{App, PER_USER};

#[tokio::test]
async fn the_whole_life_of_a_view_works_through_a_pooler_in_transaction_mode() {
    let app = App::start_on(TestDb::create().await).await;
    let pooled = support::connect(&app.db.pgbouncer_url()).await;
    for strategy in [Strategy::Regular, Strategy::Concurrent, Strategy::Swap, Strategy::Merge] {
        let mut definition = App::definition(strategy, PER_USER);
        definition.name = remat::name::RelationName::new("public", strategy.as_str()).unwrap();
        let view = pooled.define(&definition).await.unwrap();
        let run = pooled.create(&view, CreateOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
        let view = pooled.view(&definition.name).await.unwrap();
        app.change_sales().await;
        let run = pooled.refresh(&view, RefreshOptions::default()).await.unwrap();
        assert_eq!(run.status, Status::Success, "{run:#?}");
        let view = pooled.view(&definition.name).await.unwrap();
        assert!(pooled.verify(&view).await.unwrap().equal);
        assert_eq!(pooled.delete(&view, DeleteOptions::default()).await.unwrap().status, Status::Success);
    }
}

#[tokio::test]
async fn nothing_that_was_pinned_leaks_to_the_next_client_of_a_pooled_session() {
    let app = App::start_on(TestDb::create().await).await;
    let pooled = support::connect(&app.db.pgbouncer_url()).await;
    let mut definition = App::definition(Strategy::Merge, PER_USER);
    definition.settings.time_zone = "Asia/Tokyo".into();
    definition.settings.parameters.insert("work_mem".into(), "77MB".into());
    let view = pooled.define(&definition).await.unwrap();
    pooled.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    let view = pooled.view(&definition.name).await.unwrap();
    assert_eq!(pooled.refresh(&view, RefreshOptions::default()).await.unwrap().status, Status::Success);
    for _ in 0..5 {
        let session = pooled.session().await.unwrap();
        let sql = "select current_setting('work_mem') || current_setting('TimeZone') || coalesce(current_setting('remat.writing', true), '')";
        let row = session.query_one(sql, &[]).await.unwrap();
        let settings: String = row.get(0);
        assert!(
            !settings.contains("77MB") && !settings.contains("Tokyo") && !settings.contains("on"),
            "{settings}"
        );
    }
}
