//! The catalog of a small shop, whose views the server printed for the cases.

use remat_sql::catalog::{Catalog, Column, Overloads, QualifiedName, Relation, RelationKind, UniqueKey};

const RELATIONS: &[(&str, &str, RelationKind, &str, &[&str])] = &[
    (
        "shop",
        "users",
        RelationKind::Table,
        "id! bigint, handle! text, email text, country text, active! boolean, joined_at! timestamptz",
        &["id", "handle"],
    ),
    (
        "shop",
        "sales",
        RelationKind::Table,
        "id! bigint, user_id! bigint, cents! integer, note text, tags! text[], doc jsonb, sold_on! date, \
         sold_at! timestamptz, local_at timestamp, price numeric",
        &["id"],
    ),
    (
        "shop",
        "refunds",
        RelationKind::Table,
        "sale_id! bigint, seq! integer, cents! integer, made_at! timestamptz",
        &["sale_id seq"],
    ),
    ("shop", "moods", RelationKind::Table, "user_id! bigint, mood! shop.mood, pair shop.pair", &["user_id"]),
    ("shop", "totals", RelationKind::MaterializedView, "user_id bigint, cents bigint", &[]),
    ("shop", "events", RelationKind::Partitioned, "id! bigint, at! timestamptz, kind! text", &["id at"]),
    (
        "Od\"d",
        "T able",
        RelationKind::Table,
        "select! integer, Ünï text, a.b integer, x\"y numeric, $1 text",
        &["select"],
    ),
    (
        "pg_catalog",
        "pg_class",
        RelationKind::Table,
        "oid! oid, relname! name, relnamespace! oid, relkind! char",
        &["oid"],
    ),
    ("pg_catalog", "pg_namespace", RelationKind::Table, "oid! oid, nspname! name", &["oid"]),
];

const AGGREGATES: &[&str] =
    &["array_agg", "avg", "count", "max", "min", "mode", "percentile_cont", "rank", "string_agg", "sum"];

/// The catalog.
pub(crate) fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for (schema, name, kind, columns, keys) in RELATIONS {
        let relation = Relation {
            kind: *kind,
            columns: columns.split(", ").map(column).collect(),
            keys: keys.iter().map(|key| unique(key)).collect(),
        };
        catalog.relations.insert(QualifiedName::new(*schema, *name), relation);
    }
    for name in AGGREGATES {
        catalog.aggregates.insert(QualifiedName::system(*name), Overloads::Aggregates);
    }
    catalog.aggregates.insert(QualifiedName::new("shop", "both"), Overloads::Mixed);
    catalog
}

fn column(words: &str) -> Column {
    let (name, type_name) = words.split_once(' ').expect("a column has a type");
    let bare = name.trim_end_matches('!');
    Column { name: bare.to_owned(), type_name: type_name.to_owned(), not_null: bare != name }
}

fn unique(columns: &str) -> UniqueKey {
    UniqueKey { columns: columns.split(' ').map(str::to_owned).collect(), nulls_distinct: true }
}
