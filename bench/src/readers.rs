//! Readers that an application would have: point reads by an index, one short transaction each, timed one by one.
//!
//! Half of them read the view and half a view over it; in each half every second one uses a prepared statement. A
//! reader pauses between reads, so that the readers do not themselves starve what is measured on a small machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tokio_postgres::{Client, types::Type};

use crate::{Outcome, measure::millis, place};

/// Between two reads of one reader.
const PAUSE: Duration = Duration::from_millis(2);

/// One read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    pub(crate) of_dependent: bool,
    pub(crate) failed: bool,
}

/// Readers at work.
pub(crate) struct Readers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Read>>>,
}

/// What they saw during one piece of work.
pub(crate) struct Seen {
    pub(crate) ms: Vec<f64>,
    pub(crate) worst_of_view: f64,
    pub(crate) worst_of_dependent: f64,
    pub(crate) errors: usize,
}

impl Readers {
    /// Starts so many, each on a connection of its own.
    pub(crate) async fn start(url: &str, count: usize, rows: i64) -> Outcome<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for number in 0..count {
            let sql = place::connect(url).await?;
            tasks.push(tokio::spawn(read_until(Arc::clone(&stop), sql, number, rows)));
        }
        Ok(Self { stop, tasks })
    }

    /// Stops them, and gives the reads that overlap the time between.
    pub(crate) async fn seen(self, from: Instant, to: Instant) -> Outcome<Seen> {
        self.stop.store(true, Ordering::Release);
        let mut reads = Vec::new();
        for task in self.tasks {
            reads.extend(task.await?);
        }
        reads.retain(|read: &Read| read.began <= to && read.began + read.took >= from);
        let worst = |of_dependent: bool| {
            let reads = reads.iter().filter(|read| read.of_dependent == of_dependent);
            reads.map(|read| millis(read.took)).fold(0.0, f64::max)
        };
        Ok(Seen {
            worst_of_view: worst(false),
            worst_of_dependent: worst(true),
            errors: reads.iter().filter(|read| read.failed).count(),
            ms: reads.iter().map(|read| millis(read.took)).collect(),
        })
    }
}

async fn read_until(stop: Arc<AtomicBool>, sql: Client, number: usize, rows: i64) -> Vec<Read> {
    let (of_dependent, keeps_plan) = (number % 2 == 1, number % 4 >= 2);
    let from = if of_dependent { "bench.board_names" } else { "bench.board" };
    let query = format!("select score from {from} where token = md5($1::text)");
    let prepared = if keeps_plan { sql.prepare_typed(&query, &[Type::TEXT]).await.ok() } else { None };
    let mut reads = Vec::new();
    let mut row = i64::try_from(number).unwrap_or(0);
    while !stop.load(Ordering::Acquire) {
        row = (row * 6_364_136 + 1_442_695) % rows;
        let token = (row + 1).to_string();
        let began = Instant::now();
        let answer = match &prepared {
            Some(statement) => sql.query(statement, &[&token]).await,
            None => sql.query_typed(&query, &[(&token, Type::TEXT)]).await,
        };
        let failed = !answer.is_ok_and(|rows| rows.len() == 1);
        reads.push(Read { began, took: began.elapsed(), of_dependent, failed });
        tokio::time::sleep(PAUSE).await;
    }
    reads
}
