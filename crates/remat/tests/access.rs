//! Tokens, sessions, the audit and the keys of requests, in the database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use remat::{
    Remat,
    access::{Act, AuditFilter, NewToken, Role, Scope, Secret},
    error::ErrorKind,
    store::idempotency::{self, Answer, Known},
};
use remat_testkit::TestDb;
use serde_json::json;

struct World {
    db: TestDb,
    remat: Remat,
}

impl World {
    async fn new() -> Self {
        let db = TestDb::create().await;
        let remat = support::connect(&db.url()).await;
        remat.migrate().await.unwrap();
        Self { db, remat }
    }

    async fn token(&self, name: &str, role: Role) -> Secret {
        self.remat.create_token(&token(name, role), &Act::default()).await.unwrap().1
    }

    async fn knows(&self, secret: &str) -> bool {
        self.remat.authenticate(secret).await.unwrap().is_some()
    }
}

fn token(name: &str, role: Role) -> NewToken {
    NewToken { name: name.into(), role, schemas: Vec::new(), lasts: None }
}

#[tokio::test]
async fn a_secret_is_good_until_it_is_revoked_and_is_in_no_table() {
    let world = World::new().await;
    let secret = world.token("ada", Role::Editor).await;
    let grant = world.remat.authenticate(secret.reveal()).await.unwrap().unwrap();
    assert_eq!((grant.name.as_str(), grant.role, grant.scope), ("ada", Role::Editor, Scope::All));
    let kept = "select count(*) from remat.tokens t where t::text like '%' || $$SECRET$$ || '%'";
    assert_eq!(world.db.query_one_i64(&kept.replace("SECRET", &secret.reveal()[6..])).await, 0);

    assert!(!world.knows(&secret.reveal().replace(&secret.reveal()[6..9], "000")).await);
    assert!(!world.knows("").await);
    let revoked = world.remat.revoke_token("ada", &Act::default()).await.unwrap();
    assert_eq!(revoked.state, "revoked");
    assert!(!world.knows(secret.reveal()).await);
    world.remat.revoke_token("ada", &Act::default()).await.unwrap();
    let audit = world.remat.audit(&AuditFilter::default()).await.unwrap();
    let actions: Vec<_> = audit.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["token.revoke", "token.create"], "a second revocation changes nothing");
}

#[tokio::test]
async fn an_expired_token_is_like_none() {
    let world = World::new().await;
    let wanted = NewToken { lasts: Some(Duration::from_hours(1)), ..token("brief", Role::Viewer) };
    let (made, secret) = world.remat.create_token(&wanted, &Act::default()).await.unwrap();
    assert_eq!(made.state, "active");
    assert!(world.knows(secret.reveal()).await);
    world.db.execute("update remat.tokens set expires_at = now() - interval '1 second'").await;
    assert!(!world.knows(secret.reveal()).await);
    assert_eq!(world.remat.tokens().await.unwrap()[0].state, "expired");
}

#[tokio::test]
async fn the_last_use_is_written_once_a_minute() {
    let world = World::new().await;
    let secret = world.token("ada", Role::Viewer).await;
    let version = "select xmin::text::bigint from remat.tokens";
    assert!(world.knows(secret.reveal()).await);
    assert!(world.remat.tokens().await.unwrap()[0].last_used_at.is_some());
    let first = world.db.query_one_i64(version).await;
    assert!(world.knows(secret.reveal()).await);
    assert_eq!(world.db.query_one_i64(version).await, first);
    world.db.execute("update remat.tokens set last_used_at = now() - interval '61 seconds'").await;
    assert!(world.knows(secret.reveal()).await);
    let young = "select count(*) from remat.tokens where last_used_at > now() - interval '30 seconds'";
    assert_eq!(world.db.query_one_i64(young).await, 1);
}

