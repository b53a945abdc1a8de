//! The statements that make, widen and take away a capture: values in, text out.
//!
//! Law: nothing of a writer's session has a say in what the trigger does. It has no `set` clause, which would cost each
//! statement, so every name in it is qualified, operators too. It names no column: it takes them by their place, which no
//! rename changes, after asking whether they stand there. Only names of remat's own and numbers enter its text.

use super::{
    Part, in_log, log_of, part_of,
    table::{Column, Level, Table},
};
use crate::name::{Identifier, RelationName};

/// How remat's triggers on a table are fired, and the images that each has.
const EVENTS: [(&str, &str); 4] = [
    ("insert", "referencing new table as remat_new"),
    ("update", "referencing old table as remat_old new table as remat_new"),
    ("delete", "referencing old table as remat_old"),
    ("truncate", ""),
];

/// The argument of a trigger that reads no images.
const RESET: &str = "'reset'";

/// A log is written and deleted all the time, whatever its size.
const LOG_OPTIONS: &str = "with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, \
     autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000, \
     autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000)";

/// What keeps all writers away, and with a log that exists its readers, too.
pub(super) fn lock(root: &Level, log: Option<i64>) -> Vec<String> {
    let tables = format!("lock table {} in share row exclusive mode", root.name.to_sql());
    let log = log.map(|id| format!("lock table {} in access exclusive mode", log_of(id).to_sql()));
    [tables].into_iter().chain(log).collect()
}

/// Makes a capture of these columns, whatever is left of one.
pub(super) fn create(id: i64, table: &Table, columns: &[i16]) -> Vec<String> {
    let own = [
        "xid pg_catalog.xid8 not null default pg_catalog.pg_current_xact_id()",
        "sign pg_catalog.int2 not null",
    ];
    let captured = table.columns_of(columns).map(in_log_table);
    let all: Vec<String> = own.map(str::to_owned).into_iter().chain(captured).collect();
    let mut statements = vec![format!("drop view if exists {}", log_of(id).to_sql())];
    for part in Part::ALL {
        let name = part_of(id, part).to_sql();
        statements.extend([
            // With a view of it that somebody has renamed.
            format!("drop table if exists {name} cascade"),
            format!("create table {name} ({}) {LOG_OPTIONS}", all.join(", ")),
            // A publication of all tables would forbid to delete rows without an identity.
            format!("alter table {name} replica identity full"),
            format!("revoke all on {name} from public"),
        ]);
    }
    // Writers pay for an index with every row, so where they write there is none.
    statements.push(format!("create index on {} (xid)", part_of(id, Part::Old).to_sql()));
    statements.extend(join_parts(id));
    statements.extend(hold_columns(id, table, columns));
    statements.extend(make_trigger_function(id, table, columns));
    for level in &table.levels {
        statements.extend(triggers(id, level, table.is_alike(level)));
    }
    statements.extend(watch_for_strangers(id, table));
    for part in Part::ALL {
        statements.extend(trigger(id, &part_of(id, part), "truncate", "", RESET));
    }
    statements
}

/// Adds the columns after the first `known` ones to a capture that is sound.
pub(super) fn widen(id: i64, table: &Table, columns: &[i16], known: usize) -> Vec<String> {
    let added: Vec<String> = table.columns_of(&columns[known..]).map(in_log_table).collect();
    let add = |part| {
        let name = part_of(id, part).to_sql();
        added.iter().map(move |column| format!("alter table {name} add column {column}"))
    };
    let mut statements: Vec<String> = Part::ALL.into_iter().flat_map(add).collect();
    statements.extend(join_parts(id));
    statements.extend(hold_columns(id, table, columns));
    statements.extend(make_trigger_function(id, table, columns));
    statements
}

/// Takes a capture away, with its triggers on these relations.
pub(super) fn drop_all(id: i64, triggers: &[(Identifier, RelationName)]) -> Vec<String> {
    // Writers are kept away first, with a lock that those who only look at the parent of a partition do not wait for.
    let mut tables: Vec<String> = triggers.iter().map(|(_, table)| table.to_sql()).collect();
    tables.dedup();
    let lock = format!("lock table {} in share row exclusive mode", tables.join(", "));
    let lock = (!tables.is_empty()).then_some(lock);
    let triggers =
        triggers.iter().map(|(name, table)| format!("drop trigger {} on {}", name.to_sql(), table.to_sql()));
    let rest = [
        format!("drop view if exists {}", log_of(id).to_sql()),
        format!("drop table if exists {} cascade", part_of(id, Part::New).to_sql()),
        format!("drop table if exists {} cascade", part_of(id, Part::Old).to_sql()),
        format!("drop function if exists {}", trigger_function(id).to_sql()),
        format!("drop function if exists {}", stranger_function(id).to_sql()),
        format!("drop view if exists {}", holder(id).to_sql()),
    ];
    lock.into_iter().chain(triggers).chain(rest).collect()
}

