//! What reads what: base tables, plain views, and materialized views whether remat manages them or not.
//!
//! Law: the edges are those that the catalog knows. What a function reads inside its body is none of them.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use tokio_postgres::Row;

use crate::{error::Error, name::RelationName, pg::Session};

/// A relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its object id.
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// What it is.
    pub kind: Kind,
    /// The row of `remat.views`, where remat manages it.
    pub view_id: Option<i64>,
    /// The relations that it reads directly.
    pub reads: Vec<u32>,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A table, or a partitioned one.
    Table,
    /// A plain view.
    View,
    /// A materialized view, or a managed table.
    Materialized,
    /// A table of another server.
    Foreign,
}

/// What each rule of a view names, in one statement for all: only catalogs of the server are left out.
const EDGES: &str = "
    select distinct w.ev_class, d.refobjid
    from   pg_catalog.pg_rewrite w
    join   pg_catalog.pg_class c on c.oid = w.ev_class
    join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
                                     and n.nspname not in ('pg_catalog', 'information_schema', 'remat')
    join   pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
                                  and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> w.ev_class";

/// Which relation a row of `remat.views` stands for, and the view in `remat_query` that keeps its query, if there is one.
const STANDING: &str = "
    select v.id, c.oid, q.oid
    from   remat.views v
    join   pg_catalog.pg_namespace n on n.nspname = v.schema_name
    join   pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = v.view_name
    left   join pg_catalog.pg_namespace qn on qn.nspname = 'remat_query'
    left   join pg_catalog.pg_class q on q.relnamespace = qn.oid and q.relname = 'v' || v.id and q.relkind = 'v'
    where  v.retired_at is null";

/// Every relation that could stand in the graph.
const RELATIONS: &str = "
    select c.oid, n.nspname::text, c.relname::text, c.relkind::text
    from   pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where  c.relkind in ('r', 'p', 'v', 'm', 'f')
    and    n.nspname not in ('pg_catalog', 'information_schema', 'remat', 'remat_log', 'pg_toast')
    and    n.nspname !~ '^pg_temp'
    order  by n.nspname, c.relname";

/// Every relation that a materialized view reads, and these, by name. A managed table has no rule of its own: the view in
/// `remat_query` that keeps its query is looked through.
pub async fn nodes(session: &Session) -> Result<Vec<Node>, Error> {
    let mut reads: HashMap<u32, Vec<u32>> = HashMap::new();
    for row in session.query(EDGES, &[]).await? {
        reads.entry(row.get(0)).or_default().push(row.get(1));
    }
    let mut managed: HashMap<u32, i64> = HashMap::new();
    for row in session.query(STANDING, &[]).await? {
        let (view_id, relation, written): (i64, u32, Option<u32>) = (row.get(0), row.get(1), row.get(2));
        managed.insert(relation, view_id);
        if let Some(named) = written.and_then(|written| reads.remove(&written)) {
            reads.entry(relation).or_default().extend(named);
        }
    }
    let rows = session.query(RELATIONS, &[]).await?;
    let known: HashMap<u32, &Row> = rows.iter().map(|row| (row.get(0), row)).collect();
    let first = rows.iter().filter(|row| row.get::<_, &str>(3) == "m").map(|row| row.get(0));
    let mut edge: Vec<u32> = first.chain(managed.keys().copied()).collect();
    let mut reached: HashSet<u32> = HashSet::new();
    while let Some(oid) = edge.pop() {
        if known.contains_key(&oid) && reached.insert(oid) {
            edge.extend(reads.get(&oid).into_iter().flatten());
        }
    }
    let shown = rows.iter().filter(|row| reached.contains(&row.get(0)));
    shown.map(|row| node(row, &managed, &reads, &reached)).collect()
}

fn node(
    row: &Row,
    managed: &HashMap<u32, i64>,
    reads: &HashMap<u32, Vec<u32>>,
    reached: &HashSet<u32>,
) -> Result<Node, Error> {
    let oid: u32 = row.get(0);
    let view_id = managed.get(&oid).copied();
    let kind = match (row.get::<_, &str>(3), view_id) {
        (_, Some(_)) | ("m", None) => Kind::Materialized,
        ("v", None) => Kind::View,
        ("f", None) => Kind::Foreign,
        (_, None) => Kind::Table,
    };
    let mut reads: Vec<u32> = reads.get(&oid).cloned().unwrap_or_default();
    reads.retain(|read| reached.contains(read) && *read != oid);
    reads.sort_unstable();
    reads.dedup();
    let name = RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2))?;
    Ok(Node { oid, name, kind, view_id, reads })
}