#[tokio::test]
async fn names_are_given_once_and_some_not_at_all() {
    let world = World::new().await;
    world.token("ada", Role::Viewer).await;
    world.remat.revoke_token("ada", &Act::default()).await.unwrap();
    let again = world.remat.create_token(&token("ada", Role::Viewer), &Act::default()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    for name in ["", "local", "nobody", "a b", "<b>", &"x".repeat(64)] {
        let refused = world.remat.create_token(&token(name, Role::Viewer), &Act::default()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidDefinition, "{name}");
    }
    let unknown = world.remat.revoke_token("eve", &Act::default()).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_scope_is_kept_and_an_admin_has_none() {
    let world = World::new().await;
    let wanted = NewToken { schemas: vec!["sales".into()], ..token("sales-only", Role::Operator) };
    let (_, secret) = world.remat.create_token(&wanted, &Act::default()).await.unwrap();
    let grant = world.remat.authenticate(secret.reveal()).await.unwrap().unwrap();
    assert_eq!(grant.scope, Scope::Schemas(vec!["sales".into()]));
    let admin = NewToken { schemas: vec!["sales".into()], ..token("boss", Role::Admin) };
    let refused = world.remat.create_token(&admin, &Act::default()).await.unwrap_err();
    assert_eq!(refused.complaint().primary, "an admin sees every schema");
}

#[tokio::test]
async fn a_browser_is_out_when_it_leaves_when_its_time_is_over_and_when_its_token_ends() {
    let world = World::new().await;
    let secret = world.token("ada", Role::Operator).await;
    let grant = world.remat.authenticate(secret.reveal()).await.unwrap().unwrap();
    let open = async || world.remat.open_web_session(grant.token_id).await.unwrap();
    let knows = async |cookie: &Secret| {
        world.remat.authenticate_web_session(cookie.reveal()).await.unwrap().map(|grant| grant.name)
    };
    let cookie = open().await;
    assert_eq!(knows(&cookie).await.as_deref(), Some("ada"));
    assert!(!world.knows(cookie.reveal()).await, "a cookie is no token");
    assert!(world.remat.authenticate_web_session(secret.reveal()).await.unwrap().is_none());
    world.remat.close_web_session(cookie.reveal()).await.unwrap();
    assert_eq!(knows(&cookie).await, None);

    let cookie = open().await;
    world.db.execute("update remat.sessions set expires_at = now()").await;
    assert_eq!(knows(&cookie).await, None);
    world.remat.forget_expired().await.unwrap();
    assert_eq!(world.db.query_one_i64("select count(*) from remat.sessions").await, 0);

    let cookie = open().await;
    world.remat.revoke_token("ada", &Act::default()).await.unwrap();
    assert_eq!(knows(&cookie).await, None);
}

#[tokio::test]
async fn the_audit_is_only_added_to() {
    let world = World::new().await;
    world.token("ada", Role::Viewer).await;
    let sql = world.db.connect().await;
    for statement in ["update remat.audit set who = 'eve'", "delete from remat.audit", "truncate remat.audit"]
    {
        let refused = sql.batch_execute(statement).await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501", "{statement}");
    }
    let scoped = AuditFilter { scope: Scope::Schemas(vec!["sales".into()]), ..AuditFilter::default() };
    let act = Act { who: Some("ada"), action: "view.pause", schema: Some("sales"), ..Act::default() };
    world.remat.record_act(&act).await.unwrap();
    assert_eq!(world.remat.audit(&scoped).await.unwrap().len(), 1);
    let of_ada = AuditFilter { who: Some("ada".into()), ..AuditFilter::default() };
    assert_eq!(world.remat.audit(&of_ada).await.unwrap().len(), 1);
    assert_eq!(world.remat.audit(&AuditFilter::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_is_taken_once_and_gives_its_answer_to_the_same_request_only() {
    let world = World::new().await;
    let session = world.remat.session().await.unwrap();
    let take = async |request: u8| idempotency::take(&session, "ada", "k", &[request; 32]).await.unwrap();
    assert_eq!(take(1).await, Known::Mine);
    assert_eq!(take(1).await, Known::AtWork);
    assert_eq!(take(2).await, Known::Other);
    let answer = Answer { status: 202, location: Some("/x".into()), body: json!({ "run": 1 }) };
    idempotency::answer(&session, "ada", "k", &answer).await.unwrap();
    assert_eq!(take(1).await, Known::Answered(answer));
    assert_eq!(take(2).await, Known::Other);

    world.db.execute("update remat.idempotency_keys set created_at = now() - interval '25 hours'").await;
    world.remat.forget_expired().await.unwrap();
    assert_eq!(take(2).await, Known::Mine);
    world.db.execute("update remat.idempotency_keys set created_at = now() - interval '2 minutes'").await;
    assert_eq!(take(2).await, Known::Mine, "whoever began it has died");
    idempotency::release(&session, "ada", "k").await.unwrap();
    assert_eq!(take(3).await, Known::Mine);
}
