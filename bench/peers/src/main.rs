//! Drives apalis-postgres through the phases of `remat-bench queue`, and prints the seconds of one.
//!
//! Law: the same number of jobs, connections and jobs at once as remat has; the job does nothing; the phase ends when the
//! table says that the last job is done.

use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage, queries::push_tasks};
use sqlx::{postgres::PgPoolOptions, query_scalar};

type Failed = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failed>;

const QUEUE: &str = "bench";

struct Numbers {
    jobs: u32,
    slots: usize,
    clients: u32,
    batch: u32,
}

#[tokio::main]
async fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["prepare", url] => Ok(PostgresStorage::setup(&PgPool::connect(url).await?).await?),
        [phase, url, jobs, slots, clients, batch] => {
            let numbers = Numbers {
                jobs: jobs.parse()?,
                slots: slots.parse()?,
                clients: clients.parse()?,
                batch: batch.parse()?,
            };
            let pool = PgPoolOptions::new().max_connections(numbers.clients + 4).connect(url).await?;
            let began = Instant::now();
            go_through(&pool, phase, &numbers).await?;
            println!("{}", began.elapsed().as_secs_f64());
            Ok(())
        }
        _ => Err("usage: remat-bench-peers prepare URL | PHASE URL JOBS SLOTS CLIENTS BATCH".into()),
    }
}

async fn go_through(pool: &PgPool, phase: &str, numbers: &Numbers) -> Outcome {
    match phase {
        "enqueue-singly" => enqueue(pool, numbers, 1).await,
        "enqueue-in-batches" => enqueue(pool, numbers, numbers.batch).await,
        "work-off" => work_off(pool, numbers, async { Ok(()) }).await,
        "both-singly" => work_off(pool, numbers, enqueue(pool, numbers, 1)).await,
        "both-in-batches" => work_off(pool, numbers, enqueue(pool, numbers, numbers.batch)).await,
        _ => Err(format!("\"{phase}\" is no phase").into()),
    }
}

async fn enqueue(pool: &PgPool, numbers: &Numbers, at_once: u32) -> Outcome {
    let mut working = tokio::task::JoinSet::new();
    for client in 0..numbers.clients {
        let pool = pool.clone();
        let (first, last) =
            (numbers.jobs * client / numbers.clients, numbers.jobs * (client + 1) / numbers.clients);
        working.spawn(async move {
            let mut connection = pool.acquire().await?;
            let mut next = first;
            while next < last {
                let end = (next + at_once).min(last);
                let tasks: Result<Vec<_>, serde_json::Error> =
                    (next..end).map(|job| Ok(TaskBuilder::new(serde_json::to_vec(&job)?).build())).collect();
                push_tasks(&mut *connection, QUEUE, tasks?).await?;
                next = end;
            }
            Ok::<_, Failed>(())
        });
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    Ok(())
}

/// Works beside those who enqueue, until every job is done.
async fn work_off(pool: &PgPool, numbers: &Numbers, clients: impl Future<Output = Outcome>) -> Outcome {
    let config = Config::default().queue(QUEUE).batch_size(numbers.slots);
    let backend = PostgresStorage::<u32>::new(pool).with_config(config);
    let name = format!("bench-{}", std::process::id());
    let worker = WorkerBuilder::new(name.as_str()).backend(backend).concurrency(numbers.slots).build(nothing);
    let done = async {
        clients.await?;
        let sql = "select count(*) from apalis.jobs where status = 'Done'";
        while query_scalar::<_, i64>(sql).fetch_one(pool).await? < i64::from(numbers.jobs) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, Failed>(())
    };
    tokio::select! {
        done = done => done,
        ended = worker.run() => Err(format!("the worker ended: {ended:?}").into()),
    }
}

async fn nothing(_: u32) -> Result<(), BoxDynError> {
    Ok(())
}
