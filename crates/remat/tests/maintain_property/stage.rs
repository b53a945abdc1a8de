//! A database on which stories are played at the level of the compiler: no capture, no runs, one transaction each.
//!
//! Law: what a plan says is done as whoever runs it would do it, and compared with the query after every refresh. The
//! clock is the story's own: the function that `now()` means reads a setting.

use std::{cell::Cell, fmt::Write};

use jiff::Timestamp;
use remat_sql::{
    Rejection,
    catalog::{Catalog, QualifiedName},
    ir::quoted,
    maintain::{Plan, Technique, Turn, Types, View},
    read,
};
use remat_testkit::TestDb;
use tokio_postgres::{Client, SimpleQueryMessage, error::SqlState};

use super::{
    catalog,
    compiled::{TypeNames, compiled},
    kind::Fidelity,
    log,
    story::{Story, begin},
};

/// What stories may name.
pub(crate) const COMMON: &str = "
create collation public.nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create function public.close(double precision, double precision) returns boolean language sql immutable as $$
    select case when $1 is null or $2 is null then $1 is null and $2 is null
                when $1 = $2 then true
                when abs($1) in ('infinity', 'nan') or abs($2) in ('infinity', 'nan') then false
                else abs($1 - $2) <= 1e-9 * greatest(abs($1), abs($2), 1) end $$;";

const PREPARE: &str = "
alter function pg_catalog.now() rename to remat_test_now;
create function pg_catalog.now() returns timestamptz language sql stable parallel safe
    as $$ select pg_catalog.current_setting('remat_test.now')::timestamptz $$;
create schema s;";

const SCHEMA: &str = "s";

/// What is rolled back stays in the catalogs, and would slow down every story after it.
const SWEEP: &str = "vacuum pg_class, pg_attribute, pg_type, pg_index, pg_depend, pg_constraint, pg_trigger, pg_rewrite, pg_statistic";

pub(crate) struct Stage {
    _db: TestDb,
    sql: Client,
    /// What the database has before a story begins.
    catalog: Catalog,
    types: TypeNames,
    played: Cell<u32>,
}

/// How a story ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The compiler says that it cannot maintain it.
    Refused(Rejection),
    /// It was maintained by these techniques.
    Maintained {
        techniques: Vec<Technique>,
        /// How many refreshes there were, and how many of them wrote to the public table.
        refreshes: usize,
        writing: usize,
    },
}

/// What went wrong, for a person.
pub(crate) type Fault = String;

impl Stage {
    pub(crate) async fn open() -> Self {
        let db = TestDb::create().await;
        db.execute(COMMON).await;
        db.execute(PREPARE).await;
        db.execute(log::PREPARE).await;
        let sql = db.connect().await;
        sql.batch_execute("set jit = off; set statement_timeout = '20s'; set client_min_messages = error")
            .await
            .unwrap();
        let mut catalog = catalog::read(&sql).await;
        catalog.relations.clear();
        Self { _db: db, sql, catalog, types: TypeNames::default(), played: Cell::new(0) }
    }

    /// Plays a story and leaves nothing behind.
    pub(crate) async fn play(&self, story: &Story) -> Result<Ending, Fault> {
        let ending = self.played(story).await;
        self.run("rollback").await?;
        self.played.set(self.played.get() + 1);
        if self.played.get().is_multiple_of(50) {
            self.run(SWEEP).await?;
        }
        ending
    }

    async fn played(&self, story: &Story) -> Result<Ending, Fault> {
        self.run(&format!(
            "begin isolation level repeatable read; set local search_path = {SCHEMA}, public;
             set local timezone = '{}'; {} {}; create view v as {}",
            story.zone,
            clock(begin()),
            story.tables.join(";"),
            story.query
        ))
        .await?;
        let (printed, relations) = tokio::join!(self.printed(), catalog::relations(&self.sql, SCHEMA));
        let printed = printed?;
        let catalog = Catalog { relations, ..self.catalog.clone() };
        let view = QualifiedName::new(SCHEMA, "v");
        let columns = &catalog.relations.get(&view).ok_or("the catalog lacks the view")?.columns;
        self.run(&format!(
            "create table p as select * from v; alter table p add primary key ({})",
            quoted_list(&story.key)
        ))
        .await?;
        let compiled = match read(&printed, &catalog) {
            Ok(query) => {
                let types = Types::new();
                let view = View { query: &query, catalog: &catalog, columns, key: &story.key, types: &types };
                let compiled = compiled(&self.sql, &self.types, view).await;
                compiled.map_err(|error| told(&error, "the questions of the compiler"))?
            }
            Err(rejection) => Err(rejection),
        };
        match compiled {
            Ok(plan) => self.maintain(story, &plan).await,
            Err(rejection) => self.merge(story, rejection).await,
        }
    }

