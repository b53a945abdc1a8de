//! A database whose tables are logged, and views that follow them.

use remat_sql::{
    Rejection,
    catalog::{Catalog, Column},
    maintain::{Plan, Turn, View},
    read,
};
use remat_testkit::TestDb;
use tokio_postgres::Client;

use crate::catalog;

/// A table of changes beside each table, filled by statement triggers.
const LOG: &str = "
create schema log;
do $$
declare own record;
begin
  for own in select n.nspname, c.relname, c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
              where n.nspname in ('shop', 'tpch') and c.relkind = 'r' loop
    execute format('create table log.%I as select 1 as remat_w, * from %I.%I with no data', own.relname, own.nspname, own.relname);
    execute format('create function log.%I() returns trigger language plpgsql as $f$
      begin
        if tg_op <> ''INSERT'' then insert into log.%I select -1, * from old_rows; end if;
        if tg_op <> ''DELETE'' then insert into log.%I select 1, * from new_rows; end if;
        return null;
      end $f$', own.relname, own.relname, own.relname);
    execute format('create function log.%I() returns trigger language plpgsql as $f$
      begin insert into log.%I select 1, * from new_rows; return null; end $f$', own.relname || '_i', own.relname);
    execute format('create function log.%I() returns trigger language plpgsql as $f$
      begin insert into log.%I select -1, * from old_rows; return null; end $f$', own.relname || '_d', own.relname);
    execute format('create trigger log_i after insert on %I.%I referencing new table as new_rows
      for each statement execute function log.%I()', own.nspname, own.relname, own.relname || '_i');
    execute format('create trigger log_d after delete on %I.%I referencing old table as old_rows
      for each statement execute function log.%I()', own.nspname, own.relname, own.relname || '_d');
    execute format('create trigger log_u after update on %I.%I referencing old table as old_rows new table as new_rows
      for each statement execute function log.%I()', own.nspname, own.relname, own.relname);
  end loop;
end $$;
create schema kept;";

pub(crate) struct World {
    _db: TestDb,
    pub(crate) sql: Client,
    pub(crate) catalog: Catalog,
}

/// A view that is kept in a table.
pub(crate) struct Kept {
    pub(crate) name: String,
    /// The query as it was written.
    pub(crate) text: String,
    key: String,
    pub(crate) plan: Plan,
}

/// What one refresh did.
pub(crate) struct Done {
    /// The rows in reach before.
    pub(crate) reach: i64,
    /// All rows after.
    pub(crate) rows: i64,
    /// What is wrong, if anything.
    pub(crate) wrong: Option<String>,
}

impl World {
    pub(crate) async fn open(scripts: &[&str]) -> Self {
        let db = TestDb::create().await;
        for script in scripts.iter().chain(&[LOG]) {
            db.execute(script).await;
        }
        let sql = db.connect().await;
        let catalog = catalog::read(&sql).await;
        Self { _db: db, sql, catalog }
    }

    pub(crate) async fn run(&self, script: &str) {
        self.sql.batch_execute(script).await.unwrap_or_else(|error| panic!("{error:?}\nin: {script}"));
    }

    pub(crate) async fn text(&self, query: &str) -> String {
        let row = self.sql.query_one(query, &[]).await;
        row.unwrap_or_else(|error| panic!("{error:?}\nin: {query}")).get(0)
    }

    /// Plans a view; its table stands empty.
    pub(crate) async fn keep(
        &self,
        name: &str,
        text: &str,
        key: &str,
        plan: fn(View<'_>) -> Result<Plan, Rejection>,
    ) -> Result<Kept, Rejection> {
        let plan = self.with_view(name, text, key, plan).await?;
        Ok(Kept { name: name.to_owned(), text: text.to_owned(), key: key.to_owned(), plan })
    }

    /// Makes the table of a view, empty, and gives what the compiler is told of it to `work`.
    pub(crate) async fn with_view<T>(
        &self,
        name: &str,
        text: &str,
        key: &str,
        work: impl FnOnce(View<'_>) -> T,
    ) -> T {
        self.run(&format!(
            "create view public.remat_test as {text}; drop table if exists kept.\"{name}\";
             create table kept.\"{name}\" as {text} with no data"
        ))
        .await;
        self.run("set search_path = ''").await;
        let printed = self.text("select pg_get_viewdef('public.remat_test'::regclass)").await;
        self.run("reset search_path; drop view public.remat_test").await;
        self.run(&format!("alter table kept.\"{name}\" add primary key ({key})")).await;
        let columns = self
            .sql
            .query(
                "select attname::text, format_type(atttypid, atttypmod), attnotnull from pg_attribute
                  where attrelid = format('kept.%I', $1::text)::regclass and attnum > 0 order by attnum",
                &[&name],
            )
            .await
            .unwrap();
        let column = |row: &tokio_postgres::Row| Column {
            name: row.get(0),
            type_name: row.get(1),
            not_null: row.get(2),
        };
        let columns: Vec<Column> = columns.iter().map(column).collect();
        let keys: Vec<String> = key.split(", ").map(|name| name.trim_matches('"').to_owned()).collect();
        let query = read(&printed, &self.catalog)
            .unwrap_or_else(|rejection| panic!("{name}: {rejection:?}\nin: {printed}"));
        work(View {
            query: &query,
            catalog: &self.catalog,
            columns: &columns,
            key: &keys,
            types: &remat_sql::maintain::Types::new(),
        })
    }

    /// The types of a query's columns.
    pub(crate) async fn types(&self, query: &str) -> Vec<String> {
        let statement = self.sql.prepare(query).await.unwrap();
        let mut types = Vec::new();
        for column in statement.columns() {
            let name = format!("select format_type({}, null)", column.type_().oid());
            types.push(self.text(&name).await);
        }
        types
    }

    /// Fills a view's table as the query was at a time.
    pub(crate) async fn fill(&self, kept: &Kept, since: &str) {
        let name = &kept.name;
        let text = as_of(&kept.text, since);
        self.run(&format!(
            "truncate kept.\"{name}\"; insert into kept.\"{name}\" {text}; analyze kept.\"{name}\""
        ))
        .await;
    }

    /// Empties the logs.
    pub(crate) async fn forget(&self) {
        let tables =
            "select coalesce(string_agg(format('truncate log.%I', c.relname), ';'), '') from pg_class c
             where relnamespace = 'log'::regnamespace and relkind = 'r'";
        let script = self.text(tables).await;
        self.run(&script).await;
    }

    /// What differs in this turn.
    pub(crate) async fn turn(&self, kept: &Kept, since: &str) -> Turn {
        let mut changes = Vec::new();
        for source in &kept.plan.sources {
            let log = format!("log.\"{}\"", source.relation.name);
            let is_empty =
                self.text(&format!("select (not exists (select from {log}))::text")).await == "true";
            let columns: Vec<String> = source.columns.iter().map(|name| format!("\"{name}\"")).collect();
            let columns = [vec!["remat_w".to_owned()], columns].concat().join(", ");
            changes.push((!is_empty).then(|| format!("(select {columns} from {log})")));
        }
        let public = format!("kept.\"{}\"", kept.name);
        Turn { public, hidden: Vec::new(), changes, since: format!("'{since}'::timestamptz") }
    }

    /// Refreshes a view and compares it with its query, in one snapshot.
    pub(crate) async fn refresh(&self, kept: &Kept, since: &str) -> Done {
        let turn = self.turn(kept, since).await;
        self.run("begin isolation level repeatable read").await;
        let done = self.refresh_within(kept, &turn).await;
        let end = if done.wrong.is_some() { "rollback" } else { "commit" };
        self.run(end).await;
        done
    }

    async fn refresh_within(&self, kept: &Kept, turn: &Turn) -> Done {
        let failed =
            |wrong: String| Done { reach: 0, rows: 0, wrong: Some(format!("{}: {wrong}", kept.name)) };
        let mut counts: Vec<i64> = Vec::new();
        for statement in kept.plan.refresh(turn) {
            match self.sql.query_one(&statement, &[]).await {
                Ok(row) => counts = row.get(0),
                Err(error) => return failed(format!("{error:?}\nin: {statement}")),
            }
        }
        let (name, text) = (&kept.name, &kept.text);
        let differs = format!(
            "select coalesce(string_agg(side || d::text, E'\\n'), '') from (
               (select 'too much ' as side, q from (select * from kept.\"{name}\" except all ({text})) q)
               union all
               (select 'missing ' as side, q from (({text}) except all select * from kept.\"{name}\") q)) d"
        );
        let differs = self.text(&differs).await;
        if !differs.is_empty() {
            return failed(format!("{counts:?}\n{differs}\nby: {}", kept.plan.refresh(turn).join(";\n")));
        }
        if counts[1] != counts[0] - counts[2] + counts[4] {
            return failed(format!("counts {counts:?}"));
        }
        let rows = self.text(&format!("select count(*)::text from kept.\"{name}\"")).await.parse().unwrap();
        Done { reach: counts[0], rows, wrong: None }
    }
}

impl Kept {
    pub(crate) fn asks_the_clock(&self) -> bool {
        self.text.contains("now()") || self.text.contains("current_date")
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// A query as it was at a time.
fn as_of(text: &str, since: &str) -> String {
    let then = format!("('{since}'::timestamptz)");
    text.replace("now()", &then).replace("current_date", &format!("({then}::date)"))
}
