//! The 22 queries of TPC-H as views: refreshed by what changed, beside REFRESH and a merge of the same query.

mod load;

use std::time::Instant;

use remat::view::Strategy;
use serde_json::{Value, json};

pub(crate) use load::TABLES;

use crate::{
    Outcome,
    args::Args,
    contest::{Contest, Question, prepare, tidy, told},
    measure::{median, millis},
    place::Place,
    report::{Section, Target, figure},
};

const QUERIES: &str = include_str!("../../../crates/remat/tests/compiler/tpch.sql");

/// Keys of the results. Those of one row get a column for it.
const KEYS: [(&str, &str); 22] = [
    ("q01", "l_returnflag, l_linestatus"),
    ("q02", "p_partkey, s_name"),
    ("q03", "l_orderkey"),
    ("q04", "o_orderpriority"),
    ("q05", "n_name"),
    ("q06", ONE),
    ("q07", "supp_nation, cust_nation, l_year"),
    ("q08", "o_year"),
    ("q09", "nation, o_year"),
    ("q10", "c_custkey"),
    ("q11", "ps_partkey"),
    ("q12", "l_shipmode"),
    ("q13", "c_count"),
    ("q14", ONE),
    ("q15", "s_suppkey"),
    ("q16", "p_brand, p_type, p_size"),
    ("q17", ONE),
    ("q18", "o_orderkey"),
    ("q19", ONE),
    ("q20", "s_name"),
    ("q21", "s_name"),
    ("q22", "cntrycode"),
];
const ONE: &str = "one";

/// Orders that change, of a thousand.
const CHANGES: [u32; 3] = [1, 10, 50];

/// How a view is refreshed.
#[derive(Clone, Copy, Debug)]
enum Way {
    Followed,
    Plain,
    Merge,
}

const WAYS: [Way; 3] = [Way::Followed, Way::Plain, Way::Merge];

/// Milliseconds by way, and what ran instead of a full refresh.
#[derive(Clone, Default)]
struct Costs {
    ms: [Vec<f64>; WAYS.len()],
    ran: String,
}

/// Measures all queries after changes of each size.
pub(crate) async fn measure(place: &Place, args: &Args) -> Outcome<Vec<Section>> {
    load::load(&place.sql, args.scale).await?;
    prepare(place, "tpch").await?;
    let mut rivals = Vec::new();
    for question in questions() {
        let merged = Question { name: format!("{}_merged", question.name), ..question.clone() };
        let ours = Contest::open(place, question, "tpch", args.strategy).await?;
        rivals.push((ours, Contest::open(place, merged, "tpch", Strategy::Merge).await?));
    }
    place.sql.batch_execute("vacuum (analyze)").await?;
    let mut sections = Vec::new();
    for (size, of_thousand) in CHANGES.into_iter().enumerate() {
        let mut costs = vec![Costs::default(); rivals.len()];
        let mut changed = 0;
        for round in 0..args.rounds {
            let turn = u32::try_from(size * args.rounds + round)?;
            changed = load::change(&place.sql, turn, of_thousand).await?;
            for ((ours, merged), costs) in rivals.iter_mut().zip(&mut costs) {
                Box::pin(one_turn(place, ours, merged, round, costs)).await?;
            }
            tidy(place).await?;
            place.sql.batch_execute("vacuum (analyze)").await?;
        }
        sections.push(section(args, of_thousand, changed, &rivals, &costs));
    }
    Ok(sections)
}

/// Refreshes a query by all ways, each being first, second and third in turn.
async fn one_turn(
    place: &Place,
    ours: &mut Contest,
    merged: &mut Contest,
    round: usize,
    costs: &mut Costs,
) -> Outcome {
    for turn in 0..WAYS.len() {
        let at = (round + turn) % WAYS.len();
        let began = Instant::now();
        match WAYS[at] {
            Way::Followed => costs.ran = told(&ours.follow(place, None).await?),
            Way::Plain => ours.refresh(&place.sql, false).await?,
            Way::Merge => {
                let _ = merged.follow(place, Some(Strategy::Merge)).await?;
            }
        }
        costs.ms[at].push(millis(began.elapsed()));
    }
    let [followed, plain, merge] = costs.ms.each_ref().map(|ms| ms.last().copied().unwrap_or_default());
    eprintln!(
        "tpch: {}, round {round}: {} {followed:.1} ms, plain {plain:.1} ms, merge {merge:.1} ms",
        ours.question.name, costs.ran
    );
    ours.check_with_theirs(&place.sql).await
}

/// The queries with their keys.
pub(crate) fn questions() -> Vec<Question> {
    let texts = QUERIES.split("-- q").skip(1);
    let question = |(text, (name, key)): (&str, (&str, &str))| {
        // The first line is the rest of the name.
        let query = text.split_once('\n').map_or("", |(_, query)| query).trim();
        let query =
            if key == ONE { query.replacen("select ", "select 1 as one, ", 1) } else { query.to_owned() };
        Question {
            name: name.to_owned(),
            query,
            key: key.split(", ").map(str::to_owned).collect(),
            rounded: None,
        }
    };
    texts.zip(KEYS).map(question).collect()
}

fn section(
    args: &Args,
    of_thousand: u32,
    changed: i64,
    rivals: &[(Contest, Contest)],
    costs: &[Costs],
) -> Section {
    let medians: Vec<[f64; 3]> =
        costs.iter().map(|costs| costs.ms.each_ref().map(|ms| median(ms.iter().copied()))).collect();
    let lines =
        rivals.iter().zip(&medians).zip(costs).map(|(((ours, _), [followed, plain, merge]), costs)| {
            vec![
                json!(ours.question.name),
                figure(*followed, 1),
                figure(*plain, 1),
                figure(*merge, 1),
                figure(plain / followed, 2),
                figure(merge / followed, 2),
                json!(costs.ran),
            ]
        });
    let slow: Vec<Value> = rivals
        .iter()
        .zip(&medians)
        .filter(|(_, [followed, plain, _])| *followed > 1.1 * plain)
        .map(|((ours, _), _)| json!(ours.question.name))
        .collect();
    let mut targets = vec![Target {
        what: "no query slower than 1.1 times a plain refresh",
        measured: format!("{} slower: {}", slow.len(), json!(slow)),
        reached: slow.is_empty(),
    }];
    if of_thousand == CHANGES[0] {
        let least =
            [0, 4, 8].map(|at| medians[at][1] / medians[at][0]).into_iter().fold(f64::INFINITY, f64::min);
        targets.push(Target {
            what: "q01, q05 and q09 at least 10 times faster",
            measured: format!("{least:.1} times"),
            reached: least >= 10.0,
        });
    }
    Section {
        title: format!("TPC-H: {} % of orders and their lines changed", f64::from(of_thousand) / 10.0),
        facts: json!({
            "scale": args.scale, "rounds": args.rounds, "strategy": args.strategy.to_string(), "rows_changed": changed,
        }),
        columns: vec![
            "query",
            "remat ms",
            "plain ms",
            "merge ms",
            "plain / remat",
            "merge / remat",
            "what ran",
        ],
        lines: lines.collect(),
        targets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_has_its_own_key() {
        let questions = questions();
        assert_eq!(questions.len(), 22);
        assert!(questions[21].query.contains("cntrycode") && questions[0].query.contains("l_returnflag"));
        assert!(questions[5].query.starts_with("select 1 as one, sum"));
        assert_eq!(questions[6].key, ["supp_nation", "cust_nation", "l_year"]);
    }
}
