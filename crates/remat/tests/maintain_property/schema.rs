//! Tables, their change logs, and what is written to them, in words.
//!
//! Law: no statement fails, whatever stands in the tables.

use remat_sql::ir::quoted;

use super::{
    case::{Case, Row, Table, TableKey, Which, Work},
    kind::Kind,
    scope::{Relation, Value},
};

/// Names that a compiler may use itself, or must quote.
const NAMES: [[&str; 4]; 4] = [
    ["c1", "c2", "c3", "c4"],
    ["k0", "e0", "n", "place"],
    ["C 1", "é\"'", "select", "$1"],
    ["w", "present", "ctid_", "t"],
];

fn name(case: &Case, place: usize) -> String {
    quoted(NAMES[usize::from(case.names) % NAMES.len()][place])
}

/// The columns of a table, those of its key first.
fn columns(case: &Case, table: &Table) -> Vec<(String, Kind, bool)> {
    let key = match table.key {
        TableKey::Id => &["id"][..],
        TableKey::Pair => &["id", "sub"],
        TableKey::None => &[],
    };
    let key = key.iter().map(|&name| (name.to_owned(), Kind::Int, false));
    let fields = table.columns.iter().enumerate();
    key.chain(fields.map(|(n, field)| (name(case, n), field.kind, field.nullable))).collect()
}

/// The tables as what stands in FROM.
pub(crate) fn relations(case: &Case) -> Vec<Relation> {
    let relation = |(n, table): (usize, &Table)| {
        let columns = columns(case, table);
        let key = columns.len() - table.columns.len();
        let columns = columns.into_iter().map(|(name, kind, nullable)| Value::new(name, kind, nullable));
        Relation {
            sql: format!("t{n}"),
            columns: columns.collect(),
            key: (key > 0).then(|| (0..key).collect()),
        }
    };
    case.tables.iter().enumerate().map(relation).collect()
}

/// The statements that make the tables, with their rows.
pub(crate) fn create(case: &Case) -> Vec<String> {
    let mut statements = Vec::new();
    for (n, table) in case.tables.iter().enumerate() {
        let told: Vec<_> = columns(case, table)
            .iter()
            .map(|(name, kind, nullable)| {
                format!("{name} {}{}", kind.sql(), if *nullable { "" } else { " not null" })
            })
            .collect();
        let key = match table.key {
            TableKey::Id => ", primary key (id)",
            TableKey::Pair => ", primary key (id, sub)",
            TableKey::None => "",
        };
        statements.push(format!("create table t{n} ({}{key})", told.join(", ")));
        statements.extend(insert(n, table, &table.rows));
    }
    statements
}

fn insert(n: usize, table: &Table, rows: &[Row]) -> Option<String> {
    let rows: Vec<_> = rows.iter().map(|row| format!("({})", values(table, *row).join(", "))).collect();
    (!rows.is_empty()).then(|| format!("insert into t{n} values {} on conflict do nothing", rows.join(", ")))
}

fn values(table: &Table, row: Row) -> Vec<String> {
    let key = match table.key {
        TableKey::Id => vec![(row[0] % 12).to_string()],
        TableKey::Pair => vec![(row[0] % 6).to_string(), (row[1] % 3).to_string()],
        TableKey::None => Vec::new(),
    };
    let fields = table.columns.iter().zip(&row[2..]);
    key.into_iter().chain(fields.map(|(field, &gene)| value(field.kind, field.nullable, gene))).collect()
}

fn value(kind: Kind, nullable: bool, gene: u8) -> String {
    if nullable && gene >= 190 { "null".into() } else { kind.literal(gene) }
}

/// The statements of a piece of work.
pub(crate) fn work(case: &Case, work: &Work) -> Vec<String> {
    let one = |pick: u8| {
        let n = usize::from(pick) % case.tables.len();
        (n, &case.tables[n])
    };
    match work {
        Work::Insert { table, rows } => {
            let (n, table) = one(*table);
            insert(n, table, rows).into_iter().collect()
        }
        Work::Delete { table, which } => {
            let (n, table) = one(*table);
            vec![format!("delete from t{n}{}", condition(case, table, which))]
        }
        Work::Update { table, which, column, value: gene } => {
            let (n, table) = one(*table);
            let place = usize::from(*column) % table.columns.len();
            let field = &table.columns[place];
            let value = value(field.kind, field.nullable, *gene);
            vec![format!("update t{n} set {} = {value}{}", name(case, place), condition(case, table, which))]
        }
        Work::UpdateKey { table, from, to } => {
            let (n, table) = one(*table);
            let sql = format!(
                "update t{n} set id = {to} where id = {from} and not exists (select from t{n} where id = {to})"
            );
            if table.key == TableKey::None { Vec::new() } else { vec![sql] }
        }
        Work::Truncate { table } => vec![format!("truncate t{}", one(*table).0)],
        Work::Undone(all) => {
            let inner = all.iter().flat_map(|one| self::work(case, one));
            let begin = std::iter::once("savepoint s".to_owned());
            begin.chain(inner).chain(["rollback to savepoint s".to_owned()]).collect()
        }
    }
}

fn condition(case: &Case, table: &Table, which: &Which) -> String {
    let column = |pick: u8, gene: u8| {
        let place = usize::from(pick) % table.columns.len();
        let kind = table.columns[place].kind;
        if kind.is_passed_on() {
            return format!(" where {} is null", name(case, place));
        }
        format!(" where {} = {}", name(case, place), kind.literal(gene))
    };
    match which {
        Which::All => String::new(),
        Which::Id(id) if table.key == TableKey::None => column(*id, *id),
        Which::Id(id) => format!(" where id = {id}"),
        Which::Column(pick, gene) => column(*pick, *gene),
    }
}
