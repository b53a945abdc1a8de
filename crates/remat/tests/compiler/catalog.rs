//! The catalog of a database, as much of it as the compiler is told.

use std::collections::BTreeMap;

use remat_sql::catalog::{Catalog, Column, Overloads, QualifiedName, Relation, RelationKind, UniqueKey};
use tokio_postgres::Client;

const COLUMNS: &str = "
select n.nspname, c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname like $1
 order by c.oid, a.attnum";

const KEYS: &str = "
select n.nspname, c.relname, array_agg(a.attname order by k.n)::text[]
  from pg_index i
  join pg_class c on c.oid = i.indrelid
  join pg_namespace n on n.oid = c.relnamespace
 cross join lateral unnest(i.indkey::int2[]) with ordinality k (attnum, n)
  join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
 where i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
   and k.n <= i.indnkeyatts and n.nspname like $1
 group by n.nspname, c.relname, i.indexrelid, i.indisprimary
 order by i.indisprimary desc, i.indexrelid";

const AGGREGATES: &str = "
select n.nspname, p.proname, bool_and(p.prokind in ('a', 'w'))
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
 group by n.nspname, p.proname
having bool_or(p.prokind = 'a')";

pub(crate) async fn read(sql: &Client) -> Catalog {
    let mut catalog = Catalog { relations: relations(sql, "%").await, ..Catalog::default() };
    for row in sql.query(AGGREGATES, &[]).await.unwrap() {
        let name = QualifiedName::new(row.get::<_, &str>(0), row.get::<_, &str>(1));
        let overloads = if row.get(2) { Overloads::Aggregates } else { Overloads::Mixed };
        catalog.aggregates.insert(name, overloads);
    }
    catalog
}

/// The relations of the schemas whose name is like this.
pub(crate) async fn relations(sql: &Client, schemas: &str) -> BTreeMap<QualifiedName, Relation> {
    let mut relations = BTreeMap::new();
    for row in sql.query(COLUMNS, &[&schemas]).await.unwrap() {
        let kind = match row.get(2) {
            "p" => RelationKind::Partitioned,
            "v" => RelationKind::View,
            "m" => RelationKind::MaterializedView,
            "f" => RelationKind::Foreign,
            _ => RelationKind::Table,
        };
        let name = QualifiedName::new(row.get::<_, &str>(0), row.get::<_, &str>(1));
        let empty = || Relation { kind, columns: Vec::new(), keys: Vec::new() };
        let relation = relations.entry(name).or_insert_with(empty);
        relation.columns.push(Column { name: row.get(3), type_name: row.get(4), not_null: row.get(5) });
    }
    for row in sql.query(KEYS, &[&schemas]).await.unwrap() {
        let name = QualifiedName::new(row.get::<_, &str>(0), row.get::<_, &str>(1));
        let key = UniqueKey { columns: row.get(2), nulls_distinct: true };
        // Tables of the server's own for long values are in `pg_index` and not among the relations.
        if let Some(relation) = relations.get_mut(&name) {
            relation.keys.push(key);
        }
    }
    relations
}
