//! Loads the tables of TPC-H as its generator makes them, and changes them as its refresh functions do.

use std::{fmt::Display, io::Cursor, pin::pin};

use futures_util::SinkExt as _;
use tokio_postgres::Client;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

use crate::Outcome;

/// The tables with their primary keys, as the tests have them.
pub(crate) const TABLES: &str = include_str!("../../../crates/remat/tests/compiler/tpch_schema.sql");

/// What leads along the foreign keys: both sides have the use of it.
const INDEXES: &str = "
create index on tpch.lineitem (l_partkey, l_suppkey);
create index on tpch.lineitem (l_suppkey);
create index on tpch.orders (o_custkey);
create index on tpch.partsupp (ps_suppkey);
create index on tpch.supplier (s_nationkey);
create index on tpch.customer (c_nationkey);
create index on tpch.nation (n_regionkey);
vacuum (analyze);";

/// Text that is sent at once.
const CHUNK: usize = 1 << 18;

/// Makes all eight tables.
pub(super) async fn load(sql: &Client, scale: f64) -> Outcome {
    sql.batch_execute(TABLES).await?;
    copy(sql, "region", RegionGenerator::new(scale, 1, 1).iter()).await?;
    copy(sql, "nation", NationGenerator::new(scale, 1, 1).iter()).await?;
    copy(sql, "part", PartGenerator::new(scale, 1, 1).iter()).await?;
    copy(sql, "supplier", SupplierGenerator::new(scale, 1, 1).iter()).await?;
    copy(sql, "partsupp", PartSuppGenerator::new(scale, 1, 1).iter()).await?;
    copy(sql, "customer", CustomerGenerator::new(scale, 1, 1).iter()).await?;
    copy(sql, "orders", OrderGenerator::new(scale, 1, 1).iter()).await?;
    copy(sql, "lineitem", LineItemGenerator::new(scale, 1, 1).iter()).await?;
    for statement in INDEXES.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        sql.batch_execute(statement).await?;
    }
    Ok(())
}

async fn copy<R: Display>(sql: &Client, table: &str, rows: impl Iterator<Item = R>) -> Outcome {
    eprintln!("tpch: loading {table}");
    let sink = sql.copy_in(&format!("copy tpch.{table} from stdin (delimiter '|')")).await?;
    let mut sink = pin!(sink);
    let mut text = String::with_capacity(CHUNK + 1024);
    for row in rows {
        let line = row.to_string();
        // Each column ends with the delimiter, which COPY has between columns only.
        text += line.strip_suffix('|').unwrap_or(&line);
        text.push('\n');
        if text.len() > CHUNK {
            sink.send(Cursor::new(std::mem::take(&mut text).into_bytes())).await?;
        }
    }
    sink.send(Cursor::new(text.into_bytes())).await?;
    sink.finish().await?;
    Ok(())
}

/// Changes so many of a thousand orders, with their lines: half of them are new, half go. A new order has the
/// customer, the dates and the lines of an old one, and a key from the gaps that the generator leaves, as the refresh
/// functions of TPC-H use them. Gives the number of rows that changed.
pub(super) async fn change(sql: &Client, turn: u32, of_thousand: u32) -> Outcome<i64> {
    // Of 2^20 parts of the keys.
    let share = u64::from(of_thousand) * (1 << 20) / 2000;
    let (gap, last) = (8 * (1 + turn % 3), 2 * share);
    let part = format!("(hashint8extended(o_orderkey, {turn}) & 1048575)");
    let statement = format!(
        "with chosen as materialized (
           select o_orderkey as was, o_orderkey + {gap} as key from tpch.orders where {part} < {share} and o_orderkey & 31 < 8
         ), added as (
           insert into tpch.orders
           select c.key, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority, o_clerk, o_shippriority, o_comment
           from   chosen c join tpch.orders on o_orderkey = c.was
           on conflict do nothing
           returning o_orderkey
         ), lines as (
           insert into tpch.lineitem
           select c.key, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, l_returnflag,
                  l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode, l_comment
           from   chosen c join added a on a.o_orderkey = c.key join tpch.lineitem on l_orderkey = c.was
           returning 1
         ), gone as (
           delete from tpch.orders where {part} >= {share} and {part} < {last} returning o_orderkey
         ), lines_gone as (
           delete from tpch.lineitem using gone where l_orderkey = o_orderkey returning 1
         )
         select (select count(*) from added) + (select count(*) from lines) + (select count(*) from gone)
              + (select count(*) from lines_gone)"
    );
    let changed = sql.query_one(&statement, &[]).await?.get(0);
    sql.batch_execute("analyze tpch.orders; analyze tpch.lineitem").await?;
    Ok(changed)
}
