//! Many writers, and views of every technique that are right at each of their states.
//!
//! Law: after each refresh the view is compared with its query *as of the snapshot of its state*: each table as it is now,
//! less what its log has since then, in one snapshot with the view. So nobody has to stand still to be compared.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use remat::{
    Remat,
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    pg::Target,
    view::{Definition, Strategy, View},
};
use remat_testkit::TestDb;
use tokio::{sync::watch, task::JoinSet};
use tokio_postgres::Client;

const TABLES: &str = "
create table users (id int primary key, region int);
create table orders (id bigint generated always as identity primary key, user_id int, cents int not null, amount numeric, note text);
insert into users select g, g % 7 from generate_series(1, 60) g;
insert into orders (user_id, cents, amount, note)
select g % 60, g % 100, (g % 50)::numeric / 4, 'n' || g % 9 from generate_series(1, 2000) g;
create schema past;";

/// Name, key and query; the names of tables are without a schema, so that the query can be asked of another time.
const VIEWS: [(&str, &[&str], &str); 7] = [
    (
        "sums",
        &["k"],
        "select coalesce(user_id, -1) as k, count(*) as n, sum(cents) as cents, sum(amount) as amount, min(cents) as least from orders group by coalesce(user_id, -1)",
    ),
    (
        "regions",
        &["k"],
        "select coalesce(u.region, -1) as k, count(*) as n, sum(o.cents) as cents, count(distinct o.note) as notes from orders o join users u on u.id = o.user_id group by coalesce(u.region, -1)",
    ),
    (
        "people",
        &["id"],
        "select u.id, u.region, count(o.id) as n, string_agg(o.note, ',' order by o.id) as notes from users u left join orders o on o.user_id = u.id group by u.id, u.region",
    ),
    (
        "rows",
        &["id"],
        "select o.id, o.cents, o.note, u.region from orders o join users u on u.id = o.user_id where o.cents > 50",
    ),
    (
        "places",
        &["id"],
        "select id, user_id, row_number() over (partition by user_id order by cents desc, id) as place from orders",
    ),
    (
        "first",
        &["k"],
        "select coalesce(user_id, -1) as k, sum(cents) as cents from orders group by coalesce(user_id, -1) order by 2 desc, 1 limit 10",
    ),
    (
        "lone",
        &["id"],
        "select u.id, u.region from users u where not exists (select from orders o where o.user_id = u.id and o.cents > 90)",
    ),
];

const WRITERS: usize = 8;

/// How many transactions each writer does while one view is refreshed and compared: so many that there are always some at
/// the same time, so few that it pays to follow them.
const PACE: usize = 10;

/// Numbers that look random (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn statement(&mut self) -> String {
        let (user, cents, n) = (self.below(66), self.below(100), self.below(9));
        let amount = ["1", "1.0", "0.25", "2.50", "null", "'NaN'"][usize::try_from(self.below(6)).unwrap()];
        let some = format!(
            "(select id from orders where user_id = {user} order by id limit {} for update skip locked)",
            1 + n % 3
        );
        match self.below(9) {
            0..=2 => format!(
                "insert into orders (user_id, cents, amount, note) values ({user}, {cents}, {amount}, 'n{n}')"
            ),
            3 => format!(
                "insert into orders (user_id, cents, note) select nullif({user}, 3), g, 'm' from generate_series(1, {n}) g"
            ),
            4 => format!("update orders set cents = {cents}, amount = {amount} where id in {some}"),
            5 => format!("update orders set user_id = {} where id in {some}", (user * 7) % 66),
            6 => format!("delete from orders where id in {some}"),
            7 => format!(
                "update users set region = {n} where id in (select id from users where id = {user} for update skip locked)"
            ),
            _ => format!(
                "delete from orders where id in {some}; insert into orders (user_id, cents, note) values ({user}, {cents}, 'again')"
            ),
        }
    }

    /// Scripts, which follow each other; one transaction, or two of which one is prepared while the other comes and goes.
    fn transaction(&mut self, writer: usize, number: usize, name: &str) -> Vec<String> {
        let mut statements: Vec<_> = (0..=self.below(2)).map(|_| self.statement()).collect();
        if self.below(4) == 0 {
            let undone = self.statement();
            statements.push(format!("savepoint s; {undone}; rollback to s"));
        }
        if self.below(6) == 0 {
            let kept = self.statement();
            statements.push(format!("savepoint s; {kept}; release s"));
        }
        let begun = format!("begin; {}", statements.join("; "));
        match self.below(40) {
            0..=3 => vec![format!("{begun}; rollback")],
            4 => {
                let (prepared, end) =
                    (format!("{name}_{writer}_{number}"), ["commit", "rollback"][number % 2]);
                let prepare = format!("{begun}; prepare transaction '{prepared}'");
                vec![prepare, self.statement(), format!("{end} prepared '{prepared}'")]
            }
            _ => vec![format!("{begun}; commit")],
        }
    }
}

