//! The reader of the catalog, on real databases.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/compiler/catalog.rs"]
mod whole_catalog;

use std::{fs, path::Path};

use remat_sql::{Rejection, ir};
use remat_testkit::TestDb;
use tokio_postgres::Client;

use super::{
    Planned, PlannedSource, fingerprint,
    planned::compiled,
    read::{self, Reading},
};
use crate::{
    Remat,
    name::{Identifier, RelationName},
    operation::CreateOptions,
    pg::{Session, Target, catalog::relation_by_oid},
    view::{Definition, Strategy, View},
};

const TPCH_SCHEMA: &str = include_str!("../../tests/compiler/tpch_schema.sql");
const TPCH: &str = include_str!("../../tests/compiler/tpch.sql");

struct Door {
    db: TestDb,
    remat: Remat,
    sql: Client,
    session: Session,
}

impl Door {
    async fn open(script: &str) -> Self {
        let db = TestDb::create().await;
        let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
        remat.migrate().await.unwrap();
        db.execute(script).await;
        let (sql, session) = (db.connect().await, remat.session().await.unwrap());
        Self { db, remat, sql, session }
    }

    /// What is told about the query of a relation in schema `public`, and its text.
    async fn read(&self, name: &str) -> (String, Result<Reading, Rejection>) {
        let name = RelationName::new("public", name).unwrap();
        self.session.batch("begin").await.unwrap();
        let oid = self.db.query_one_i64(&format!("'{}'::regclass::oid", name.to_sql())).await;
        let oid = u32::try_from(oid).unwrap();
        let facts = read::full_names(&self.session, async || read::facts(&self.session, &name, oid).await);
        let facts = facts.await.unwrap().unwrap();
        self.session.batch("commit").await.unwrap();
        let text = facts.root().unwrap().query.clone().unwrap();
        let reading = facts.read(&text, oid);
        (text, reading)
    }

    async fn read_query(&self, query: &str) -> (String, Result<Reading, Rejection>) {
        self.db.execute(&format!("drop view if exists asked; create view asked as {query}")).await;
        self.read("asked").await
    }

    /// A managed table with this query, and the key `k`.
    async fn managed(&self, query: &str) -> View {
        let name = RelationName::new("public", "kept").unwrap();
        let key = vec![Identifier::new("k").unwrap()];
        let definition = Definition { strategy: Strategy::Merge, key, ..Definition::new(name, query) };
        let view = self.remat.define(&definition).await.unwrap();
        self.remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
        self.remat.views().await.unwrap().into_iter().find(|one| one.id == view.id).unwrap()
    }

    /// The query is read as the server means it: told by a small catalog as by the whole one.
    async fn same(&self, name: &str, query: &str) {
        let (text, reading) = self.read_query(query).await;
        let reading = reading.unwrap_or_else(|refused| panic!("{name}: {refused:?}\nin: {text}"));
        let whole = whole_catalog::read(&self.sql).await;
        assert_eq!(reading.query, remat_sql::read(&text, &whole).unwrap(), "{name}");
        for (relation, known) in &reading.catalog.relations {
            assert_eq!(Some(known), whole.relations.get(relation), "{name}");
        }
        for (function, overloads) in &reading.catalog.aggregates {
            assert_eq!(Some(overloads), whole.aggregates.get(function), "{name}");
        }
    }

    /// The rows of a relation and those of its query with plain views expanded.
    async fn expands(&self, name: &str) -> Reading {
        let (text, reading) = self.read(name).await;
        let reading = reading.unwrap_or_else(|refused| panic!("{name}: {refused:?}\nin: {text}"));
        let expanded = ir::sql(&reading.query);
        for (one, other) in [(name, &*format!("({expanded}) q")), (&*format!("({expanded}) q"), name)] {
            let compare =
                format!("select count(*) from (select * from {one} except all select * from {other}) d");
            let rows: i64 = self.sql.query_one(&compare, &[]).await.unwrap().get(0);
            assert_eq!(rows, 0, "{expanded}");
        }
        assert!(self.db.query_one_i64(&format!("select count(*) from {name}")).await > 0, "{name} has rows");
        reading
    }
}

