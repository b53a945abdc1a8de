//! merge beside REFRESH CONCURRENTLY and plain REFRESH: the same query, the same changes, in turns.
//!
//! One base table, three views of it. A round changes 1% of the base rows (updates, inserts, deletes) and then refreshes
//! each view once, the first of them changing from round to round, each compared with its query afterwards. The two
//! REFRESH statements run bare; merge runs whole, as [`remat::Remat::refresh`], its run tracking included. It is done
//! three times: with changes all over the table, once without checkpoints and once with one before each refresh, so that
//! nearly every page is written to the log as a whole, and with as many changes among the newest rows.

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
    measure::{Cost, cost_and_images, median},
    place::Place,
    report::{Section, Target, figure},
};

const QUERY: &str = "select id, name, amount, changed_at, note from bench.item";
const WAYS: [&str; 3] = ["plain", "concurrently", "merge"];
const MEGABYTE: f64 = 1_048_576.0;

/// Figures by way, in the order of [`WAYS`].
type Costs = [Vec<Cost>; 3];

/// Where the rows lie that change: the newest rows of so many parts of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    Everywhere,
    NewestTwentieth,
}

/// When the server makes checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpoints {
    /// Right before each refresh: the first change of each page is logged as the whole page.
    BeforeEach,
    /// None while it is measured, as for refreshes that come more often than checkpoints.
    None,
}

/// One way to change and refresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    spread: Spread,
    checkpoints: Checkpoints,
    title: &'static str,
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        spread: Spread::Everywhere,
        checkpoints: Checkpoints::None,
        title: "merge beside REFRESH, 1% of rows changed all over the table, no checkpoint between",
    },
    Scenario {
        spread: Spread::Everywhere,
        checkpoints: Checkpoints::BeforeEach,
        title: "merge beside REFRESH, 1% of rows changed all over the table, a checkpoint before each",
    },
    Scenario {
        spread: Spread::NewestTwentieth,
        checkpoints: Checkpoints::BeforeEach,
        title: "merge beside REFRESH, 1% of rows changed among the newest twentieth, a checkpoint before each",
    },
];

/// Measures them in turns, once per scenario.
pub(crate) async fn measure(place: &Place, args: &Args) -> Outcome<Vec<Section>> {
    let view = set_up(place, args.rows).await?;
    let mut sections = Vec::new();
    for given in SCENARIOS {
        sections.push(scenario(place, args, &view, given).await?);
        place.sql.batch_execute("vacuum analyze").await?;
        place.sql.batch_execute("checkpoint").await?;
    }
    Ok(sections)
}

async fn scenario(place: &Place, args: &Args, view: &View, given: Scenario) -> Outcome<Section> {
    let spread = given.spread;
    let mut costs: Costs = Default::default();
    let mut phases = Vec::new();
    // The first round warms caches and leaves the free space that later rounds find; it does not count.
    for round in 0..=args.rounds {
        change(place, args.rows, round, spread).await?;
        for turn in 0..WAYS.len() {
            let way = (round + turn) % WAYS.len();
            eprintln!("merge: {spread:?}, round {round} of {}, {}", args.rounds, WAYS[way]);
            if given.checkpoints == Checkpoints::BeforeEach {
                place.sql.batch_execute("checkpoint").await?;
            }
            let (told, cost) = cost_and_images(place, Box::pin(refresh(place, view, way))).await?;
            check(place, way).await?;
            if round > 0 {
                costs[way].push(cost);
                phases.extend(told);
            }
        }
    }
    section(place, args, given.title, &costs, phases).await
}

async fn set_up(place: &Place, rows: i64) -> Outcome<View> {
    eprintln!("merge: loading {rows} rows");
    place
        .sql
        .batch_execute(&format!(
            "create table bench.item (id bigint primary key, name text not null, amount numeric(12,2) not null,
                                      changed_at timestamptz not null, note text);
             insert into bench.item
             select g, md5(g::text), (g * 37 % 100000) / 100.0, timestamptz '2026-01-01 00:00+00' + g * interval '1 second',
                    repeat('x', 20 + (g % 20)::int)
             from   generate_series(1, {rows}) g;
             create materialized view bench.plain as {QUERY};
             create unique index on bench.plain (id);
             create materialized view bench.concurrently as {QUERY};
             create unique index on bench.concurrently (id)"
        ))
        .await?;
    let definition = Definition {
        strategy: Strategy::Merge,
        key: vec![Identifier::new("id")?],
        ..Definition::new(RelationName::new("bench", "merge")?, QUERY)
    };
    let view = place.remat.define(&definition).await?;
    let run = place.remat.create(&view, CreateOptions::default()).await?;
    if run.status != Status::Success {
        return Err(format!("the view was not made: {run:?}").into());
    }
    place.sql.batch_execute("vacuum analyze").await?;
    Ok(place.remat.view(&definition.name).await?)
}

/// Changes nearly 1% of the rows: of 20 changes 14 are updates, 3 inserts and 3 deletes. Each round changes other rows.
async fn change(place: &Place, rows: i64, round: usize, spread: Spread) -> Outcome {
    let (newest, of) = if spread == Spread::Everywhere { (1.0, 2048) } else { (0.05, 102) };
    let chosen = |bits: &str| {
        format!(
            "id > (select max(id) - {newest} * {rows} from bench.item)
             and (hashint8extended(id, {round}) & 1073741823) % {of} {bits}"
        )
    };
    let (updates, deletes, inserts) = (chosen("< 14"), chosen("between 14 and 16"), rows * 3 / 2000);
    place
        .sql
        .batch_execute(&format!(
            "update bench.item set amount = amount + 1, changed_at = changed_at + interval '1 hour' where {updates};
             delete from bench.item where {deletes};
             insert into bench.item
             select last + g, md5((last + g)::text), 1.50, now(), repeat('y', 30)
             from  (select max(id) as last from bench.item) newest, generate_series(1, {inserts}) g;
             analyze bench.item"
        ))
        .await?;
    Ok(())
}

