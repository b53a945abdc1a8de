//! A table that is captured, and a reader that keeps a copy of it by nothing but the log.

use remat::{
    Remat,
    capture::{self, Answer, Need},
    failure::Failure,
    name::RelationName,
    pg::{Session, Target},
    view::{Definition, Settings},
};
use remat_testkit::TestDb;
use tokio_postgres::Client;

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) remat: Remat,
    /// What the installer and the readers use.
    pub(crate) session: Session,
    /// An application's session.
    pub(crate) app: Client,
}

impl World {
    /// A migrated database after this script.
    pub(crate) async fn with(script: &str) -> Self {
        let db = TestDb::create().await;
        db.execute(script).await;
        let target = Target::resolve(Some(&db.url()), &|_| None).unwrap();
        let remat = Remat::connect(target).await.unwrap();
        remat.migrate().await.unwrap();
        let session = remat.session().await.unwrap();
        let app = db.connect().await;
        Self { db, remat, session, app }
    }

    /// The id of a new view; what it queries is of no account here.
    pub(crate) async fn view(&self, name: &str) -> i64 {
        let name = RelationName::new("public", name).unwrap();
        self.remat.define(&Definition::new(name, "select 1 as one")).await.unwrap().id
    }

    /// Runs statements of the application, which must not fail.
    pub(crate) async fn run(&self, script: &str) {
        let done = self.app.batch_execute(script).await;
        done.unwrap_or_else(|error| panic!("{error:?}\nin: {script}"));
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.db.query_one_i64(sql).await
    }

    pub(crate) async fn need(&self, table: &str, columns: &[&str]) -> Need {
        need(&self.app, table, columns).await
    }

    /// Installs the capture of these columns for a view.
    pub(crate) async fn install(&self, view: i64, table: &str, columns: &[&str]) -> Result<i64, Failure> {
        let needs = [self.need(table, columns).await];
        capture::install(&self.session, &impatient(), view, &needs).await.map(|ids| ids[0])
    }

    /// A reader of these columns that has read everything once.
    pub(crate) async fn reader(&self, name: &str, table: &str, columns: &[&str]) -> Reader {
        let view = self.view(name).await;
        let capture = self.install(view, table, columns).await.unwrap();
        let reader = Reader::new(self, view, capture, table, columns).await;
        assert!(matches!(reader.read().await, Answer::Reset(_)));
        reader
    }

    pub(crate) async fn fingerprint(&self, capture: i64) -> Option<String> {
        let sql = format!("select remat.capture_fingerprint({capture})");
        self.app.query_one(&sql, &[]).await.unwrap().get(0)
    }
}

pub(crate) async fn need(client: &Client, table: &str, columns: &[&str]) -> Need {
    let sql = "select $1::text::regclass::oid, array(select attnum from pg_attribute
               where attrelid = $1::text::regclass and attname::text = any ($2) order by attnum)";
    let row = client.query_one(sql, &[&table, &columns]).await.unwrap();
    Need { table: row.get(0), columns: row.get(1) }
}

/// Gives up after two seconds where a lock is not to be had.
pub(crate) fn impatient() -> Settings {
    Settings { lock_budget_ms: 2_000, ..Settings::default() }
}

/// One view's reading of one log. Its copy is a signed sum of images, so it is right only if each change was logged once.
pub(crate) struct Reader {
    pub(crate) session: Session,
    pub(crate) view: i64,
    pub(crate) capture: i64,
    table: String,
    copy: String,
    columns: String,
    logged: String,
}

impl Reader {
    pub(crate) async fn new(world: &World, view: i64, capture: i64, table: &str, columns: &[&str]) -> Self {
        let numbers = world.need(table, columns).await.columns;
        let names = "select quote_ident(attname) from unnest($2::int2[]) n
                     join pg_attribute on attrelid = $1::text::regclass and attnum = n order by attnum";
        let names: Vec<String> =
            world.app.query(names, &[&table, &numbers]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let columns: Vec<String> =
            names.iter().zip(&numbers).map(|(name, number)| format!("{name} as a{number}")).collect();
        let logged: Vec<String> = numbers.iter().map(|number| format!("a{number}")).collect();
        let copy = format!("public.copy_{view}");
        let (columns, logged) = (columns.join(", "), logged.join(", "));
        world
            .run(&format!("create table {copy} as select 1::int2 as sign, {columns} from {table} limit 0"))
            .await;
        let session = world.remat.session().await.unwrap();
        Self { session, view, capture, table: table.into(), copy, columns, logged }
    }

    /// Brings the copy up to date in one transaction and proves that it then equals the table.
    pub(crate) async fn read(&self) -> Answer {
        self.session.batch("begin isolation level repeatable read").await.unwrap();
        let answer = self.apply().await;
        assert_eq!(self.differences().await, 0, "{answer:?} of {}", self.table);
        capture::store_state(&self.session, self.view).await.unwrap();
        self.session.batch("commit").await.unwrap();
        answer
    }

    async fn apply(&self) -> Answer {
        let Self { table, copy, columns, logged, .. } = self;
        let changes = capture::changes(&self.session, self.view, 1_000_000).await.unwrap();
        assert_eq!(changes.len(), 1);
        let log = capture::log_of(self.capture).to_sql();
        let rows = match changes[0].answer {
            Answer::Unchanged => 0,
            Answer::Changed(rows) => {
                let since = capture::snapshot(&self.session, self.view).await.unwrap().unwrap();
                let new = since.is_new("l");
                let sql = format!("insert into {copy} select l.sign, {logged} from {log} l where {new}");
                assert_eq!(self.session.execute(&sql, &[]).await.unwrap(), rows.cast_unsigned());
                rows
            }
            Answer::Reset(_) => {
                let sql = format!("delete from {copy}; insert into {copy} select 1, {columns} from {table}");
                self.session.batch(&sql).await.unwrap();
                0
            }
        };
        assert!(rows >= 0);
        changes[0].answer
    }

    /// Rows by which the copy and the table differ in the snapshot of the transaction.
    async fn differences(&self) -> i64 {
        let Self { table, copy, columns, logged, .. } = self;
        let summed = format!(
            "select {logged}, sum(sign)::int8 as n from {copy} group by {logged} having sum(sign) <> 0"
        );
        let counted = format!(
            "select {logged}, count(*)::int8 as n from (select {columns} from {table}) t group by {logged}"
        );
        let sql = format!(
            "select (select count(*) from (({summed}) except all ({counted})) a)
                  + (select count(*) from (({counted}) except all ({summed})) b)"
        );
        self.session.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// As [`Self::read`], where rows must have been logged, so many if it is told.
    pub(crate) async fn sees(&self, images: i64) {
        assert_eq!(self.read().await, Answer::Changed(images));
    }
}