    /// The query of the view as the server prints it under an empty search path.
    async fn printed(&self) -> Result<String, Fault> {
        let query = "select set_config('search_path', '', true);
                     select pg_get_viewdef('s.v'::regclass);
                     select set_config('search_path', 's, public', true)";
        let rows = self.values(query).await?;
        rows.into_iter().nth(1).flatten().ok_or_else(|| "the view has no query".into())
    }

    async fn maintain(&self, story: &Story, plan: &Plan) -> Result<Ending, Fault> {
        let mut turn = Turn {
            public: "s.p".into(),
            hidden: (0..plan.hidden.len()).map(|n| format!("s.h{n}")).collect(),
            changes: vec![None; plan.sources.len()],
            since: constant(begin()),
        };
        self.run(&log::create(&plan.sources)).await?;
        for statement in plan.create(&turn).iter().chain(&plan.fill(&turn)) {
            self.run(statement).await?;
        }
        let (mut refreshes, mut writing) = (0, 0);
        for moment in &story.moments {
            self.run(&format!("{};{}", moment.work.join(";"), clock(moment.now))).await?;
            let told = self.values(&log::ask(&plan.sources)).await?.into_iter().flatten().collect::<String>();
            if told.starts_with('t') {
                self.fill(plan, &turn).await?;
            } else {
                let changed = told.chars().skip(1).zip(&plan.sources);
                turn.changes = changed
                    .map(|(changed, source)| (changed == 't').then(|| log::changes(SCHEMA, source)))
                    .collect();
                if let Some(written) = self.refresh(plan, &turn).await? {
                    refreshes += 1;
                    writing += usize::from(written > 0);
                }
            }
            if let Some(differs) = self.differs(story, plan, &turn).await? {
                return Err(format!("at {}: {differs}\n{}", moment.now, statements(plan, &turn)));
            }
            self.run(&log::clear(&plan.sources)).await?;
            turn.since = constant(moment.now);
        }
        Ok(Ending::Maintained {
            techniques: plan.stages.iter().map(remat_sql::maintain::Stage::technique).collect(),
            refreshes,
            writing,
        })
    }

    /// Everything anew, as after a gap in a log.
    async fn fill(&self, plan: &Plan, turn: &Turn) -> Result<(), Fault> {
        for statement in plan.fill(turn) {
            self.run(&statement).await?;
        }
        self.run("delete from s.p; insert into s.p select * from s.v").await
    }

    /// How many rows it wrote; none if there was nothing to do.
    async fn refresh(&self, plan: &Plan, turn: &Turn) -> Result<Option<i64>, Fault> {
        let changed = turn.changes.iter().any(Option::is_some);
        let crossed = match plan.crossing(turn) {
            Some(condition) if !changed => {
                let query = format!("select coalesce({condition}, false)");
                self.values(&query).await?.into_iter().flatten().any(|value| value == "t")
            }
            _ => false,
        };
        if !changed && !crossed {
            return Ok(None);
        }
        let statements = plan.refresh(turn);
        let (last, first) = statements.split_last().ok_or("a plan without stages")?;
        for statement in first {
            self.run(statement).await?;
        }
        let row = self.sql.query_one(last.as_str(), &[]).await.map_err(|error| told(&error, last))?;
        let counts: Vec<i64> = row.try_get(0).map_err(|error| format!("{error} in: {last}"))?;
        let [before, after, deleted, updated, inserted] = counts[..] else {
            return Err(format!("{counts:?} from: {last}"));
        };
        if after != before - deleted + inserted {
            return Err(format!("the counts are {counts:?}, so a key stands twice\n{last}"));
        }
        Ok(Some(deleted + updated + inserted))
    }

    /// For a view that is not maintained: whether the story itself is sound.
    async fn merge(&self, story: &Story, rejection: Rejection) -> Result<Ending, Fault> {
        let key = quoted_list(&story.key);
        for moment in &story.moments {
            let none = format!("select from s.v group by {key} having count(*) > 1 or num_nulls({key}) > 0");
            let script = format!("{};{} select exists ({none})", moment.work.join(";"), clock(moment.now));
            if self.values(&script).await?.into_iter().flatten().any(|value| value == "t") {
                return Err("the story is wrong: its key is none".into());
            }
        }
        Ok(Ending::Refused(rejection))
    }

