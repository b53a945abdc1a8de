//! A database full of work that leaves marks.
//!
//! Every run of it calls `mark()` in its own transaction, which leaves a row in `done` under the number of the run: so
//! the row is there exactly if the server committed the run, whatever anybody says about it. It also notes when two runs
//! of one view are at work together, in a sequence, which no rollback takes back.

use std::time::{Duration, Instant};

use remat::{
    Remat,
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    pg::Target,
    view::{Definition, Strategy},
};
use remat_testkit::TestDb;
use tokio_postgres::{Client, NoTls};

use crate::{chance::Chance, process::Process};

const MARKS: &str = "
create table source as select g as id, 0 as n from generate_series(1, 40) g;
create table done (run bigint primary key);
create table pace (ms float8, broken float8);
insert into pace values (60, 0.03);
create sequence together;
create function mark() returns bigint language plpgsql volatile as $$
declare
  run  bigint;
  view bigint;
  pace public.pace;
begin
  select l.objid into run from pg_catalog.pg_locks l
  where  l.locktype = 'advisory' and l.classid = 1919249778::oid and l.objsubid = 2 and l.pid = pg_catalog.pg_backend_pid();
  if run is null then
    return 0;
  end if;
  insert into public.done values (run) on conflict do nothing;
  select r.view_id into view from remat.runs r where r.id = run;
  if view is not null and not pg_catalog.pg_try_advisory_xact_lock(5, view::integer) then
    perform pg_catalog.nextval('public.together');
  end if;
  select * into pace from public.pace;
  perform pg_catalog.pg_sleep(pg_catalog.random() * pace.ms / 1000);
  if pg_catalog.random() < pace.broken then
    raise exception 'broken on purpose' using errcode = 'serialization_failure';
  end if;
  return run;
end $$;";

/// The views, one for each way to refresh.
pub(crate) const STRATEGIES: [Strategy; 4] =
    [Strategy::Regular, Strategy::Merge, Strategy::Swap, Strategy::Concurrent];

/// How long what was asked for may take after the faults have stopped.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) remat: Remat,
    // Dropped last: what uses it goes first.
    pub(crate) db: Option<TestDb>,
}

impl World {
    /// In a database of its own on the shared server.
    pub(crate) async fn new() -> Self {
        let db = TestDb::create().await;
        let mut world = Self::at(&db.url()).await;
        world.db = Some(db);
        world
    }

    /// In the database of this URL.
    pub(crate) async fn at(url: &str) -> Self {
        // By another name than the daemons, whose sessions are counted at the end.
        let env = |name: &str| (name == "PGAPPNAME").then(|| "test".to_owned());
        let remat = Remat::connect(Target::resolve(Some(url), &env).unwrap()).await.unwrap();
        remat.migrate().await.unwrap();
        let world = Self { url: url.into(), remat, db: None };
        world.execute(MARKS).await;
        for strategy in STRATEGIES {
            world.view(strategy).await;
        }
        world
    }

    async fn view(&self, strategy: Strategy) {
        let name = RelationName::new("public", strategy.as_str()).unwrap();
        let query = "select s.id, s.n, m.run from public.source s, (select public.mark() as run offset 0) m";
        let key = vec![Identifier::new("id").unwrap()];
        let definition = Definition { strategy, key, ..Definition::new(name, query) };
        let view = self.remat.define(&definition).await.unwrap();
        let mut run = self.remat.create(&view, CreateOptions::default()).await.unwrap();
        while run.check().is_err() {
            // Broken on purpose.
            run = self.remat.create(&view, CreateOptions::default()).await.unwrap();
        }
    }

    /// So many SQL jobs that fall due each second.
    pub(crate) async fn ticking(&self, jobs: usize) {
        self.jobs(jobs, "* * * * * *").await;
    }

    /// So many SQL jobs.
    pub(crate) async fn jobs(&self, jobs: usize, schedule: &str) {
        self.execute(&format!(
            "insert into remat.scheduled_jobs (name, schedule, sql, dispatch)
             select 'tick ' || n, '{schedule}', 'select public.mark()', '{{\"overlap\": \"queue\"}}'
             from generate_series(1, {jobs}) n"
        ))
        .await;
    }