fn skyflow(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/skyflow").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: std::path::PathBuf| (path.display().to_string(), fs::read_to_string(&path).unwrap());
    files.into_iter().map(read).collect()
}

#[tokio::test]
async fn what_the_views_of_the_example_name_is_enough_to_read_them() {
    let schema: String = skyflow("schema").into_iter().map(|(_, script)| script).collect();
    let door = Door::open(&schema).await;
    let views = skyflow("views");
    assert_eq!(views.len(), 9);
    for (name, text) in &views {
        door.same(name, remat_sql::leading_comment(text).unwrap().1).await;
    }
}

#[tokio::test]
async fn what_the_queries_of_tpch_name_is_enough_to_read_them() {
    let door = Door::open(TPCH_SCHEMA).await;
    door.db.execute(&format!("alter database \"{}\" set search_path = public, tpch", door.db.name())).await;
    let texts: Vec<_> = TPCH.trim().split("\n\n").collect();
    assert_eq!(texts.len(), 22);
    for text in texts {
        let (name, query) = text.split_once('\n').unwrap();
        door.same(name, query).await;
    }
}

const SALES: &str = "
create table users (id int primary key, name text not null, country text);
create table sales (id int primary key, user_id int not null, cents int, at timestamptz not null);
insert into users select n, 'user ' || n, (array['DE', 'FR', null])[1 + n % 3] from generate_series(1, 30) n;
insert into sales select n, 1 + n % 37, n % 11, now() - n * interval '1 hour' from generate_series(1, 300) n;
";

const STACKED: &str = "
create view totals as select s.user_id, sum(s.cents) as cents, count(*) as n from sales s group by s.user_id;
create view renamed (who, value) as select s.user_id, s.cents from sales s;
alter view renamed rename column value to amount;
create view listed (letter, number) as values ('a', 1), ('b', 2), ('c', null);
create view recent as with s as (select * from sales where at > now() - interval '5 days') select * from s;
create view both_sides as select user_id as k from sales union all select id from users;
create view firsts as select distinct on (s.user_id) s.* from sales s order by s.user_id, s.at desc;
create view top as select t.user_id, t.cents from totals t order by t.cents desc, t.user_id limit 10;
create view barred with (security_barrier) as select * from users where country is not null;

create view by_joins as
  select u.name, t.cents, t.n, x.n as others
  from   users u join totals t on t.user_id = u.id left join totals x on x.user_id = u.id + 1;
create view by_names as select s.who, sum(s.amount) as amount from renamed s group by s.who;
create view by_values as select l.letter, l.number, (select count(*) from sales s where s.cents = l.number) from listed l;
create view by_cte as
  with s as (select * from recent) select s.user_id, count(*), max(t.cents) from s join recent t using (user_id) group by 1;
create view by_sublinks as
  select s.id from sales s
  where  exists (select from totals t where t.user_id = s.user_id and t.n > 5) and s.user_id in (select k from both_sides)
  and    s.id <> all (select firsts.id from firsts);
create view by_lateral as
  select u.id, l.cents from users u cross join lateral (select t.cents from top t where t.user_id = u.id) l;
create view by_sets as select k from both_sides except select user_id from top;
create view by_barrier as select b.id, f.id as sale from barred b left join firsts f on f.user_id = b.id;
create view by_renaming as select v.x, v.y from renamed v (x, y);
create view by_using as select * from totals join top using (user_id, cents);
";

#[tokio::test]
async fn a_query_over_views_gives_the_same_rows_with_the_views_expanded() {
    let door = Door::open(&format!("{SALES}{STACKED}")).await;
    let over =
        ["joins", "names", "values", "cte", "sublinks", "lateral", "sets", "barrier", "renaming", "using"];
    for name in over.map(|name| format!("by_{name}")) {
        let reading = door.expands(&name).await;
        let read: Vec<_> =
            reading.query.occurrences().into_iter().map(|one| one.relation.name.clone()).collect();
        assert!(read.iter().all(|name| ["sales", "users"].contains(&&**name)), "{name} reads {read:?}");
    }
}

