//! What readers notice of a refresh: plain, concurrent and by swap, of one and the same view.
//!
//! The view has a unique index on a text, a further index, and all that a replacement must carry; a plain view reads it.
//! Plain and swap are also measured while one more reader, who has read the view, keeps its transaction open: until two
//! seconds after the refresh first waited for it. What the catalog says about both views is compared across each swap.

use std::time::{Duration, Instant};

use remat::{
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    run::Status,
    view::{Definition, IndexSpec, Strategy, View},
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    Outcome,
    args::Args,
    measure::{median, millis, quantile},
    place::{Place, connect},
    readers::{Readers, Seen},
    report::{Section, Target, figure},
};

const READERS: usize = 8;
/// How long the idle reader keeps its transaction once somebody waits for it.
const HOLD: Duration = Duration::from_secs(2);
/// One line per fact; written apart from the code that carries them.
const FACTS: &str = include_str!("../../crates/remat/tests/replace/snapshot.sql");

/// The ways, and whether a reader holds its transaction.
const WAYS: [(&str, bool); 5] =
    [("plain", false), ("concurrently", false), ("swap", false), ("plain", true), ("swap", true)];

/// One refresh under readers.
struct Measured {
    ms: f64,
    seen: Seen,
}

/// Measures every way, in turns.
pub(crate) async fn measure(place: &Place, args: &Args) -> Outcome<Section> {
    let view = set_up(place, args.rows).await?;
    let mut measured: [Vec<Measured>; WAYS.len()] = Default::default();
    let (mut lost, mut compared) = (Vec::new(), 0);
    for round in 1..=args.rounds {
        for (number, (way, held)) in WAYS.iter().enumerate() {
            eprintln!("swap: round {round} of {}, {way}{}", args.rounds, if *held { ", held" } else { "" });
            let before = facts(place).await?;
            measured[number].push(one(place, args, &view, way, *held).await?);
            compared += before.len();
            lost.extend(difference(&before, &facts(place).await?));
        }
    }
    let worst = |numbers: &[usize]| {
        let all = numbers.iter().flat_map(|number| &measured[*number]);
        all.map(|one| one.seen.worst_of_view.max(one.seen.worst_of_dependent)).fold(0.0, f64::max)
    };
    let errors: usize = measured.iter().flatten().map(|one| one.seen.errors).sum();
    let bytes: i64 = place.sql.query_one("select pg_total_relation_size('bench.board')", &[]).await?.get(0);
    Ok(Section {
        title: "What readers notice of a refresh".into(),
        facts: json!({
            "rows": args.rows, "bytes_with_indexes": bytes, "rounds": args.rounds, "readers": READERS, "lost": lost,
            "plain_worst_ms": figure(worst(&[0]), 0),
        }),
        columns: vec![
            "refresh",
            "seconds",
            "reads",
            "median ms",
            "p99 ms",
            "worst ms of the view",
            "worst ms of the dependent",
            "errors",
        ],
        lines: WAYS.iter().zip(&measured).map(|((way, held), all)| line(way, *held, all)).collect(),
        targets: vec![
            Target {
                what: "worst reader wait of a swap under 250 ms",
                measured: format!(
                    "{:.0} ms; with an idle reader in a transaction {:.0} ms",
                    worst(&[2]),
                    worst(&[4])
                ),
                reached: worst(&[2, 4]) < 250.0,
            },
            Target {
                what: "no reader met an error",
                measured: format!("{errors} errors"),
                reached: errors == 0,
            },
            Target {
                what: "nothing lost",
                measured: format!("{} of {compared} facts differ", lost.len()),
                reached: lost.is_empty() && compared > 0,
            },
        ],
    })
}