struct World {
    db: TestDb,
    remat: Remat,
    sql: Client,
    views: Vec<View>,
}

impl World {
    async fn open() -> Self {
        let db = TestDb::create().await;
        db.execute(TABLES).await;
        let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
        remat.migrate().await.unwrap();
        let mut views = Vec::new();
        for (name, key, query) in VIEWS {
            let key = key.iter().map(|name| Identifier::new(*name).unwrap()).collect();
            let name = RelationName::new("public", name).unwrap();
            let definition =
                Definition { strategy: Strategy::Incremental, key, ..Definition::new(name, query) };
            let view = remat.define(&definition).await.unwrap();
            remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
            let view = remat.view(&view.definition.name).await.unwrap();
            let explained = remat.explain(&view).await.unwrap();
            assert!(explained.incremental, "{:?}", explained.refusal);
            views.push(view);
        }
        let sql = db.connect().await;
        let world = Self { db, remat, sql, views };
        world.make_past().await;
        world
    }

    /// Views of the tables as of the state of the view whose id the setting `remat_check.view` holds.
    async fn make_past(&self) {
        let logs = "select r.relname::text, c.relname::text,
                           array_agg(a.attname::text order by a.attnum), array_agg('a' || a.attnum order by a.attnum)
                      from remat.captures p
                      join pg_class r on r.oid = p.relation
                      join pg_class c on c.relname = 't' || p.id and c.relnamespace = 'remat_log'::regnamespace
                      join pg_attribute l on l.attrelid = c.oid and l.attname like 'a%'
                      join pg_attribute a on a.attrelid = r.oid and 'a' || a.attnum = l.attname
                     group by r.relname, c.relname";
        for row in self.sql.query(logs, &[]).await.unwrap() {
            let (table, log): (String, String) = (row.get(0), row.get(1));
            let (columns, places): (Vec<String>, Vec<String>) = (row.get(2), row.get(3));
            let (columns, places) = (columns.join(", "), places.join(", "));
            let script = format!(
                "create view past.{table} as
                 select {columns} from (
                   select 1 as remat_w, {columns} from public.{table}
                   union all
                   select -sign, {places} from remat_log.{log}
                    where not pg_visible_in_snapshot(xid, (select s.snapshot from remat.view_states s
                                                            where s.view_id = current_setting('remat_check.view')::bigint))) x
                 group by {columns} having sum(remat_w) > 0"
            );
            self.sql.batch_execute(&script).await.unwrap();
        }
        let made = "select count(*) from pg_views where schemaname = 'past'";
        assert_eq!(self.sql.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 2);
    }