#[tokio::test]
async fn no_alias_of_an_expanded_view_is_that_of_a_query_around_it() {
    let door = Door::open(&format!("{SALES}{STACKED}")).await;
    let reading = door.expands("by_cte").await;
    let mut seen = Vec::new();
    reading.query.each_query(&mut Vec::new(), &mut |_, query| {
        seen.extend(query.with.iter().map(|cte| cte.name.clone()));
    });
    seen.sort();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all, "{}", ir::sql(&reading.query));
}

/// A name for what is refused, its code, what is made before, and the query.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("a materialized view", "R023", "create materialized view kept as select 1 as a", "select * from kept"),
    (
        "a foreign table",
        "R023",
        "create foreign data wrapper far; create server far foreign data wrapper far; create foreign table f (a int) server far",
        "select * from f",
    ),
    ("an unlogged table", "R023", "create unlogged table loose (a int)", "select * from loose"),
    ("a catalog of the server", "R023", "", "select relname from pg_class"),
    ("a system view", "R023", "", "select pid from pg_stat_activity"),
    ("the information schema", "R023", "", "select table_name from information_schema.tables"),
    ("a sequence", "R023", "create sequence counter", "select last_value from counter"),
    (
        "a table with row security",
        "R023",
        "create table guarded (a int); alter table guarded enable row level security",
        "select * from guarded",
    ),
    (
        "a child",
        "R023",
        "create table parent (a int); create table child () inherits (parent)",
        "select * from child",
    ),
    ("its parent", "R023", "", "select * from parent"),
    (
        "a partition",
        "R023",
        "create table parted (a int) partition by list (a); create table part partition of parted for values in (1)",
        "select * from part",
    ),
    (
        "a table with an unlogged partition",
        "R023",
        "create unlogged table loose_part partition of parted for values in (2)",
        "select * from parted",
    ),
    (
        "a view of another owner",
        "R023",
        "create role {role}; create view theirs as select id from users; alter view theirs owner to {role}",
        "select * from theirs",
    ),
    (
        "a table below a view",
        "R023",
        "create view over_child as select * from child",
        "select * from over_child",
    ),
    ("random", "R024", "", "select id, random() from users"),
    ("a new uuid", "R024", "", "select id, gen_random_uuid() from users"),
    ("a setting", "R024", "", "select id, current_setting('application_name') from users"),
    ("the user", "R024", "", "select id, current_user from users"),
    ("a name of an object", "R024", "", "select id, tableoid::regclass::text as t from users"),
    ("a hidden clock", "R024", "", "select id from sales where at > 'yesterday'::text::timestamptz"),
    ("the offset of today", "R024", "", "select id, '10:00'::time::timetz from users where random() is null"),
    (
        "a stable function",
        "R024",
        "create function hidden() returns timestamptz stable language sql as 'select now()'",
        "select id from sales where at > hidden()",
    ),
    (
        "a volatile function",
        "R024",
        "create function loud(int) returns int language sql as 'select $1'",
        "select loud(id) from users",
    ),
    (
        "a volatile function below a view",
        "R024",
        "create view louder as select loud(id) as l from users",
        "select * from louder",
    ),
    (
        "an operator of a stable function",
        "R024",
        "create function near(int, int) returns bool stable language sql as 'select $1 - $2 < 3';
         create operator ~~~ (function = near, leftarg = int, rightarg = int)",
        "select id from users where id ~~~ 7",
    ),
    (
        "an aggregate of a volatile function",
        "R024",
        "create function keep(int, int) returns int language sql as 'select $2'; create aggregate kept_last (int) (sfunc = keep, stype = int)",
        "select kept_last(id) from users",
    ),
    ("a text search without its configuration", "R024", "", "select id, to_tsvector(name) from users"),
    (
        "a recursive query",
        "R009",
        "",
        "with recursive r as (select 1 as n union select n + 1 from r where n < 3) select * from r",
    ),
    (
        "the row of a view",
        "R020",
        "create view one as select id from users",
        "select to_jsonb(one) as doc from one",
    ),
];

