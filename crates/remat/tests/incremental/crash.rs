//! A server that ends between a change and the refresh that would follow it, or in the middle of that.

use remat::{
    Remat,
    operation::{CreateOptions, RefreshOptions},
    run::{Run, Status},
    view::{Strategy, View},
};
use remat_testkit::wait_until;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::{
    fixture::{differences, refreshes_by},
    support::{self, App},
    victim::Victim,
};

/// A function that waits while a row stands in `slow`, which its word does not tell.
const TABLES: &str = "
create table sales (id bigint generated always as identity primary key, user_id int not null, cents int not null);
insert into sales (user_id, cents) select g % 100, g from generate_series(1, 1000) g;
create table slow (x int);
create function slowly(int) returns int language plpgsql immutable as $$
begin if exists (select from public.slow) then perform pg_sleep(600); end if; return $1; end $$;";

const QUERY: &str =
    "select user_id, count(*) as sales, sum(public.slowly(cents)) as cents from sales group by user_id";

struct World {
    victim: Victim,
    remat: Remat,
    view: View,
}

impl World {
    async fn open(test: &str) -> Self {
        let mut victim = Victim::start(test).await;
        victim.client().await.batch_execute("alter system set max_prepared_transactions = 5").await.unwrap();
        victim.stop().await;
        victim.open_again().await;
        victim.client().await.batch_execute(TABLES).await.unwrap();
        let remat = support::connect(&victim.url()).await;
        remat.migrate().await.unwrap();
        let view = remat.define(&App::definition(Strategy::Incremental, QUERY)).await.unwrap();
        remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
        let view = remat.view(&view.definition.name).await.unwrap();
        let world = Self { victim, remat, view };
        world.refreshes_by("merge").await;
        world
    }

    async fn run(&self, script: &str) -> Client {
        let client = self.victim.client().await;
        client.batch_execute(script).await.unwrap_or_else(|error| panic!("{error:?}\nin: {script}"));
        client
    }

    async fn refreshes_by(&self, strategy: &str) -> Run {
        let run = self.remat.refresh(&self.view, RefreshOptions::default()).await.unwrap();
        assert_eq!((run.status, run.strategy.as_deref()), (Status::Success, Some(strategy)), "{run:#?}");
        assert_eq!(differences(&self.victim.client().await, &self.view).await, 0, "{run:#?}");
        assert!(self.remat.verify(&self.view).await.unwrap().equal, "{run:#?}");
        run
    }

    async fn crash(&mut self) {
        self.victim.crash().await;
        self.victim.open_again().await;
    }

    /// A refresh that is in the middle of a stage.
    async fn refresh_at_work(&self) -> JoinHandle<Run> {
        let (remat, view) = (self.remat.clone(), self.view.clone());
        let refresh =
            tokio::spawn(async move { remat.refresh(&view, RefreshOptions::default()).await.unwrap() });
        let client = self.victim.client().await;
        let sleeps = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%remat_r as materialized%'";
        wait_until("a stage is at work", async || {
            client.query_one(sleeps, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        refresh
    }
}

#[tokio::test]
async fn what_was_committed_before_a_crash_is_followed_after_it_and_nothing_else() {
    let mut world = World::open("follow").await;
    world
        .run("delete from sales where user_id = 1; insert into sales (user_id, cents) values (500, 1)")
        .await;
    let open = world.run("begin; delete from sales where user_id = 2").await;
    world.run("begin; delete from sales where user_id = 3; prepare transaction 'waits'").await;
    world.crash().await;
    drop(open);
    let run = world.refreshes_by("incremental").await;
    assert_eq!((run.rows_inserted, run.rows_deleted), (Some(1), Some(1)));
    // Numbers of transactions that the crash took with it may be given again, but none that a snapshot knows of.
    world.run("delete from sales where user_id = 4").await;
    let open = world.run("begin; delete from sales where user_id = 5").await;
    world.refreshes_by("incremental").await;
    world.crash().await;
    drop(open);
    world.refreshes_by("skip").await;
    world.run("commit prepared 'waits'").await;
    world.run("delete from sales where user_id = 6").await;
    let run = world.refreshes_by("incremental").await;
    assert_eq!(run.rows_deleted, Some(2));
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_stage_leaves_all_as_it_was() {
    let mut world = World::open("stage").await;
    world.run("delete from sales where user_id = 1; insert into slow values (1); insert into sales (user_id, cents) values (2, 2)").await;
    let refresh = world.refresh_at_work().await;
    let written_meanwhile = world.run("delete from sales where user_id = 3").await;
    world.crash().await;
    drop(written_meanwhile);
    let run = refresh.await.unwrap();
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    let old = "select count(*) from per_user where user_id in (1, 3)";
    assert_eq!(world.victim.client().await.query_one(old, &[]).await.unwrap().get::<_, i64>(0), 2);
    world.run("truncate slow").await;
    let run = world.refreshes_by("incremental").await;
    assert_eq!((run.rows_updated, run.rows_deleted), (Some(1), Some(2)));
}

#[tokio::test]
async fn a_session_that_is_ended_in_the_middle_of_a_stage_leaves_all_as_it_was() {
    let app = App::start().await;
    app.db
        .execute(
            "create function gate_of(int) returns int language plpgsql immutable as $$
             begin perform pg_advisory_xact_lock_shared(1); return $1; end $$",
        )
        .await;
    let query =
        "select user_id, count(*) as sales, sum(public.gate_of(cents)) as cents from sales group by user_id";
    let view = app.view(Strategy::Incremental, query).await;
    refreshes_by(&app, &view, "merge").await;
    app.change_sales().await;
    let gate = app.shut_gate().await;
    let refresh = app.spawn_refresh(&view);
    app.waits_for_gate().await;
    let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and wait_event = 'advisory' and query like '%remat_r as materialized%'";
    assert_eq!(app.db.query_one_i64(&format!("({ended})")).await, 1);
    let run = refresh.await.unwrap();
    assert_eq!(run.status, Status::Failed, "{run:#?}");
    drop(gate);
    let run = refreshes_by(&app, &view, "incremental").await;
    assert_eq!((run.rows_inserted, run.rows_updated, run.rows_deleted), (Some(1), Some(10), Some(1)));
}
