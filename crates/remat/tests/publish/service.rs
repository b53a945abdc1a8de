//! What a pass finds and repairs.

use remat::{
    error::ErrorKind,
    name::RelationName,
    publish::{Passed, PublishService, Report},
    view::Definition,
};

use crate::fixture::{Game, definition};

fn service(game: &Game) -> PublishService {
    PublishService { remat: game.remat.clone(), publisher: game.publisher.clone() }
}

fn passed(report: &Report) -> Vec<Passed> {
    report.views.iter().map(|view| view.passed).collect()
}

#[tokio::test]
async fn a_pass_publishes_what_is_missing_or_older_and_nothing_else() {
    let (game, view) = Game::with_view().await;
    let service = service(&game);
    assert_eq!(service.pending().await.unwrap().len(), 1);
    let first = service.run_once().await.unwrap();
    assert_eq!(passed(&first), [Passed::Published]);
    assert_eq!(first.views[0].published.as_ref().unwrap().members, 16);
    assert_eq!(passed(&service.run_once().await.unwrap()), [Passed::Current]);
    assert!(service.pending().await.unwrap().is_empty());
    // A publication that a crash lost is one that never came.
    game.refresh(&view).await;
    assert_eq!(passed(&service.run_once().await.unwrap()), [Passed::Published]);
    game.ask_redis(&["FLUSHALL"]).await;
    assert_eq!(passed(&service.run_once().await.unwrap()), [Passed::Published]);
    game.ask_redis(&["SET", crate::fixture::KEY, "no set"]).await;
    assert_eq!(passed(&service.run_once().await.unwrap()), [Passed::Published]);
    assert_eq!(passed(&service.run_once().await.unwrap()), [Passed::Current]);
    assert_eq!(game.keys().await, 2, "the lock was released");
}

#[tokio::test]
async fn a_changed_target_is_published_without_a_refresh() {
    let (game, view) = Game::with_view().await;
    let service = service(&game);
    service.run_once().await.unwrap();
    let mut changed = view.definition.clone();
    changed.publish.as_mut().unwrap().limit = Some(3);
    game.remat.define(&changed).await.unwrap();
    let report = service.run_once().await.unwrap();
    assert_eq!(report.views[0].published.as_ref().unwrap().members, 3);
    assert_eq!(passed(&service.run_once().await.unwrap()), [Passed::Current]);
}

#[tokio::test]
async fn one_view_that_cannot_be_published_does_not_stop_the_rest() {
    let (game, view) = Game::with_view().await;
    let named = |name: &str, query: &str| {
        let mut wanted = Definition { name: RelationName::new("public", name).unwrap(), ..definition(query) };
        wanted.publish.as_mut().unwrap().key = name.to_owned();
        wanted
    };
    game.create(&named("a_bad", "select 'x' as name, null::int as points")).await;
    game.create(&named("b_good", "select 'x' as name, 1 as points")).await;
    game.remat.define(&named("c_absent", "select 'x' as name, 1 as points")).await.unwrap();
    let plain = Definition { publish: None, ..named("d_plain", "select 1 as id") };
    game.create(&plain).await;
    let service = service(&game);
    let report = service.run_once().await.unwrap();
    assert_eq!(passed(&report), [Passed::Failed, Passed::Published, Passed::Unfilled, Passed::Published]);
    assert!(report.views[0].error.as_ref().unwrap().to_string().contains("is NULL in some row"));
    // What failed is not tried again at once, by whomever.
    let report = service.run_once().await.unwrap();
    assert_eq!(passed(&report), [Passed::Busy, Passed::Current, Passed::Unfilled, Passed::Current]);
    assert_eq!(report.views[3].view, view.definition.name);
}

#[tokio::test]
async fn two_passes_at_once_publish_once() {
    let (game, _) = Game::with_view().await;
    let (one, other) = (service(&game), service(&game));
    let (one, other) = tokio::join!(one.run_once(), other.run_once());
    let both = [passed(&one.unwrap())[0], passed(&other.unwrap())[0]];
    assert!(both.contains(&Passed::Published), "{both:?}");
    assert_eq!(passed(&service(&game).run_once().await.unwrap()), [Passed::Current]);
}

#[tokio::test]
async fn a_pass_without_redis_says_so() {
    let (mut game, _) = Game::with_view().await;
    let service = service(&game);
    game.redis.kill().await;
    assert_eq!(service.run_once().await.unwrap_err().kind(), ErrorKind::Connection);
    game.redis.restart().await;
    assert_eq!(passed(&service.run_once().await.unwrap()), [Passed::Published]);
}
