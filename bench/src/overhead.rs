//! What remat adds to the statement itself: the run's row, the locks, the pinned settings, the counts.
//!
//! The view has one row, so the statement costs next to nothing. Each repeat does the bare statement in a transaction of
//! its own on an open session and then the same through [`remat::Remat::refresh`], and the differences are paired. For
//! merge the bare statement is its stored program, sent as one text.

use remat::{
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    run::Status,
    view::{Definition, Strategy, View},
};
use serde_json::{Value, json};

use crate::{
    Outcome,
    args::Args,
    measure::{Cost, cost_of, median},
    place::Place,
    report::{Section, Target, figure},
};

/// Refreshes that are not counted: plans, caches and free space settle first.
const WARM_UP: usize = 10;

/// Extra milliseconds and bytes of WAL.
struct Extra {
    name: &'static str,
    bare: Cost,
    ms: f64,
    wal_bytes: f64,
}

/// Measures every strategy that has a bare statement.
pub(crate) async fn measure(place: &Place, args: &Args) -> Outcome<Section> {
    let mut extras = Vec::new();
    for (name, strategy, vacuums) in [
        ("regular, its vacuum step included", Strategy::Regular, false),
        ("regular, beside refresh and vacuum", Strategy::Regular, true),
        ("concurrent", Strategy::Concurrent, false),
        ("merge", Strategy::Merge, false),
    ] {
        let view = make(place, strategy, vacuums).await?;
        let bare = bare_statements(place, &view, vacuums).await?;
        extras.push(compare(place, name, &view, &bare, args.repeats).await?);
    }
    let lines = extras.iter().map(line).collect();
    let judged = extras.iter().filter(|extra| !extra.name.contains("included"));
    let (ms, wal) = judged.fold((0.0_f64, 0.0_f64), |(ms, wal), e| (ms.max(e.ms), wal.max(e.wal_bytes)));
    Ok(Section {
        title: "remat's own cost per run".into(),
        facts: json!({ "rows": 1, "repeats": args.repeats, "warm_up": WARM_UP }),
        columns: vec!["refresh", "bare ms", "bare WAL bytes", "extra ms", "extra WAL bytes"],
        lines,
        targets: vec![
            Target {
                what: "at most 5 ms",
                measured: format!("{ms:.1} ms, the vacuum step apart"),
                reached: ms <= 5.0,
            },
            Target {
                what: "at most 8 KiB of WAL",
                measured: format!("{wal:.0} bytes"),
                reached: wal <= 8_192.0,
            },
        ],
    })
}

async fn make(place: &Place, strategy: Strategy, vacuums: bool) -> Outcome<View> {
    let name = format!("one_{strategy}_{}", if vacuums { "and_vacuum" } else { "alone" });
    let definition = Definition {
        strategy,
        key: vec![Identifier::new("id")?],
        ..Definition::new(RelationName::new("bench", name)?, "select 1 as id, now() as at")
    };
    let view = place.remat.define(&definition).await?;
    let run = place.remat.create(&view, CreateOptions::default()).await?;
    if run.status != Status::Success {
        return Err(format!("the view was not made: {run:?}").into());
    }
    Ok(place.remat.view(&definition.name).await?)
}

/// The statements as a person would send them, each text in a transaction of its own.
async fn bare_statements(place: &Place, view: &View, vacuums: bool) -> Outcome<Vec<String>> {
    let name = view.definition.name.to_sql();
    let mut texts = vec![match view.definition.strategy {
        Strategy::Concurrent => format!("refresh materialized view concurrently {name}"),
        Strategy::Merge => stored_program(place, view).await?,
        _ => format!("refresh materialized view {name}"),
    }];
    texts.extend(vacuums.then(|| format!("vacuum (analyze, skip_locked) {name}")));
    Ok(texts)
}

async fn stored_program(place: &Place, view: &View) -> Outcome<String> {
    let sql = "select string_agg(s.value->>'sql', '; ' order by i)
               from remat.views v, jsonb_array_elements(v.program) with ordinality as s(value, i) where v.id = $1";
    let statements: String = place.sql.query_one(sql, &[&view.id]).await?.get(0);
    Ok(format!("begin; set local remat.writing = 'on'; {statements}; commit"))
}

async fn compare(
    place: &Place,
    name: &'static str,
    view: &View,
    bare: &[String],
    repeats: usize,
) -> Outcome<Extra> {
    eprintln!("overhead: {name}");
    let mut pairs = Vec::new();
    for _ in 0..WARM_UP + repeats {
        let ((), alone) = cost_of(place, by_hand(place, bare)).await?;
        let ((), run) = cost_of(place, Box::pin(by_remat(place, view))).await?;
        pairs.push((alone, run));
    }
    let pairs = pairs.split_off(WARM_UP);
    Ok(Extra {
        name,
        bare: Cost {
            ms: median(pairs.iter().map(|(alone, _)| alone.ms)),
            wal_bytes: median(pairs.iter().map(|(alone, _)| alone.wal_bytes)),
            image_bytes: None,
        },
        ms: median(pairs.iter().map(|(alone, run)| run.ms - alone.ms)),
        wal_bytes: median(pairs.iter().map(|(alone, run)| run.wal_bytes - alone.wal_bytes)),
    })
}

async fn by_hand(place: &Place, texts: &[String]) -> Outcome {
    for text in texts {
        place.sql.batch_execute(text).await?;
    }
    Ok(())
}

async fn by_remat(place: &Place, view: &View) -> Outcome {
    let run = place.remat.refresh(view, RefreshOptions::default()).await?;
    if run.status == Status::Success { Ok(()) } else { Err(format!("a refresh failed: {run:?}").into()) }
}

fn line(extra: &Extra) -> Vec<Value> {
    vec![
        json!(extra.name),
        figure(extra.bare.ms, 2),
        figure(extra.bare.wal_bytes, 0),
        figure(extra.ms, 2),
        figure(extra.wal_bytes, 0),
    ]
}
