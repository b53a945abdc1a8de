//! The queries of TPC-H, on little data in which none is empty for long. Those that end with a limit are followed without it: the limit is
//! a stage of its own.

use remat_sql::maintain::scope;

use crate::{
    chance::Chance,
    world::{Kept, World},
};

const SCHEMA: &str = include_str!("../compiler/tpch_schema.sql");
const DATA: &str = include_str!("tpch_data.sql");
const QUERIES: &str = include_str!("../compiler/tpch.sql");

/// The keys of the queries, and the codes of those that scope cannot follow.
const KEYS: [(&str, &str); 22] = [
    ("q01", "l_returnflag, l_linestatus"),
    ("q02", "p_partkey, s_name"),
    ("q03", "l_orderkey"),
    ("q04", "o_orderpriority"),
    ("q05", "n_name"),
    ("q06", "R022"),
    ("q07", "supp_nation, cust_nation, l_year"),
    ("q08", "o_year"),
    ("q09", "nation, o_year"),
    ("q10", "c_custkey"),
    ("q11", "ps_partkey"),
    ("q12", "l_shipmode"),
    ("q13", "R022"),
    ("q14", "R022"),
    ("q15", "s_suppkey"),
    ("q16", "p_brand, p_type, p_size"),
    ("q17", "R022"),
    ("q18", "o_orderkey"),
    ("q19", "R022"),
    ("q20", "s_name"),
    ("q21", "s_name"),
    ("q22", "cntrycode"),
];

/// The text of a query without its last line's limit.
fn unlimited(text: &str) -> &str {
    text.split(" limit ").next().unwrap()
}

#[tokio::test]
async fn the_queries_of_tpch_follow_random_changes() {
    let world = World::open(&[SCHEMA, &format!("set search_path = tpch;\n{DATA}")]).await;
    let mut kept: Vec<Kept> = Vec::new();
    let queries: Vec<&str> = QUERIES.trim().split("\n\n").collect();
    for (query, (name, key)) in queries.iter().zip(KEYS) {
        let (line, text) = query.split_once('\n').unwrap();
        assert_eq!(line, format!("-- {name}"));
        world.run("set search_path = tpch, public").await;
        if key.starts_with('R') {
            let first = world
                .text(&format!("select (json_object_keys(row_to_json(q))) from ({text}) q limit 1"))
                .await;
            let refused = world.keep(name, text, &format!("\"{first}\""), scope::plan).await;
            let code = refused.err().map(|rejection| rejection.code.as_str());
            assert_eq!(code, Some(key), "{name}");
        } else {
            let one = world.keep(name, unlimited(text), key, scope::plan).await;
            kept.push(one.unwrap_or_else(|rejection| panic!("{name}: {rejection:?}")));
        }
    }
    world.run("set search_path = tpch, public").await;
    for one in &kept {
        world.fill(one, "2026-01-01").await;
    }
    let mut chance = Chance::new(3);
    let mut rows = vec![0; kept.len()];
    for round in 0..8 {
        let statements: Vec<String> = (0..=chance.below(4)).map(|_| chance.tpch_statement()).collect();
        world.run(&statements.join(";\n")).await;
        for (one, rows) in kept.iter().zip(&mut rows) {
            let done = world.refresh(one, "2026-01-01").await;
            assert!(
                done.wrong.is_none(),
                "round {round}\n{}\n{}",
                statements.join(";\n"),
                done.wrong.unwrap()
            );
            *rows = done.rows.max(*rows);
        }
        world.forget().await;
    }
    let empty: Vec<&str> =
        kept.iter().zip(&rows).filter(|(_, rows)| **rows == 0).map(|(one, _)| &*one.name).collect();
    assert!(empty.is_empty(), "always empty: {empty:?}");
}