    /// Asks for refreshes of any view for a while, and cancels some; gives the runs that were promised. What cannot be
    /// asked for because the server is away was not promised.
    pub(crate) async fn ask(&self, chance: &mut Chance, times: usize) -> Vec<i64> {
        let mut promised = Vec::new();
        let mut sql = None;
        for _ in 0..times {
            if sql.is_none() {
                sql = try_connect(&self.url).await;
            }
            let Some(client) = sql.take() else {
                tokio::time::sleep(chance.millis(40)).await;
                continue;
            };
            let view = STRATEGIES[chance.below(STRATEGIES.len())];
            let asked = client.query_one("select remat.enqueue_refresh($1)", &[&view.as_str()]).await;
            if let Ok(row) = asked {
                promised.push(row.get::<_, i64>(0));
                sql = Some(client);
            }
            if let (true, Some(client), Some(run)) = (chance.percent(3), &sql, promised.last()) {
                // It may have ended meanwhile; then nothing is cancelled.
                let _ = client.query_one("select remat.cancel_run($1)", &[run]).await;
            }
            if chance.percent(5) {
                self.refresh_beside(view);
            }
            tokio::time::sleep(chance.millis(40)).await;
        }
        promised
    }

    /// A refresh by somebody who is no worker and asks nobody. How it ends, its row tells.
    fn refresh_beside(&self, view: Strategy) {
        let remat = self.remat.clone();
        tokio::spawn(async move {
            let name = RelationName::new("public", view.as_str()).unwrap();
            if let Ok(view) = remat.view(&name).await {
                let _ = remat.refresh(&view, RefreshOptions::default()).await;
            }
        });
    }

    /// Enqueues a run of a job that is only this statement, and gives its id.
    pub(crate) async fn sql_job(&self, statement: &str) -> i64 {
        self.count(&format!(
            "select e.run_id from remat.enqueue_run('sql', null, 'by hand', '{{\"sql\": \"{statement}\"}}', 'manual', '{{}}',
                                                    'postgres', clock_timestamp(), null, '{{}}', null, false) e"
        ))
        .await
    }

    pub(crate) async fn client(&self) -> Client {
        try_connect(&self.url).await.unwrap()
    }

    pub(crate) async fn execute(&self, script: &str) {
        let done = self.client().await.batch_execute(script).await;
        done.unwrap_or_else(|error| panic!("{error:?}\nin {script}"));
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let found = self.client().await.query_one(&format!("select ({sql})::bigint"), &[]).await;
        found.unwrap_or_else(|error| panic!("{error:?}\nin {sql}")).get(0)
    }

    pub(crate) async fn lines(&self, sql: &str) -> Vec<String> {
        let found = self.client().await.query(&format!("select q::text from ({sql}) q"), &[]).await;
        let rows = found.unwrap_or_else(|error| panic!("{error:?}\nin {sql}"));
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The faults have stopped: what was asked for ends within bounded time.
    pub(crate) async fn settle(&self) {
        self.execute("update remat.scheduled_jobs set enabled = false").await;
        let fires = "select count(*) from remat.fires where recorded_at between clock_timestamp() - interval '6 seconds' and clock_timestamp()";
        let open = "select id, operation, status, worker_id, due_at, started_at, meta from remat.runs
                    where status in ('pending', 'running', 'unknown')";
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.lines(open).await;
            if left.is_empty() && self.count(fires).await == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "still at work after {PATIENCE:?}: {left:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Lets everything come to its end, stops the daemons in good order and asks whether anything is wrong.
    pub(crate) async fn end(&self, daemons: Vec<Process>, promised: &[i64]) {
        self.rest(daemons).await;
        crate::invariants::check(self, promised).await;
    }

    /// Lets everything come to its end and stops the daemons in good order.
    pub(crate) async fn rest(&self, daemons: Vec<Process>) {
        self.settle().await;
        for daemon in &daemons {
            daemon.signal("TERM");
        }
        for mut daemon in daemons {
            assert!(daemon.ended().await.success());
        }
    }
}

pub(crate) async fn try_connect(url: &str) -> Option<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}
