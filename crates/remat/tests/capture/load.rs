//! Many writers, a reader, a pruner and an installer at once: nothing is lost and nothing is counted twice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use remat::capture::{self, Answer};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::fixture::World;

const ITEMS: &str = "
create table items (id bigint generated always as identity, n int, k text) partition by hash (id);
create table items_0 partition of items for values with (modulus 2, remainder 0);
create table items_1 partition of items for values with (modulus 2, remainder 1);
insert into items (n, k) select g % 20, 'x' from generate_series(1, 400) g;";

const WRITERS: u64 = 8;

/// Enough chance for a choice of statements, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn statement(&mut self) -> String {
        let (n, m) = (self.below(20), self.below(20));
        match self.below(8) {
            0 => format!("insert into items (n, k) select {n}, 'new' from generate_series(1, {m})"),
            1 => format!(
                "delete from items where id in (select id from items where n = {n} order by id limit 5 for update skip locked)"
            ),
            2 => format!(
                "update items_{} set k = 'direct' where id in (select id from items_{} where n = {n} limit 1 for update skip locked)",
                m % 2,
                m % 2
            ),
            3 => format!("savepoint s; insert into items (n, k) values ({n}, 'undone'); rollback to s"),
            4 => format!("savepoint s; insert into items (n, k) values ({n}, 'kept'); release s"),
            _ => format!(
                "update items set n = {m} where id in (select id from items where n = {n} limit 3 for update skip locked)"
            ),
        }
    }

    fn transaction(&mut self) -> String {
        let statements: Vec<String> = (0..=self.below(4)).map(|_| self.statement()).collect();
        let end = if self.below(8) == 0 { "rollback" } else { "commit" };
        format!("begin; {}; {end}", statements.join("; "))
    }
}

/// Writes until it is told to stop, and gives the number of transactions.
fn writer(client: Client, seed: u64, stop: Arc<AtomicBool>) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let (mut dice, mut done) = (Dice(seed), 0);
        while !stop.load(Ordering::Relaxed) {
            client.batch_execute(&dice.transaction()).await.expect("a writer never fails");
            done += 1;
        }
        done
    })
}

async fn writers(world: &World, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<usize>> {
    let mut writers = Vec::new();
    for seed in 0..WRITERS {
        writers.push(writer(world.db.connect().await, seed + 1, Arc::clone(stop)));
    }
    writers
}

async fn join(writers: Vec<JoinHandle<usize>>) -> usize {
    let mut done = 0;
    for writer in writers {
        done += writer.await.expect("a writer ends by itself");
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_equals_the_table_in_every_snapshot_while_all_write() {
    let world = World::with(ITEMS).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = writers(&world, &stop).await;
    // Installed while they write.
    let reader = world.reader("v", "items", &["id", "n"]).await;
    let mut changed = 0;
    for round in 0..60 {
        changed += i32::from(matches!(reader.read().await, Answer::Changed(_)));
        if round % 5 == 4 {
            capture::prune(&world.session).await.unwrap();
        }
        if round == 20 {
            // Widened while they write, and while the first one reads on.
            world.reader("w", "items", &["k"]).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let transactions = join(writing).await;
    reader.read().await;
    assert_eq!(reader.read().await, Answer::Unchanged);
    assert!(changed > 50, "{changed} reads saw changes");
    assert!(transactions > 1000, "{transactions} transactions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captures_come_and_go_while_all_write() {
    let world = World::with(ITEMS).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = writers(&world, &stop).await;
    let view = world.view("v").await;
    let patient = remat::view::Settings::default();
    for columns in [&["id"][..], &["id", "n"], &["k"]].repeat(2) {
        let needs = [world.need("items", columns).await];
        capture::install(&world.session, &patient, view, &needs).await.unwrap();
        capture::remove(&world.session, &patient, view).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    assert!(join(writing).await > 0);
    assert_eq!(world.number("select count(*) from remat.captures").await, 0);
}
