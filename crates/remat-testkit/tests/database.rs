//! The testkit's promises about its databases, on a real server.

use remat_testkit::{Servers, TestDb};
use tokio_postgres::SimpleQueryMessage;

#[tokio::test]
async fn database_is_gone_when_its_value_drops() {
    let first = TestDb::create().await;
    let second = TestDb::create().await;
    let name = first.name().to_owned();
    // A session that stays open must not keep the database.
    let _held = first.connect().await;
    drop(first);
    let count = format!("select count(*) from pg_database where datname = '{name}'");
    assert_eq!(second.query_one_i64(&count).await, 0);
}

#[tokio::test]
async fn database_of_a_panicking_test_is_dropped() {
    let watcher = TestDb::create().await;
    let db = TestDb::create().await;
    let name = db.name().to_owned();
    let panicked = tokio::spawn(async move {
        let _db = db;
        panic!("on purpose");
    });
    assert!(panicked.await.is_err());
    let count = format!("select count(*) from pg_database where datname = '{name}'");
    assert_eq!(watcher.query_one_i64(&count).await, 0);
}

#[tokio::test]
async fn role_of_a_test_logs_in_and_goes_with_its_database() {
    let watcher = TestDb::create().await;
    let db = TestDb::create().await;
    let role = db.create_role("Reader").await;
    let client = db.connect_as(&role).await;
    let current = client.query_one("select current_user::text", &[]).await.unwrap();
    assert_eq!(current.get::<_, String>(0), role);
    drop(db);
    let count = format!("select count(*) from pg_roles where rolname = '{role}'");
    assert_eq!(watcher.query_one_i64(&count).await, 0);
}

#[tokio::test]
async fn chosen_server_has_the_version_that_it_claims() {
    let db = TestDb::create().await;
    assert_eq!(db.server_version_num().await / 10_000, i64::from(db.server().major));
}

#[tokio::test]
async fn every_server_can_be_named() {
    for server in Servers::read().servers {
        let db = TestDb::create_on(server.major).await;
        assert_eq!(db.server_version_num().await / 10_000, i64::from(server.major));
    }
}

#[tokio::test]
async fn pgbouncer_leads_to_the_database_and_pools_by_transaction() {
    let db = TestDb::create().await;
    assert_eq!(simple(&db.pgbouncer_url(), "select current_database(), ''").await, [[db.name(), ""]]);
    let console = db.server().pgbouncer_url("postgres", "pgbouncer");
    assert!(simple(&console, "show config").await.contains(&["pool_mode", "transaction"].map(String::from)));
}

/// The first two columns of each row; the console of PgBouncer knows only the simple protocol.
async fn simple(url: &str, query: &str) -> Vec<[String; 2]> {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("PgBouncer lets us in");
    tokio::spawn(connection);
    let messages = client.simple_query(query).await.expect("the query runs");
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some([0, 1].map(|column| row.get(column).unwrap_or_default().to_owned()))
        }
        _ => None,
    });
    rows.collect()
}