/// Refreshes by one way; merge tells its phases.
async fn refresh(place: &Place, view: &View, way: usize) -> Outcome<Option<Value>> {
    match WAYS[way] {
        "merge" => {
            let run = place.remat.refresh(view, RefreshOptions::default()).await?;
            if run.status != Status::Success {
                return Err(format!("the merge failed: {run:?}").into());
            }
            Ok(Some(json!({
                "phases_ms": run.meta["phases_ms"],
                "inserted": run.rows_inserted, "updated": run.rows_updated, "deleted": run.rows_deleted,
            })))
        }
        "concurrently" => {
            place.sql.batch_execute("refresh materialized view concurrently bench.concurrently").await?;
            Ok(None)
        }
        _ => {
            place.sql.batch_execute("refresh materialized view bench.plain").await?;
            Ok(None)
        }
    }
}

/// Counts rows and adds up a hash of each, on both sides.
async fn check(place: &Place, way: usize) -> Outcome {
    let digest = |source: &str| {
        format!("(select concat(count(*), ' ', sum(hashtextextended(q::text, 0)::numeric)) from {source} q)")
    };
    let (query, contents) = (digest(&format!("({QUERY})")), digest(&format!("bench.{}", WAYS[way])));
    let equal: bool = place.sql.query_one(&format!("select {query} = {contents}"), &[]).await?.get(0);
    if equal { Ok(()) } else { Err(format!("after {} the contents differ from the query", WAYS[way]).into()) }
}

async fn section(
    place: &Place,
    args: &Args,
    title: &'static str,
    costs: &Costs,
    phases: Vec<Value>,
) -> Outcome<Section> {
    let [plain, concurrently, merge] = [0, 1, 2].map(|way| Medians::of(&costs[way]));
    let lines =
        WAYS.iter().zip([&plain, &concurrently, &merge]).map(|(way, figures)| figures.line(way, &merge));
    let faster = concurrently.ms / merge.ms;
    let (of_concurrently, of_plain) = (merge.wal / concurrently.wal, merge.wal / plain.wal);
    // The images that a plain REFRESH writes are those of its new pages, so there they are contents.
    let records = merge.records().map(|records| records / plain.wal);
    Ok(Section {
        title: title.into(),
        facts: json!({
            "rows": args.rows, "rounds": args.rounds, "bytes": size(place).await?,
            "query_alone_ms": figure(query_alone(place).await?, 0),
            "merges": phases,
        }),
        columns: vec![
            "refresh",
            "median ms",
            "merge is faster by",
            "WAL MB",
            "of it page images MB",
            "WAL records MB",
        ],
        lines: lines.collect(),
        targets: vec![
            Target {
                what: "at least 5 times faster than CONCURRENTLY",
                measured: format!("{faster:.1} times"),
                reached: faster >= 5.0,
            },
            Target {
                what: "at most 1.2 times the WAL of CONCURRENTLY",
                measured: format!("{of_concurrently:.2} times"),
                reached: of_concurrently <= 1.2,
            },
            Target {
                what: "at most a tenth of the WAL of plain REFRESH, page images included",
                measured: format!("{of_plain:.3}"),
                reached: of_plain <= 0.1,
            },
            Target {
                what: "the same without the page images of merge",
                measured: records.map_or_else(|| "not known".into(), |share| format!("{share:.3}")),
                reached: records.is_some_and(|share| share <= 0.1),
            },
        ],
    })
}

/// The medians of one way.
struct Medians {
    ms: f64,
    wal: f64,
    images: Option<f64>,
}

impl Medians {
    fn of(costs: &[Cost]) -> Self {
        let images: Vec<f64> = costs.iter().filter_map(|cost| cost.image_bytes).collect();
        Self {
            ms: median(costs.iter().map(|cost| cost.ms)),
            wal: median(costs.iter().map(|cost| cost.wal_bytes)),
            images: (!images.is_empty()).then(|| median(images)),
        }
    }

    fn records(&self) -> Option<f64> {
        self.images.map(|images| self.wal - images)
    }

    fn line(&self, way: &str, merge: &Self) -> Vec<Value> {
        let megabytes = |bytes: f64| figure(bytes / MEGABYTE, 1);
        vec![
            json!(way),
            figure(self.ms, 0),
            figure(self.ms / merge.ms, 1),
            megabytes(self.wal),
            self.images.map_or(Value::Null, megabytes),
            self.records().map_or(Value::Null, megabytes),
        ]
    }
}

async fn size(place: &Place) -> Outcome<i64> {
    Ok(place.sql.query_one("select pg_table_size('bench.plain')", &[]).await?.get(0))
}

/// What the query costs without anything being kept.
async fn query_alone(place: &Place) -> Outcome<f64> {
    let sql = format!("explain (analyze, timing off, format json) {QUERY}");
    let plan: Value = place.sql.query_one(&sql, &[]).await?.get::<_, tokio_postgres::types::Json<Value>>(0).0;
    Ok(plan[0]["Execution Time"].as_f64().unwrap_or_default())
}
