//! A small application with a database of its own, for the tests of the library.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part of this")]

use remat::{
    Remat,
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    pg::Target,
    project::{self, Project, ViewFile},
    run::{Run, Status},
    view::{Definition, Strategy, View},
};
use remat_testkit::{TestDb, wait_until};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// Sales by user: a table whose rows the tests change.
const SALES: &str = "
create table sales (id bigint generated always as identity primary key, user_id int not null, cents int not null);
insert into sales (user_id, cents) select g % 100, g from generate_series(1, 1000) g;
-- A query that waits until the test lets it pass: whoever holds advisory lock 1 keeps it waiting.
create function gate() returns boolean language sql volatile as $$
  select pg_advisory_xact_lock_shared(1) is not null $$;";

pub const PER_USER: &str =
    "select user_id, count(*) as sales, sum(cents) as cents from sales group by user_id";
pub const GATED: &str = "select user_id, count(*) as sales from sales where gate() group by user_id";

pub struct App {
    pub db: TestDb,
    pub remat: Remat,
    pub sql: Client,
}

impl App {
    pub async fn start() -> Self {
        Self::start_on(TestDb::create().await).await
    }

    pub async fn start_on(db: TestDb) -> Self {
        db.execute(SALES).await;
        let remat = connect(&db.url()).await;
        remat.migrate().await.expect("the tables can be made");
        let sql = db.connect().await;
        Self { db, remat, sql }
    }

    pub fn definition(strategy: Strategy, query: &str) -> Definition {
        let name = RelationName::new("public", "per_user").expect("a legal name");
        let key = vec![Identifier::new("user_id").expect("a legal name")];
        Definition { strategy, key, ..Definition::new(name, query) }
    }

    /// Defines `public.per_user` and creates it.
    pub async fn view(&self, strategy: Strategy, query: &str) -> View {
        self.create(&Self::definition(strategy, query)).await
    }

    pub async fn create(&self, definition: &Definition) -> View {
        let view = self.remat.define(definition).await.expect("the definition is sound");
        let run = self.remat.create(&view, CreateOptions::default()).await.expect("the run is recorded");
        assert_eq!(run.status, Status::Success, "{run:#?}");
        self.again(&view).await
    }

    /// The view as the database has it now.
    pub async fn again(&self, view: &View) -> View {
        self.remat.view(&view.definition.name).await.expect("the view is defined")
    }

    pub async fn refresh(&self, view: &View) -> Run {
        self.remat.refresh(view, RefreshOptions::default()).await.expect("the run is recorded")
    }

    /// A refresh beside the test.
    pub fn spawn_refresh(&self, view: &View) -> JoinHandle<Run> {
        let (remat, view) = (self.remat.clone(), view.clone());
        tokio::spawn(async move {
            remat.refresh(&view, RefreshOptions::default()).await.expect("the run is recorded")
        })
    }

    pub async fn refresh_by(&self, view: &View, strategy: Strategy) -> Run {
        let options = RefreshOptions { strategy: Some(strategy), ..RefreshOptions::default() };
        self.remat.refresh(view, options).await.expect("the run is recorded")
    }

    pub async fn assert_equal(&self, view: &View) {
        let verification = self.remat.verify(view).await.expect("the view can be compared");
        assert!(verification.equal, "{verification:?}");
    }

    /// Changes one row of each kind: 10 updated users, one new user, one user gone.
    pub async fn change_sales(&self) {
        self.db
            .execute(
                "update sales set cents = cents + 1 where user_id between 1 and 10 and id <= 100;
                 insert into sales (user_id, cents) values (1000, 7);
                 delete from sales where user_id = 50;",
            )
            .await;
    }

    /// Shuts the gate at which [`GATED`] waits, until the session that it gives opens it or ends.
    pub async fn shut_gate(&self) -> Client {
        let gate = self.db.connect().await;
        gate.batch_execute("select pg_advisory_lock(1)").await.expect("nobody else has shut it");
        gate
    }

    pub async fn waits_for_gate(&self) {
        let sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = 1
                   and database = (select oid from pg_database where datname = current_database())";
        wait_until("a query waits at the gate", async || self.count(sql).await > 0).await;
    }

    pub async fn waits_for_a_relation(&self) {
        let database = self.db.name();
        let sql = format!(
            "select count(*) from pg_locks where not granted and relation is not null
             and database = (select oid from pg_database where datname = '{database}')"
        );
        // Over a session of its own: `sql` may be in a transaction.
        wait_until("somebody waits for a relation", async || self.db.query_one_i64(&sql).await > 0).await;
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.sql.query_one(sql, &[]).await.expect("the count can be read").get(0)
    }

    pub async fn text(&self, sql: &str) -> String {
        self.sql.query_one(sql, &[]).await.expect("the text can be read").get(0)
    }
}

/// A project of these definitions, without a folder.
pub fn project_of(definitions: &[Definition]) -> Project {
    let settings = project::parse_settings("[project]\nname = \"tests\"\n").expect("the settings are sound");
    let file = |definition: &Definition| ViewFile {
        path: format!("views/{}.sql", definition.name.name.as_str()),
        definition: definition.clone(),
    };
    Project { settings, views: definitions.iter().map(file).collect() }
}

pub async fn connect(url: &str) -> Remat {
    let target = Target::resolve(Some(url), &|_| None).expect("the URL is legal");
    Remat::connect(target).await.expect("the server answers")
}
