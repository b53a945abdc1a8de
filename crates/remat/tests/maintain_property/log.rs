//! A change log for each table of a schema, as simple as can be: triggers of the test itself.
//!
//! Law: it tells what each statement did, in the order in which it was done, and never what remains of it: a row that came and
//! went is told twice.

use std::{fmt::Write, iter};

use remat_sql::{ir::quoted, maintain::Source};

/// What all logs need, once for a database.
pub(crate) const PREPARE: &str = "
create function public.log_change() returns trigger language plpgsql as $$
declare log text := format('%I.%I', tg_table_schema, 'ch_' || tg_table_name);
begin
    case tg_op
        when 'TRUNCATE' then execute format('insert into %I.torn values (%L)', tg_table_schema, tg_table_name);
        when 'INSERT' then execute format('insert into %s select 1, n.* from new_rows n', log);
        when 'DELETE' then execute format('insert into %s select -1, o.* from old_rows o', log);
        else execute format('insert into %s select -1, o.* from old_rows o union all select 1, n.* from new_rows n', log);
    end case;
    return null;
end $$;";

/// Makes a log for each source.
pub(crate) fn create(sources: &[Source]) -> String {
    let mut script = "create table torn (name text);".to_owned();
    for source in sources {
        let table = &source.relation.name;
        let _ = write!(
            script,
            "create table ch_{table} as select 1 as remat_weight, t.* from {table} t with no data;
             create trigger i after insert on {table} referencing new table as new_rows
                for each statement execute function log_change();
             create trigger d after delete on {table} referencing old table as old_rows
                for each statement execute function log_change();
             create trigger u after update on {table} referencing old table as old_rows new table as new_rows
                for each statement execute function log_change();
             create trigger t after truncate on {table} for each statement execute function log_change();"
        );
    }
    script
}

/// The query that tells, as one text, whether a log is torn (`t` or `f`), and of each source whether it changed.
pub(crate) fn ask(sources: &[Source]) -> String {
    let logs = sources.iter().map(|source| format!("ch_{}", source.relation.name));
    let asked =
        iter::once("torn".to_owned()).chain(logs).map(|log| format!("exists (select from {log})::text"));
    let asked: Vec<_> = asked.map(|exists| format!("left({exists}, 1)")).collect();
    format!("select {}", asked.join(" || "))
}

/// The changes of a source, as a query in parentheses.
pub(crate) fn changes(schema: &str, source: &Source) -> String {
    let columns: Vec<_> = iter::once("remat_weight as remat_w".into())
        .chain(source.columns.iter().map(|name| quoted(name)))
        .collect();
    format!("(select {} from {schema}.ch_{})", columns.join(", "), source.relation.name)
}

/// Empties the logs.
pub(crate) fn clear(sources: &[Source]) -> String {
    let logs = sources.iter().map(|source| format!("delete from ch_{};", source.relation.name));
    logs.chain(["delete from torn;".to_owned()]).collect()
}