/// The trigger function of a capture.
pub(super) fn trigger_function(id: i64) -> RelationName {
    in_log(format!("capture_{id}"))
}

/// The function of the triggers on partitions that the capture does not know.
pub(super) fn stranger_function(id: i64) -> RelationName {
    in_log(format!("stranger_{id}"))
}

/// The view that holds the captured columns.
fn holder(id: i64) -> RelationName {
    in_log(format!("v{id}"))
}

/// A column as the log has it: of the very same type, so that no value is converted.
fn in_log_table(column: &Column) -> String {
    let collation = column.collation.as_ref().map(|name| format!(" collate {}", name.to_sql()));
    format!("a{} {}{}", column.number, column.data_type, collation.unwrap_or_default())
}

/// The log as its readers have it. The columns of a capture that is widened come behind those that it had, so the view
/// keeps its identity, and its readers their rights.
fn join_parts(id: i64) -> [String; 2] {
    let [log, new, old] =
        [log_of(id), part_of(id, Part::New), part_of(id, Part::Old)].map(|name| name.to_sql());
    [
        format!("create or replace view {log} as select * from {new} union all select * from {old}"),
        format!("revoke all on {log} from public"),
    ]
}

/// Nobody reads this view: it stands in the way of who would drop a captured column or change its type, as a view of the user's
/// would, and goes with a cascade.
fn hold_columns(id: i64, table: &Table, columns: &[i16]) -> [String; 3] {
    let name = holder(id).to_sql();
    let held = |column: &Column| format!("{} as a{}", column.name.to_sql(), column.number);
    let held: Vec<String> = table.columns_of(columns).map(held).collect();
    [
        format!("drop view if exists {name}"),
        format!("create view {name} as select {} from {}", held.join(", "), table.root().name.to_sql()),
        format!("revoke all on {name} from public"),
    ]
}

/// Logs the images of a statement. It does nothing on a partition that was detached, and where nobody can write the log
/// any more. Where a column may have another place or type, it does not touch the images and says that anything may have
/// changed. What usually holds is asked at once: to prepare each expression costs a writer's transaction more than to
/// evaluate it.
fn make_trigger_function(id: i64, table: &Table, columns: &[i16]) -> [String; 2] {
    let (name, root) = (trigger_function(id).to_sql(), table.root().oid);
    // Names of remat's own, which need no quotes.
    let (log, holder) = (part_of(id, Part::New).to_string(), holder(id).to_string());
    let layout = table.layout(columns);
    let held = format!("pg_catalog.to_regclass('{holder}') is not null");
    let unmoved: Vec<String> = [held].into_iter().chain(stand(root, &layout, columns)).collect();
    let unmoved = unmoved.join("\n     and ");
    let (old, new) = (images("remat_old", -1, &layout, columns), images("remat_new", 1, &layout, columns));
    let belongs = format!("tg_relid operator(pg_catalog.=) {root}::pg_catalog.oid");
    // A partition is asked about apart, so that a table that has none does not pay for it.
    let belongs = if table.levels.len() == 1 {
        belongs
    } else {
        format!(
            "({belongs} or pg_catalog.pg_partition_root(tg_relid)::pg_catalog.oid operator(pg_catalog.=) {root}::pg_catalog.oid)"
        )
    };
    let writable = writable(&log);
    let body = format!(
        "
begin
  if tg_nargs operator(pg_catalog.=) 0
     and {belongs}
     and {writable}
     and {unmoved} then
    if tg_op operator(pg_catalog.=) 'INSERT' then
      insert into {log} {new};
      return null;
    elsif tg_op operator(pg_catalog.=) 'UPDATE' then
      insert into {log} {old} union all {new};
      return null;
    elsif tg_op operator(pg_catalog.=) 'DELETE' then
      insert into {log} {old};
      return null;
    end if;
  end if;
  if ({belongs} or tg_table_schema operator(pg_catalog.=) 'remat_log')
     and {writable} then
    insert into {log} (sign) values (0);
  end if;
  return null;
end
"
    );
    [
        format!(
            "create or replace function {name}() returns trigger language plpgsql security definer as $remat${body}$remat$"
        ),
        format!("revoke all on function {name}() from public"),
    ]
}

