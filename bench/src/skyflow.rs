//! The seven audience views of the skyflow example, refreshed by what changed, beside REFRESH CONCURRENTLY of seven
//! materialized views of the same queries.

use std::{path::Path, time::Instant};

use remat::{project, run::Run, view::Definition};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    Outcome,
    args::Args,
    contest::{Contest, Question, prepare, tidy, told},
    measure::{median, millis},
    place::Place,
    report::{Section, Target, figure},
};

/// How many rows change before a refresh.
const CHANGES: [i64; 4] = [0, 100, 1_000, 50_000];
/// Rows of one statement that loads.
const SLICE: i64 = 100_000;
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/skyflow");

/// Milliseconds of all seven views, and of each of them by remat.
#[derive(Default)]
struct Turn {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    each: Vec<Vec<f64>>,
    ways: Vec<String>,
}

/// Measures all sizes of change in each round.
pub(crate) async fn measure(place: &Place, args: &Args) -> Outcome<Section> {
    load(place, args.analyses).await?;
    let mut contests = Vec::new();
    for question in questions()? {
        contests.push(Contest::open(place, question, "public", args.strategy).await?);
    }
    place.sql.batch_execute("vacuum (analyze)").await?;
    let mut turns: [Turn; CHANGES.len()] = Default::default();
    // The first round warms caches and plans; it does not count.
    for round in 0..=args.rounds {
        for (changed, turn) in CHANGES.into_iter().zip(&mut turns) {
            change(place, i64::try_from(round)?, changed).await?;
            let mut scratch = Turn::default();
            let into = if round == 0 { &mut scratch } else { turn };
            Box::pin(one_turn(place, &mut contests, round % 2 == 0, into)).await?;
            // What went wrong once stays wrong, and to compare takes longer than all the rest.
            if round == args.rounds {
                for contest in &contests {
                    contest.check(&place.sql).await?;
                }
            }
            eprintln!("skyflow: round {round}, {changed} changed: {:?}", summary(into));
            tidy(place).await?;
        }
        place.sql.batch_execute("vacuum (analyze)").await?;
    }
    Ok(section(args, &contests, &turns))
}

/// Refreshes both sides, remat first or last.
async fn one_turn(place: &Place, contests: &mut [Contest], ours_first: bool, turn: &mut Turn) -> Outcome {
    for ours in [ours_first, !ours_first] {
        let began = Instant::now();
        let mut each = Vec::new();
        let mut ways = Vec::new();
        if ours {
            let runs = Contest::follow_all(contests, place).await?;
            ways = runs.iter().map(told).collect();
            each = runs.iter().map(took).collect();
        } else {
            for contest in contests.iter() {
                contest.refresh(&place.sql, true).await?;
            }
        }
        let all = millis(began.elapsed());
        if ours {
            turn.ours.push(all);
            turn.each.push(each);
            turn.ways = ways;
        } else {
            turn.theirs.push(all);
        }
    }
    Ok(())
}

/// Milliseconds of one run.
#[allow(clippy::cast_precision_loss, reason = "a duration fits")]
fn took(run: &Run) -> f64 {
    run.duration_ms.unwrap_or_default() as f64
}

/// The queries of the seven views.
pub(crate) fn questions() -> Outcome<Vec<Question>> {
    let mut views = project::read(Path::new(EXAMPLE))?.definitions();
    views.retain(|view| view.tags.iter().any(|tag| tag == "audience"));
    Ok(views.into_iter().map(question).collect())
}

fn question(definition: Definition) -> Question {
    let name = definition.name.name.to_string();
    Question {
        rounded: (name == "analysis_correlations").then_some("correlation"),
        name,
        query: definition.query,
        key: definition.key.iter().map(ToString::to_string).collect(),
    }
}

/// The example's tables and functions.
pub(crate) async fn make_tables(sql: &Client) -> Outcome {
    for folder in ["schema", "seed"] {
        let mut files: Vec<_> = std::fs::read_dir(Path::new(EXAMPLE).join(folder))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        for file in files {
            sql.batch_execute(&std::fs::read_to_string(file)?).await?;
        }
    }
    Ok(())
}

/// As many analyses as asked for, of a twentieth as many users.
async fn load(place: &Place, analyses: i64) -> Outcome {
    prepare(place, "public").await?;
    if is_loaded(place, analyses).await? {
        return Ok(());
    }
    make_tables(&place.sql).await?;
    place.sql.query("select skyflow_seed_users($1::int8::int4)", &[&(analyses / 20).max(1)]).await?;
    for first in (1..=analyses).step_by(usize::try_from(SLICE)?) {
        let last = (first + SLICE - 1).min(analyses);
        eprintln!("skyflow: loading up to row {last} of {analyses}");
        place.sql.query("select skyflow_seed_analyses($1, $2)", &[&first, &last]).await?;
    }
    place.sql.batch_execute("vacuum (analyze)").await?;
    Ok(())
}

