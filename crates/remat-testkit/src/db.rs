//! A database of one's own on a real server, dropped with the value.
//!
//! Dropping works in a panicking test and inside any runtime, because a thread with its own runtime does it. A
//! test that was killed leaves its database behind; [`crate::sweep`] removes it at the next start of the servers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio_postgres::{Client, NoTls};

use crate::servers::{Server, Servers};

pub(crate) const PREFIX: &str = "remat_t_";

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// An empty database for one test.
#[derive(Debug)]
pub struct TestDb {
    server: Server,
    name: String,
}

impl TestDb {
    /// Creates a database on the server that `REMAT_TEST_SERVER` names, or the first one.
    pub async fn create() -> Self {
        Self::create_at(Servers::read().chosen().clone()).await
    }

    /// Creates a database on the server of this major version.
    pub async fn create_on(major: u32) -> Self {
        Self::create_at(Servers::read().of_major(major).clone()).await
    }

    async fn create_at(server: Server) -> Self {
        let db = Self { name: unique_name(), server };
        let client = connect(&db.server.url("postgres", "postgres")).await;
        client
            .batch_execute(&format!("create database {} template template0", db.name))
            .await
            .expect("the test server creates databases");
        db
    }

    /// The URL of this database as superuser.
    pub fn url(&self) -> String {
        self.role_url("postgres")
    }

    /// The URL of this database for another role.
    pub fn role_url(&self, role: &str) -> String {
        self.server.url(role, &self.name)
    }

    /// The URL through `PgBouncer` in transaction mode, as superuser.
    pub fn pgbouncer_url(&self) -> String {
        self.server.pgbouncer_url("postgres", &self.name)
    }

    /// The URL through something that listens on another port of the loopback, such as a [`crate::TcpProxy`].
    pub fn url_through(&self, port: u16) -> String {
        Server { port, ..self.server.clone() }.url("postgres", &self.name)
    }

    /// The database's name: lower case, never in need of quotes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that the database is on.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A new session as superuser; its notices are dropped.
    pub async fn connect(&self) -> Client {
        connect(&self.url()).await
    }

    /// A new session as another role.
    pub async fn connect_as(&self, role: &str) -> Client {
        connect(&self.role_url(role)).await
    }

    /// Creates a login role of this test and returns its name, which is unique on the server. It is dropped with the
    /// database.
    pub async fn create_role(&self, suffix: &str) -> String {
        let role = format!("{}_{suffix}", self.name);
        assert!(role.len() < 64, "the suffix {suffix:?} is too long for a role's name");
        self.execute(&format!("create role \"{role}\" login")).await;
        role
    }

    /// Runs a script of statements as superuser in a session of its own.
    pub async fn execute(&self, script: &str) {
        let result = self.connect().await.batch_execute(script).await;
        result.unwrap_or_else(|error| panic!("{}\nin: {script}", describe(&error)));
    }

    /// Runs a query that gives one number.
    pub async fn query_one_i64(&self, query: &str) -> i64 {
        let row = self.connect().await.query_one(&format!("select ({query})::bigint"), &[]).await;
        row.unwrap_or_else(|error| panic!("{}\nin: {query}", describe(&error))).get(0)
    }

    /// Runs a query that gives one text.
    pub async fn query_one_text(&self, query: &str) -> String {
        let row = self.connect().await.query_one(&format!("select ({query})::text"), &[]).await;
        row.unwrap_or_else(|error| panic!("{}\nin: {query}", describe(&error))).get(0)
    }

    /// The server's version as `server_version_num` has it, such as 150014.
    pub async fn server_version_num(&self) -> i64 {
        self.query_one_i64("current_setting('server_version_num')").await
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let errand = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime needs only a thread").block_on(drop_database(&server, &name))
        });
        let dropped = errand.join();
        // A second panic while the test's own unwinds would abort the process and hide the first.
        if !thread::panicking() {
            dropped.expect("the dropping thread ends").expect("the test's database can be dropped");
        }
    }
}

/// Drops a test's database and the roles named after it.
pub(crate) async fn drop_database(server: &Server, name: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(&server.url("postgres", "postgres"), NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(&format!("drop database if exists {name} with (force)")).await?;
    let roles = "select quote_ident(rolname) from pg_roles where starts_with(rolname, $1 || '_')";
    for role in client.query(roles, &[&name]).await? {
        client.batch_execute(&format!("drop role if exists {}", role.get::<_, String>(0))).await?;
    }
    Ok(())
}

/// Connects, and lets the connection run beside the test. Panics with the server's words if it cannot.
pub(crate) async fn connect(url: &str) -> Client {
    let connected = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) = connected.unwrap_or_else(|error| panic!("{}\nat: {url}", describe(&error)));
    tokio::spawn(connection);
    client
}

/// The server's own words; the error's `Display` alone says only "db error".
fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(
        || {
            std::error::Error::source(error)
                .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        },
        |db| format!("{} ({}) {}", db.message(), db.code().code(), db.detail().unwrap_or_default()),
    )
}

/// The process and a counter make it unique; the hash of the test's name, which is its thread's, tells a reader of
/// the server's log which test it was.
fn unique_name() -> String {
    let mut hasher = DefaultHasher::new();
    thread::current().name().hash(&mut hasher);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}_{number}_{:08x}", std::process::id(), hasher.finish() & 0xffff_ffff)
}

/// The process that a test database's name tells of.
pub(crate) fn process_of(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('_').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_within_a_process_and_tell_it() {
        let (first, second) = (unique_name(), unique_name());
        assert_ne!(first, second);
        assert_eq!(process_of(&first), Some(std::process::id()));
        assert_eq!(process_of("remat_t_"), None);
        assert_eq!(process_of("postgres"), None);
    }
}
