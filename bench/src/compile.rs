//! How long the compiler takes for each view of the example and of TPC-H, from the text that the server prints.
//!
//! Law: what the server answers is fetched before; reading and compiling are measured, and nothing else.

use std::{collections::BTreeMap, fmt::Write as _, time::Instant};

use remat_sql::{
    catalog::{Catalog, Column},
    maintain::{Types, View, compile, questions},
    read,
};
use serde_json::json;
use tokio_postgres::Client;

use crate::{
    Outcome,
    contest::Question,
    measure::{median, millis, quantile},
    place::Place,
    report::{Section, Target, figure},
    skyflow, tpch,
};

#[path = "../../crates/remat/tests/compiler/catalog.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "the tests' own, where a panic is right")]
mod catalog;

/// How often each is compiled.
const RUNS: usize = 101;

/// Compiles all of them, over tables without rows.
pub(crate) async fn measure(place: &Place) -> Outcome<Section> {
    let sql = &place.sql;
    if sql.query_one("select to_regclass('public.timeline_analyses') is null", &[]).await?.get(0) {
        skyflow::make_tables(sql).await?;
    }
    if sql.query_one("select to_regnamespace('tpch') is null", &[]).await?.get(0) {
        sql.batch_execute(tpch::TABLES).await?;
    }
    let known = catalog::read(sql).await;
    let mut lines = Vec::new();
    let mut worst: f64 = 0.0;
    for (path, question) in skyflow::questions()?
        .into_iter()
        .map(|one| ("public", one))
        .chain(tpch::questions().into_iter().map(|one| ("tpch", one)))
    {
        let (ms, verdict) = one(sql, &known, path, &question).await?;
        worst = worst.max(median(ms.iter().copied()));
        lines.push(vec![
            json!(question.name),
            figure(median(ms.iter().copied()), 2),
            figure(quantile(ms.iter().copied(), 0.99), 2),
            json!(verdict),
        ]);
    }
    Ok(Section {
        title: "compiling a view".into(),
        facts: json!({ "runs": RUNS }),
        columns: vec!["view", "median ms", "p99 ms", "outcome"],
        lines,
        targets: vec![Target {
            what: "each view in less than 10 ms",
            measured: format!("{worst:.1} ms at most"),
            reached: worst < 10.0,
        }],
    })
}

async fn one(sql: &Client, known: &Catalog, path: &str, question: &Question) -> Outcome<(Vec<f64>, String)> {
    let (text, columns) = printed(sql, path, &question.query).await?;
    let query = read(&text, known).map_err(|refusal| format!("{}: {refusal:?}", question.name))?;
    let types = {
        let nothing = Types::new();
        let view =
            View { query: &query, catalog: known, columns: &columns, key: &question.key, types: &nothing };
        answers(sql, view).await?
    };
    let mut ms = Vec::new();
    let mut verdict = String::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        let query = read(&text, known).map_err(|refusal| format!("{refusal:?}"))?;
        let view =
            View { query: &query, catalog: known, columns: &columns, key: &question.key, types: &types };
        let compiled = compile(view);
        ms.push(millis(began.elapsed()));
        verdict.clear();
        match compiled {
            Ok(plan) => write!(verdict, "{} stages", plan.stages.len())?,
            Err(refusal) => write!(verdict, "refused: {}", refusal.construct)?,
        }
    }
    Ok((ms, verdict))
}

/// The query as the server prints it with full names, and its columns.
async fn printed(sql: &Client, path: &str, query: &str) -> Outcome<(String, Vec<Column>)> {
    let make =
        format!("set search_path = {path}; create temp view compiled as {query}; set search_path = ''");
    sql.batch_execute(&make).await?;
    let text = sql.query_one("select pg_get_viewdef('pg_temp.compiled'::regclass)", &[]).await?.get(0);
    let columns = "select attname::text, format_type(atttypid, atttypmod) from pg_attribute
                   where attrelid = 'pg_temp.compiled'::regclass and attnum > 0 order by attnum";
    let column =
        |row: &tokio_postgres::Row| Column { name: row.get(0), type_name: row.get(1), not_null: false };
    let columns = sql.query(columns, &[]).await?.iter().map(column).collect();
    sql.batch_execute("drop view pg_temp.compiled").await?;
    Ok((text, columns))
}

async fn answers(sql: &Client, view: View<'_>) -> Outcome<Types> {
    let mut types = Types::new();
    loop {
        let asked = questions(View { types: &types, ..view });
        if asked.is_empty() {
            return Ok(types);
        }
        let mut answers = BTreeMap::new();
        for question in asked {
            let statement = sql.prepare(&question).await?;
            let mut names = Vec::new();
            for column in statement.columns() {
                let name = "select format_type($1, null)";
                names.push(sql.query_one(name, &[&column.type_().oid()]).await?.get(0));
            }
            answers.insert(question, names);
        }
        types.extend(answers);
    }
}
