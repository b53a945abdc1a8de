//! The service that asks for verifications.

use std::{sync::Arc, time::Duration};

use remat::{
    backend::PostgresBackend,
    name::RelationName,
    run::{Status, Trigger},
    service::{Service as _, verifier::Verifier},
    store::runs::Filter,
    view::{Definition, Pause, Strategy, View},
};
use remat_testkit::wait_until;

use crate::{
    daemon,
    support::{App, PER_USER},
};

const DAY: Duration = Duration::from_hours(24);

/// A view that follows changes and was filled two days ago.
async fn following(app: &App, name: &str) -> View {
    let name = RelationName::new("public", name).unwrap();
    let definition = Definition { name, ..App::definition(Strategy::Incremental, PER_USER) };
    let view = app.create(&definition).await;
    app.refresh(&view).await.check().unwrap();
    let old = format!(
        "update remat.view_plans set made_at = now() - interval '2 days' where view_id = {}",
        view.id
    );
    app.db.execute(&old).await;
    view
}

fn verifier(app: &App) -> Verifier {
    Verifier::new(&app.remat, Arc::new(PostgresBackend::new(&app.remat)), DAY)
}

/// One pass: whether it asked for a verification.
async fn asks(app: &App) -> bool {
    verifier(app).run_once().await.unwrap().did.is_some()
}

/// The views that it asked for so far, in order.
async fn asked(app: &App) -> String {
    app.text(
        "select coalesce(string_agg(v.view_name, ' ' order by r.id), '')
         from   remat.runs r join remat.views v on v.id = r.view_id where r.trigger = 'verifier'",
    )
    .await
}

async fn all_done(app: &App) {
    let left = "select count(*) from remat.runs where status in ('pending', 'running')";
    wait_until("no run is left", async || app.count(left).await == 0).await;
}

#[tokio::test]
async fn each_view_is_verified_once_per_interval_and_one_at_a_time() {
    let app = App::start().await;
    let (first, second) = (following(&app, "first").await, following(&app, "second").await);
    assert!(asks(&app).await);
    assert!(!asks(&app).await, "the first one waits yet");
    let daemon = daemon::start(&app.remat, 2).await;
    all_done(&app).await;
    assert!(asks(&app).await);
    all_done(&app).await;
    assert!(!asks(&app).await, "both were verified");
    assert_eq!(asked(&app).await, "first second");
    let ago =
        |hours: i32| format!("update remat.verifications set asked_at = now() - interval '{hours} hours'");
    app.db.execute(&ago(23)).await;
    assert!(!asks(&app).await);
    app.db.execute(&format!("{} where view_id = {}", ago(25), second.id)).await;
    assert!(asks(&app).await);
    all_done(&app).await;
    assert_eq!(asked(&app).await, "first second second");
    daemon.drain().await;
    let filter = Filter { view_id: Some(first.id), limit: Some(1), ..Filter::default() };
    let run = app.remat.runs(&filter).await.unwrap().remove(0);
    assert_eq!((run.status, run.trigger), (Status::Success, Trigger::Verifier));
    assert_eq!(run.meta["verification"]["finding"], "equal", "{run:#?}");
    assert!(run.priority < 0, "behind everything else");
}

#[tokio::test]
async fn many_verifiers_ask_for_one_verification() {
    let app = App::start().await;
    for name in ["first", "second", "third"] {
        following(&app, name).await;
    }
    let passes = (0..8).map(|_| async {
        let mut verifier = verifier(&app);
        verifier.run_once().await.unwrap().did
    });
    let asked: Vec<_> = futures_util::future::join_all(passes).await.into_iter().flatten().collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[tokio::test]
async fn views_that_do_not_follow_changes_are_paused_or_busy_are_left_alone() {
    let app = App::start().await;
    app.view(Strategy::Merge, PER_USER).await;
    let paused = following(&app, "paused").await;
    let pause = Pause { by: "ada".into(), reason: None, until: None };
    app.remat.pause(&paused, &pause).await.unwrap();
    following(&app, "busy").await;
    app.db.execute("select remat.enqueue_refresh('public.busy')").await;
    let gone = following(&app, "gone").await;
    app.remat.delete(&gone, remat::operation::DeleteOptions::default()).await.unwrap().check().unwrap();
    assert!(!asks(&app).await, "{}", asked(&app).await);
    app.remat.resume(&paused).await.unwrap();
    assert!(asks(&app).await);
    assert_eq!(asked(&app).await, "paused");
}

#[tokio::test]
async fn a_view_that_was_filled_just_now_waits_for_its_interval() {
    let app = App::start().await;
    let view = following(&app, "fresh").await;
    app.db.execute("update remat.view_plans set made_at = now()").await;
    assert!(!asks(&app).await);
    // A verification that somebody made by hand counts like one that was asked for.
    app.db.execute("update remat.view_plans set made_at = now() - interval '2 days'").await;
    let options = remat::operation::RefreshOptions { verify: true, ..Default::default() };
    app.remat.refresh(&view, options).await.unwrap().check().unwrap();
    assert!(!asks(&app).await);
}

#[tokio::test]
async fn a_verification_that_failed_is_not_tried_again_before_the_next_interval() {
    let app = App::start().await;
    let view = following(&app, "broken").await;
    assert!(asks(&app).await);
    app.db.execute("drop table broken cascade").await;
    let daemon = daemon::start(&app.remat, 1).await;
    all_done(&app).await;
    daemon.drain().await;
    let runs = app.remat.runs(&Filter { view_id: Some(view.id), ..Filter::default() }).await.unwrap();
    assert_eq!((runs[0].status, runs[0].trigger), (Status::Failed, Trigger::Verifier), "{:#?}", runs[0]);
    assert!(!asks(&app).await);
    assert_eq!(asked(&app).await, "broken");
}