/// True where whoever runs the trigger's function can write this log, which may be gone.
fn writable(log: &str) -> String {
    format!(
        "pg_catalog.to_regnamespace('remat_log') is not null
     and pg_catalog.has_schema_privilege('remat_log', 'usage')
     and pg_catalog.has_table_privilege(pg_catalog.to_regclass('{log}')::pg_catalog.oid, 'insert')"
    )
}

/// Of a partition that comes, is written to and goes again, nothing stays that the fingerprint could show, and statements
/// that name the table log its rows like all others. The one thing that the server gives to a partition as it comes is
/// the row triggers of what it comes below. So there is one, which logs that anything may have changed, and which is
/// disabled on the partitions that are known.
fn watch_for_strangers(id: i64, table: &Table) -> Vec<String> {
    if !table.root().is_partitioned() {
        return Vec::new();
    }
    let (function, root) = (stranger_function(id).to_sql(), table.root().name.to_sql());
    let (root_oid, log) = (table.root().oid, part_of(id, Part::New).to_string());
    let writable = writable(&log);
    let body = format!(
        "
begin
  if pg_catalog.pg_partition_root(tg_relid)::pg_catalog.oid operator(pg_catalog.=) {root_oid}::pg_catalog.oid
     and {writable} then
    insert into {log} (sign) values (0);
  end if;
  return null;
end
"
    );
    let made = [
        format!(
            "create or replace function {function}() returns trigger language plpgsql security definer as $remat${body}$remat$"
        ),
        // Whoever makes a partition must be able to, for that makes a trigger; elsewhere it does nothing.
        format!("grant execute on function {function}() to public"),
        format!(
            "create or replace trigger remat_{id}_stranger after insert or update or delete on {root} \
             for each row execute function {function}()"
        ),
    ];
    let (above, leaves): (Vec<_>, Vec<_>) = table.levels.iter().partition(|level| level.is_partitioned());
    let set = |how: &'static str| {
        move |level: &Level| format!("alter table {} {how} trigger remat_{id}_stranger", level.name.to_sql())
    };
    // The leaves last: on what is above, some servers do the same to everything below.
    let above = above.into_iter().map(set("enable always"));
    made.into_iter().chain(above).chain(leaves.into_iter().map(set("disable"))).collect()
}

/// Rows of the log, in the order of its columns, from the rows of a transition table.
fn images(rows: &str, sign: i16, layout: &[i16], columns: &[i16]) -> String {
    let numbered = |numbers: &[i16], prefix: &str| -> Vec<String> {
        numbers.iter().map(|number| format!("{prefix}{number}")).collect()
    };
    let own = ["pg_catalog.pg_current_xact_id()".to_owned(), format!("'{sign}'::pg_catalog.int2")];
    let taken: Vec<String> = own.into_iter().chain(numbered(columns, "n.a")).collect();
    let places = match layout {
        [] => String::new(),
        layout => format!("({})", numbered(layout, "a").join(", ")),
    };
    format!("select {} from {rows} n{places}", taken.join(", "))
}

/// What asks the server whether each column stands that comes before a captured one without being captured. It asks for a
/// privilege because the answer is null when the column is gone, and comes from what the server's parser will look at, too; a
/// query of the catalog would see what the writer's snapshot sees.
fn stand(root: u32, layout: &[i16], columns: &[i16]) -> Vec<String> {
    let others = layout.iter().filter(|number| !columns.contains(number));
    others
        .map(|number| {
            let column = format!("{root}::pg_catalog.oid, {number}::pg_catalog.int2");
            format!("pg_catalog.has_column_privilege({column}, 'select') is not null")
        })
        .collect()
}

/// The triggers of one level. Where its columns stand in another order than the table's own, a direct write is not
/// read row by row: it says that anything may have changed.
fn triggers(id: i64, level: &Level, is_alike: bool) -> Vec<String> {
    let each = |(event, images): &(&str, &str)| {
        let (images, argument) = if is_alike { (*images, "") } else { ("", RESET) };
        trigger(id, &level.name, event, images, argument)
    };
    EVENTS.iter().flat_map(each).collect()
}

/// A trigger that no setting of a session bypasses.
fn trigger(id: i64, on: &RelationName, event: &str, images: &str, argument: &str) -> [String; 2] {
    let (name, table, function) = (format!("remat_{id}_{event}"), on.to_sql(), trigger_function(id).to_sql());
    [
        format!(
            "create or replace trigger {name} after {event} on {table} {images} \
             for each statement execute function {function}({argument})"
        ),
        format!("alter table {table} enable always trigger {name}"),
    ]
}