    /// How the public table differs from the view, and which hidden table from its query.
    async fn differs(&self, story: &Story, plan: &Plan, turn: &Turn) -> Result<Option<String>, Fault> {
        let mut found = differs(&self.sql, story, ["s.p", "s.v"]).await?.unwrap_or_default();
        for (n, (name, query)) in plan.held(turn).enumerate() {
            let count = format!(
                "with e as materialized ({query}), a as materialized (select * from {name})
                 select (select count(*) from (select * from e except all select * from a) d)
                      + (select count(*) from (select * from a except all select * from e) d)"
            );
            let wrong: i64 =
                self.sql.query_one(&count, &[]).await.map_err(|error| told(&error, &count))?.get(0);
            if wrong > 0 {
                let _ = write!(found, "\nhidden table {n}: {wrong} wrong rows");
            }
        }
        Ok((!found.is_empty()).then_some(found))
    }

    async fn values(&self, script: &str) -> Result<Vec<Option<String>>, Fault> {
        values(&self.sql, script).await
    }

    async fn run(&self, script: &str) -> Result<(), Fault> {
        self.sql.batch_execute(script).await.map_err(|error| told(&error, script))
    }
}

/// How a table differs from a view, as far as right answers may not.
pub(crate) async fn differs(
    sql: &Client,
    story: &Story,
    [table, view]: [&str; 2],
) -> Result<Option<String>, Fault> {
    let on: Vec<_> = story.key.iter().map(|name| format!("p.{0} = v.{0}", quoted(name))).collect();
    let columns = story.columns.iter().map(|(name, fidelity)| (quoted(name), fidelity));
    let same = columns.map(|(name, fidelity)| match fidelity {
        Fidelity::Exact => {
            format!("(p.{name}::text collate \"C\") is not distinct from (v.{name}::text collate \"C\")")
        }
        Fidelity::Equal => format!("p.{name} is not distinct from v.{name}"),
        Fidelity::Approximate => format!("close(p.{name}::double precision, v.{name}::double precision)"),
    });
    let query = format!(
        "with v as materialized (select * from {view}),
              d as (select format('%s  should be  %s', p, v) as told from {table} p full join v on {}
                     where (p is null) or (v is null) or not ({}) limit 8)
         select (select count(*) from {table}) || ' rows should be ' || (select count(*) from v) || E'\\n' ||
                coalesce((select string_agg(told, E'\\n') from d), '')
          where (select count(*) from {table}) <> (select count(*) from v) or exists (select from d)",
        on.join(" and "),
        same.collect::<Vec<_>>().join(" and ")
    );
    Ok(values(sql, &query).await?.into_iter().flatten().next())
}

/// The first column of all rows, as text.
async fn values(sql: &Client, script: &str) -> Result<Vec<Option<String>>, Fault> {
    let messages = sql.simple_query(script).await.map_err(|error| told(&error, script))?;
    let value = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(value).collect())
}

/// The statement that sets the clock.
fn clock(now: Timestamp) -> String {
    format!("set local remat_test.now = '{now}';")
}

fn quoted_list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn constant(time: Timestamp) -> String {
    format!("'{time}'::timestamptz")
}

fn statements(plan: &Plan, turn: &Turn) -> String {
    let titles = plan.stages.iter().map(|stage| format!("{}: {}", stage.technique(), stage.title()));
    let of = plan.refresh(turn);
    let fills = plan.fill(turn);
    let fills =
        fills.iter().filter(|fill| fill.starts_with("insert")).map(|fill| format!("-- {}", quoted(fill)));
    let stages = titles.zip(&of).map(|(title, statement)| format!("-- {title}\n{statement}"));
    fills.chain(stages).collect::<Vec<_>>().join("\n")
}

fn told(error: &tokio_postgres::Error, script: &str) -> Fault {
    let Some(db) = error.as_db_error() else { return format!("{error}\nin: {script}") };
    let slow = if *db.code() == SqlState::QUERY_CANCELED { " (too slow)" } else { "" };
    format!("{} ({}){slow} {}\nin: {script}", db.message(), db.code().code(), db.detail().unwrap_or_default())
}