/// Whether the database holds so many analyses already, from the example's own functions.
async fn is_loaded(place: &Place, analyses: i64) -> Outcome<bool> {
    let there = "select pg_catalog.to_regclass('public.timeline_analyses') is not null";
    if !place.sql.query_one(there, &[]).await?.get::<_, bool>(0) {
        return Ok(false);
    }
    let enough = "select count(*) >= $1 from timeline_analyses";
    Ok(place.sql.query_one(enough, &[&analyses]).await?.get(0))
}

/// Of ten changes six are new rows at the end, three are updates and one is a delete, both all over the table.
async fn change(place: &Place, round: i64, changed: i64) -> Outcome {
    if changed == 0 {
        return Ok(());
    }
    let base = 1_000_000_000 + round * 100_000_000 + changed * 100;
    let (updates, deletes) = (changed * 3 / 10, changed / 10);
    let inserts = changed - updates - deletes;
    let (last, to_update) = (base + inserts, base + updates);
    place
        .sql
        .batch_execute(&format!(
            "select skyflow_add_analyses({}, {last}, {inserts}, interval '2 seconds');
             update timeline_analyses a set pulse_data = skyflow_pulse_doc({base}::int8 + uuid_hash(a.id), 0.5)
             where  a.id in (select (select id from timeline_analyses where id >= md5('update:' || k)::uuid order by id limit 1)
                             from generate_series({base}, {to_update}) k);
             select skyflow_churn_delete({base}, {deletes});
             analyze timeline_analyses",
            base + 1
        ))
        .await?;
    Ok(())
}

fn summary(turn: &Turn) -> (Option<&f64>, Option<&f64>, &[String]) {
    (turn.ours.last(), turn.theirs.last(), &turn.ways)
}

fn section(args: &Args, contests: &[Contest], turns: &[Turn]) -> Section {
    let medians =
        turns.iter().map(|turn| (median(turn.ours.iter().copied()), median(turn.theirs.iter().copied())));
    let medians: Vec<(f64, f64)> = medians.collect();
    let faster = |at: usize| medians[at].1 / medians[at].0;
    let lines = CHANGES.iter().zip(&medians).zip(turns).map(|((changed, (ours, theirs)), turn)| {
        let times = turn.ours.iter().zip(&turn.theirs).map(|(ours, theirs)| theirs / ours);
        let least = times.clone().fold(f64::INFINITY, f64::min);
        let most = times.fold(0.0, f64::max);
        vec![
            json!(changed),
            figure(*ours, 1),
            figure(*theirs, 0),
            figure(theirs / ours, 1),
            figure(least, 1),
            figure(most, 1),
            json!(turn.ways.join(", ")),
        ]
    });
    Section {
        title: format!("skyflow: seven views by {}, beside CONCURRENTLY", args.strategy),
        facts: json!({ "analyses": args.analyses, "rounds": args.rounds, "each_ms": each(contests, turns) }),
        columns: vec![
            "rows changed",
            "remat ms",
            "CONCURRENTLY ms",
            "times faster",
            "least",
            "most",
            "what ran",
        ],
        lines: lines.collect(),
        targets: vec![
            Target {
                what: "at most 20 ms for all seven when nothing changed",
                measured: format!("{:.1} ms", medians[0].0),
                reached: medians[0].0 <= 20.0,
            },
            Target {
                what: "at least 250 times faster at 1,000 rows",
                measured: format!("{:.0} times", faster(2)),
                reached: faster(2) >= 250.0,
            },
            Target {
                what: "at least 9 times faster at 50,000 rows",
                measured: format!("{:.1} times", faster(3)),
                reached: faster(3) >= 9.0,
            },
        ],
    }
}

/// The median of each view, by the number of rows that changed.
fn each(contests: &[Contest], turns: &[Turn]) -> Value {
    let of = |turn: &Turn| {
        let views = contests.iter().enumerate().map(|(at, contest)| {
            (contest.question.name.clone(), figure(median(turn.each.iter().map(|round| round[at])), 1))
        });
        Value::Object(views.collect())
    };
    Value::Object(CHANGES.iter().zip(turns).map(|(changed, turn)| (changed.to_string(), of(turn))).collect())
}