#[tokio::test]
async fn what_cannot_be_followed_is_refused_with_its_code_and_what_to_do() {
    let door = Door::open(SALES).await;
    let role = door.db.create_role("other").await;
    door.db.execute(&format!("drop role \"{role}\"")).await;
    for (name, code, before, query) in REFUSED {
        door.db.execute(&before.replace("{role}", &format!("\"{role}\""))).await;
        let (text, reading) = door.read_query(query).await;
        let refused = reading.err().unwrap_or_else(|| panic!("{name} is not refused: {text}"));
        assert_eq!(refused.code.as_str(), *code, "{name}: {refused:?}");
        assert!(
            !refused.construct.is_empty() && !refused.reason.is_empty() && refused.hint.is_some(),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_says_where_the_query_names_what_it_refuses() {
    let door = Door::open(SALES).await;
    let (text, reading) = door.read_query("select id,\n random() as r from users").await;
    let refused = reading.unwrap_err();
    assert_eq!(&text[refused.span.clone()], "random");
    assert_eq!(refused.construct, "random()");
    let (text, reading) = door.read_query("select u.id, c.relname from users u, pg_class c").await;
    let refused = reading.unwrap_err();
    assert_eq!(&text[refused.span], "pg_class");
    assert_eq!(refused.construct, "table \"pg_catalog.pg_class\"");
}

const ALLOWED: &[&str] = &[
    "select at::date as day, to_char(at, 'YYYY-MM') as month, date_trunc('week', at) as week, at at time zone 'UTC' as u from sales",
    "select id from sales where at > now() - interval '1 day' and at < current_date",
    "select name::timestamptz as t, format('%s', id) as f, concat(id, name) as c, to_jsonb(id) as j from users",
    "select jsonb_agg(id) as ids, json_object_agg(name, id) as o, string_agg(name, ',' order by id) as s from users",
    "select double(id) as d, id + 1 as e, mine(id) over () as m from users",
    "select to_tsvector('english', name) as v, upper(name) as u, extract(epoch from age(now())) as a from users",
];

#[tokio::test]
async fn a_function_that_pinned_settings_or_its_arguments_settle_is_allowed() {
    let door = Door::open(&format!(
        "{SALES}; create function double(int) returns int immutable language sql as 'select $1 * 2';
         create function keep(int, int) returns int immutable language sql as 'select $2';
         create aggregate mine (int) (sfunc = keep, stype = int)"
    ))
    .await;
    for query in ALLOWED {
        let (text, reading) = door.read_query(query).await;
        reading.unwrap_or_else(|refused| panic!("{refused:?}\nin: {text}"));
    }
}

#[tokio::test]
async fn a_view_of_the_same_owner_or_with_the_rights_of_its_reader_is_expanded() {
    let door =
        Door::open(&format!("{SALES}; create view lent with (security_invoker) as select id from users"))
            .await;
    let role = door.db.create_role("lender").await;
    door.db.execute(&format!("alter view lent owner to \"{role}\"")).await;
    let (_, reading) = door.read_query("select id from lent").await;
    assert_eq!(reading.unwrap().query.occurrences()[0].relation.name, "users");
}

#[tokio::test]
async fn a_key_tells_whether_null_counts_as_a_value() {
    let door = Door::open(
        "create table t (a int, b int not null, c int);
         create unique index on t (a) nulls not distinct; create unique index on t (b) include (c);
         create unique index on t (c) where c > 0; create unique index on t ((a + b));
         alter table t add unique (a, b) deferrable",
    )
    .await;
    let (_, reading) = door.read_query("select a, b from t").await;
    let reading = reading.unwrap();
    let relation = reading.catalog.relations.values().next().unwrap();
    let keys: Vec<_> = relation.keys.iter().map(|key| (key.columns.join(" "), key.nulls_distinct)).collect();
    assert_eq!(keys, [("a".into(), false), ("b".into(), true)]);
    assert_eq!(
        relation.columns.iter().map(|column| column.not_null).collect::<Vec<_>>(),
        [false, true, false]
    );
}

#[tokio::test]
async fn a_fingerprint_changes_with_what_a_plan_was_made_from_and_with_nothing_else() {
    let door = Door::open(&format!(
        "{SALES}; create function double(int) returns int immutable language sql as 'select $1 * 2';
         create view named as select id, double(id) as d, name from users; create unique index named_once on users (name)"
    ))
    .await;
    let query = "select n.id as k, n.d, n.name, count(s.id) as n from named n left join sales s on s.user_id = n.id group by 1, 2, 3";
    let mut view = door.managed(query).await;
    let mut last = fingerprint(&door.session, &view).await.unwrap();
    assert!(!last.is_empty());
    let same = [
        "analyze",
        "insert into users values (99, 'one')",
        "vacuum users",
        "set time zone 'Asia/Tokyo'",
        "create table elsewhere (a int)",
        "create index on sales (user_id)",
        "create function noted() returns trigger language plpgsql as 'begin return null; end';
         create trigger noted after insert on users for each statement execute function noted()",
        "comment on table users is 'people'",
        "grant select on users to public",
    ];
    for script in same {
        door.db.execute(script).await;
        assert_eq!(fingerprint(&door.session, &view).await.unwrap(), last, "{script}");
    }
    let other = [
        "alter table users rename column country to land",
        "delete from users where land is null; alter table users alter land set not null",
        "alter table users add born date",
        "alter table sales rename to sold",
        "drop index named_once",
        "create or replace view named as select id, double(id) as d, upper(name) as name from users",
        "create or replace function double(int) returns int immutable language sql as 'select $1 + $1'",
        "create or replace function double(int) returns int volatile language sql as 'select $1 + $1'",
        "alter table sold enable row level security",
        "create table child () inherits (sold)",
        "alter view named set (security_invoker)",
        "create schema apart; alter table users set schema apart",
    ];
    for script in other {
        door.db.execute(script).await;
        let now = fingerprint(&door.session, &view).await.unwrap();
        assert_ne!(now, last, "{script}");
        last = now;
    }
    view.definition.key.push(Identifier::new("n").unwrap());
    assert_ne!(fingerprint(&door.session, &view).await.unwrap(), last, "another key");
}

#[tokio::test]
async fn a_view_is_compiled_from_the_query_of_its_table_and_its_session_keeps_its_path() {
    let door = Door::open(SALES).await;
    let view = door.managed("select user_id as k, count(*) as n from sales group by user_id").await;
    let relation =
        relation_by_oid(&door.session, view.relation.as_ref().unwrap().oid).await.unwrap().unwrap();
    door.session.batch("begin; set local search_path = public, pg_temp").await.unwrap();
    let compiled = compiled(&door.session, &view, &relation).await.unwrap();
    let plan = compiled.outcome.as_ref().unwrap_or_else(|refused| panic!("{refused:?}")).0.clone();
    let path = door.session.query_one("select current_setting('search_path')", &[]).await.unwrap();
    assert_eq!(path.get::<_, &str>(0), "public, pg_temp");
    assert!(compiled.text.contains("public.sales"), "{}", compiled.text);
    let sales = u32::try_from(door.db.query_one_i64("'sales'::regclass::oid").await).unwrap();
    assert_eq!(plan.sources, [PlannedSource { oid: sales, columns: vec![("user_id".into(), 2)] }]);
    assert_eq!(plan.fingerprint, fingerprint(&door.session, &view).await.unwrap());
    let kept: Planned = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(kept, plan, "a plan is kept in the database");
}

#[tokio::test]
async fn the_types_that_the_compiler_asks_for_are_told_and_nothing_is_run_for_that() {
    let door = Door::open(&format!(
        "{SALES}; create function counted(int) returns int immutable language sql as 'select $1';
         create table prices (id int primary key, price numeric(12, 2) not null, at timestamptz not null)"
    ))
    .await;
    let query = "select date_trunc('day', p.at) as k, sum(p.price) as total, max(counted(p.id)) as highest,
                   min(counted(7)) as lowest from prices p group by 1";
    let view = door.managed(query).await;
    let relation =
        relation_by_oid(&door.session, view.relation.as_ref().unwrap().oid).await.unwrap().unwrap();
    door.session.batch("begin").await.unwrap();
    let compiled = compiled(&door.session, &view, &relation).await.unwrap();
    compiled.outcome.unwrap_or_else(|refused| panic!("{refused:?}"));
    door.session.batch("commit").await.unwrap();
}