    /// Rows by which a view differs from its query as of its state.
    async fn differences(&self, view: &View) -> i64 {
        let (name, query) = (view.definition.name.to_sql(), &view.definition.query);
        let script = format!(
            "begin isolation level repeatable read; set local search_path = past; set local remat_check.view = '{}'",
            view.id
        );
        self.sql.batch_execute(&script).await.unwrap();
        let compare = format!(
            "select (select count(*) from ((select q::text from ({query}) q) except all (select t::text from {name} t)) a)
                  + (select count(*) from ((select t::text from {name} t) except all (select q::text from ({query}) q)) b)"
        );
        let differences = self.sql.query_one(&compare, &[]).await.unwrap().get(0);
        self.sql.batch_execute("commit").await.unwrap();
        differences
    }

    /// Refreshes all views, compares each with its query, and tells how many followed changes.
    async fn round(&self, ticks: &watch::Sender<usize>) -> usize {
        let mut followed = 0;
        for view in &self.views {
            let run = self.remat.refresh(view, RefreshOptions::default()).await.unwrap();
            run.check().unwrap();
            let reason = run.reason.clone().unwrap_or_default();
            assert!(!reason.contains("fail"), "{run:#?}");
            followed += usize::from(run.strategy.as_deref() == Some("incremental"));
            assert_eq!(self.differences(view).await, 0, "{}: {run:#?}", view.definition.name);
            ticks.send_modify(|ticks| *ticks += 1);
        }
        followed
    }
}

/// Writes so many transactions; those that meet a deadlock are taken back.
async fn write(
    client: Client,
    writer: usize,
    transactions: usize,
    name: String,
    mut ticks: watch::Receiver<usize>,
) {
    let mut chance = Chance(u64::try_from(writer).unwrap());
    for number in 0..transactions {
        ticks.wait_for(|ticks| number < (ticks + 1) * PACE).await.unwrap();
        for script in chance.transaction(writer, number, &name) {
            if let Err(error) = client.batch_execute(&script).await {
                let code = error.code().map(|code| code.code().to_owned());
                assert_eq!(code.as_deref(), Some("40P01"), "{error:?}\n{script}");
                client.batch_execute("rollback").await.unwrap();
            }
        }
    }
}

/// Keeps each of its transactions open while all views are refreshed twice, until the writers have ended.
async fn linger(client: Client, mut ticks: watch::Receiver<usize>, left: Arc<AtomicUsize>) {
    let mut chance = Chance(99);
    while left.load(Ordering::SeqCst) > 0 {
        let user = 61 + chance.below(5);
        let script = format!(
            "begin; insert into orders (user_id, cents, note) select {user}, g, 'long' from generate_series(1, 5) g"
        );
        client.batch_execute(&script).await.unwrap();
        let until = *ticks.borrow() + 2 * VIEWS.len();
        ticks.wait_for(|ticks| *ticks >= until || left.load(Ordering::SeqCst) == 0).await.unwrap();
        client.batch_execute("commit").await.unwrap();
    }
}

/// As many transactions as are asked for, and no difference at any state.
pub(crate) async fn endure(transactions: usize) {
    let world = World::open().await;
    let (ticks, left) = (watch::Sender::new(0), Arc::new(AtomicUsize::new(WRITERS)));
    world.round(&ticks).await;
    ticks.send_replace(0);
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, name) = (world.db.connect().await, world.db.name().to_owned());
        let (left, ticks) = (Arc::clone(&left), ticks.subscribe());
        tasks.spawn(async move {
            write(client, writer, transactions / WRITERS, name, ticks).await;
            left.fetch_sub(1, Ordering::SeqCst);
        });
    }
    tasks.spawn(linger(world.db.connect().await, ticks.subscribe(), Arc::clone(&left)));
    let (mut rounds, mut followed) = (0, 0);
    while !tasks.is_empty() {
        followed += world.round(&ticks).await;
        rounds += 1;
        while let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
        }
    }
    followed += world.round(&ticks).await;
    let refreshes = VIEWS.len() * (rounds + 1);
    eprintln!(
        "{transactions} transactions, {refreshes} refreshes of {} views, {followed} incremental",
        VIEWS.len()
    );
    assert!(followed * 2 > refreshes, "{followed} of {refreshes} refreshes followed changes");
}