async fn set_up(place: &Place, rows: i64) -> Outcome<View> {
    eprintln!("swap: loading {rows} rows");
    let sql = &place.sql;
    sql.batch_execute(&format!(
        "create table bench.score as
         select md5(g::text) as token, 'player ' || g as name, (g * 37 % 100003)::int as score
         from   generate_series(1, {rows}) g"
    ))
    .await?;
    let column = |name: &str| Identifier::new(name).map(|name| vec![name]);
    let btree = Identifier::new("btree")?;
    let definition = Definition {
        strategy: Strategy::Swap,
        key: column("token")?,
        indexes: vec![IndexSpec { columns: column("score")?, unique: false, method: btree }],
        ..Definition::new(RelationName::new("bench", "board")?, "select token, name, score from bench.score")
    };
    let view = place.remat.define(&definition).await?;
    let run = place.remat.create(&view, CreateOptions::default()).await?;
    if run.status != Status::Success {
        return Err(format!("the view was not made: {run:?}").into());
    }
    sql.batch_execute(include_str!("swap_carried.sql")).await?;
    sql.batch_execute("vacuum analyze").await?;
    Ok(place.remat.view(&definition.name).await?)
}

async fn one(place: &Place, args: &Args, view: &View, way: &str, held: bool) -> Outcome<Measured> {
    let readers = Readers::start(&place.url, READERS, args.rows).await?;
    // Let every reader have plans and caches before anything happens.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let holder =
        if held { Some(hold(connect(&place.url).await?, connect(&place.url).await?).await?) } else { None };
    let from = Instant::now();
    refresh(place, view, way).await?;
    let to = Instant::now();
    if let Some(holder) = holder {
        holder.await??;
    }
    Ok(Measured { ms: millis(to - from), seen: readers.seen(from, to).await? })
}

/// Reads the view in a transaction, which stays open until [`HOLD`] after somebody first waits for a lock on the view.
async fn hold(reader: Client, watcher: Client) -> Outcome<tokio::task::JoinHandle<Outcome>> {
    reader.batch_execute("begin; select from bench.board limit 1").await?;
    Ok(tokio::spawn(async move {
        let waits =
            "select exists (select from pg_locks where not granted and relation = 'bench.board'::regclass)";
        while !watcher.query_one(waits, &[]).await?.get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(HOLD).await;
        Ok(reader.batch_execute("commit").await?)
    }))
}

async fn refresh(place: &Place, view: &View, way: &str) -> Outcome {
    if way == "swap" {
        let run = place.remat.refresh(view, RefreshOptions::default()).await?;
        if run.status != Status::Success {
            return Err(format!("the swap failed: {run:?}").into());
        }
        eprintln!("swap: phases {}, waited {:?} ms for the lock", run.meta["phases_ms"], run.lock_wait_ms);
        return Ok(());
    }
    let how = if way == "concurrently" { "concurrently" } else { "" };
    place.sql.batch_execute(&format!("refresh materialized view {how} bench.board")).await?;
    Ok(())
}

/// What the catalog says about both views.
async fn facts(place: &Place) -> Outcome<Vec<String>> {
    let names = vec!["bench.board", "bench.board_names"];
    let mut facts: Vec<String> = Vec::new();
    facts.extend(place.sql.query(FACTS, &[&names]).await?.iter().map(|row| row.get::<_, String>(0)));
    let defined = "select x || ' is ' || pg_get_viewdef(x::regclass) from unnest($1::text[]) x";
    facts.extend(place.sql.query(defined, &[&names]).await?.iter().map(|row| row.get::<_, String>(0)));
    Ok(facts)
}

fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|fact| !after.contains(fact)).map(|fact| format!("gone: {fact}"));
    let new = after.iter().filter(|fact| !before.contains(fact)).map(|fact| format!("new: {fact}"));
    gone.chain(new).collect()
}

fn line(way: &str, held: bool, all: &[Measured]) -> Vec<Value> {
    let ms: Vec<f64> = all.iter().flat_map(|one| one.seen.ms.iter().copied()).collect();
    let worst = |of: fn(&Seen) -> f64| figure(all.iter().map(|one| of(&one.seen)).fold(0.0, f64::max), 1);
    let way = if held { format!("{way}, one reader in a transaction") } else { way.to_owned() };
    vec![
        json!(way),
        figure(median(all.iter().map(|one| one.ms)) / 1_000.0, 1),
        json!(ms.len()),
        figure(median(ms.iter().copied()), 2),
        figure(quantile(ms, 0.99), 1),
        worst(|seen| seen.worst_of_view),
        worst(|seen| seen.worst_of_dependent),
        json!(all.iter().map(|one| one.seen.errors).sum::<usize>()),
    ]
}
