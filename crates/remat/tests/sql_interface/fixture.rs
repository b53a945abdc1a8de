//! A migrated database with views that were made by hand, as `apply` would leave them.

use remat::{
    name::RelationName,
    pg::{Session, Target, catalog},
    store::views,
    view::{Definition, Strategy},
};
use remat_testkit::TestDb;
use tokio_postgres::Client;

/// Counts the views of this database that somebody works on, by the advisory key of the Rust side.
pub(crate) fn view_locks() -> String {
    let key = i32::from_be_bytes(*b"remv");
    format!(
        "select count(*) from pg_locks l join pg_database d on d.oid = l.database
         where l.locktype = 'advisory' and l.classid = {key} and l.granted and d.datname = current_database()"
    )
}

/// Counts the sessions of this database that pause between two attempts at a lock.
pub(crate) const PAUSES: &str =
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

pub(crate) struct Fixture {
    pub(crate) db: TestDb,
    pub(crate) session: Session,
    pub(crate) client: Client,
}

impl Fixture {
    /// A migrated database with the table `source` of the numbers 1 to 100.
    pub(crate) async fn new() -> Self {
        let db = TestDb::create().await;
        let session = Target::resolve(Some(&db.url()), &|_| None).unwrap().connect().await.unwrap();
        remat::migrate::migrate(&session).await.unwrap();
        let client = db.connect().await;
        let fixture = Self { db, session, client };
        fixture.run("create table source as select k, k * 2 as v from generate_series(1, 100) k").await;
        fixture
    }

    /// Defines a view in schema public and makes its materialized view, filled, without an index.
    pub(crate) async fn view(&self, name: &str, query: &str, edit: impl FnOnce(&mut Definition)) -> i64 {
        self.view_in("public", name, query, edit).await
    }

    pub(crate) async fn view_in(
        &self,
        schema: &str,
        name: &str,
        query: &str,
        edit: impl FnOnce(&mut Definition),
    ) -> i64 {
        let name = RelationName::new(schema, name).unwrap();
        self.run(&format!("create materialized view {} as {query}", name.to_sql())).await;
        self.adopt(name, query, edit).await
    }

    /// Defines a view over a relation that stands already.
    pub(crate) async fn adopt(
        &self,
        name: RelationName,
        query: &str,
        edit: impl FnOnce(&mut Definition),
    ) -> i64 {
        let mut definition = Definition { strategy: Strategy::Auto, ..Definition::new(name, query) };
        definition.tags = vec!["audience".into()];
        definition.settings.lock_budget_ms = 200;
        edit(&mut definition);
        let view = views::save(&self.session, &definition, None).await.unwrap();
        self.session.batch("begin").await.unwrap();
        catalog::print_full_names(&self.session).await.unwrap();
        let relation = catalog::relation_named(&self.session, &definition.name).await.unwrap();
        self.session.batch("commit").await.unwrap();
        views::set_relation(&self.session, view.id, relation.as_ref()).await.unwrap();
        view.id
    }

    /// The view `name` over `source` with a unique index on `k`.
    pub(crate) async fn indexed(&self, name: &str, edit: impl FnOnce(&mut Definition)) -> i64 {
        let id = self.view(name, "select k, v from source", edit).await;
        self.run(&format!("create unique index on {name} (k)")).await;
        id
    }

    /// Runs a script in the test's own session.
    pub(crate) async fn run(&self, script: &str) {
        self.client.batch_execute(script).await.unwrap_or_else(|error| panic!("{error:?}\nin: {script}"));
    }

    /// One value as text, from the test's own session; `∅` for null.
    pub(crate) async fn ask(&self, query: &str) -> String {
        let row = self.client.query_one(&format!("select ({query})::text"), &[]).await;
        let row = row.unwrap_or_else(|error| panic!("{error:?}\nin: {query}"));
        row.get::<_, Option<String>>(0).unwrap_or_else(|| "∅".into())
    }

    /// Refreshes a view and gives columns of its run, joined by `|`.
    pub(crate) async fn refresh(&self, call: &str, columns: &str) -> String {
        let run = self.ask(&format!("remat.refresh_now({call})")).await;
        self.run_row(run.parse().unwrap(), columns).await
    }

    pub(crate) async fn run_row(&self, run: i64, columns: &str) -> String {
        self.ask(&format!("select concat_ws('|', {columns}) from remat.runs where id = {run}")).await
    }

    /// The message and SQLSTATE with which a statement fails.
    pub(crate) async fn refused(&self, statement: &str) -> (String, String) {
        let error = self.client.batch_execute(statement).await.expect_err(statement);
        let error = error.as_db_error().expect("the server refuses it");
        (error.message().to_owned(), error.code().code().to_owned())
    }
}
