//! A change log for each table of a schema, as simple as can be: triggers of the test itself.

use std::fmt::Write;

use remat_sql::maintain::Source;
use tokio_postgres::{Client, Error};

/// Makes a log for each table of the schema; the tables stand first in the search path.
pub(crate) async fn install(sql: &Client, schema: &str) -> Result<(), Error> {
    let tables =
        "select relname::text from pg_class where relkind = 'r' and relnamespace = $1::text::regnamespace";
    let mut script = "create table torn (name text);".to_owned();
    for row in sql.query(tables, &[&schema]).await? {
        let table: String = row.get(0);
        let _ = write!(
            script,
            "create table {schema}.ch_{table} as select 1 as w, t.* from {schema}.{table} t with no data;
             create function {schema}.log_{table}() returns trigger language plpgsql as $$ begin
             case tg_op
             when 'TRUNCATE' then insert into {schema}.torn values ('{table}');
             when 'INSERT' then insert into {schema}.ch_{table} select 1, n.* from new_rows n;
             when 'DELETE' then insert into {schema}.ch_{table} select -1, o.* from old_rows o;
             else insert into {schema}.ch_{table}
                  select -1, o.* from old_rows o union all select 1, n.* from new_rows n;
             end case;
             return null; end $$;
             create trigger i after insert on {schema}.{table} referencing new table as new_rows
                for each statement execute function {schema}.log_{table}();
             create trigger d after delete on {schema}.{table} referencing old table as old_rows
                for each statement execute function {schema}.log_{table}();
             create trigger u after update on {schema}.{table}
                referencing old table as old_rows new table as new_rows
                for each statement execute function {schema}.log_{table}();
             create trigger t after truncate on {schema}.{table}
                for each statement execute function {schema}.log_{table}();"
        );
    }
    sql.batch_execute(&script).await
}

/// What the logs say.
pub(crate) enum Changes {
    /// A log does not say what changed.
    Torn,
    /// The changes of each source, as a query in parentheses.
    Of(Vec<Option<String>>),
}

pub(crate) async fn changes(sql: &Client, schema: &str, sources: &[Source]) -> Result<Changes, Error> {
    if sql.query_one("select exists (select from torn)", &[]).await?.get(0) {
        return Ok(Changes::Torn);
    }
    let mut all = Vec::new();
    for source in sources {
        let log = format!("{schema}.ch_{}", source.relation.name);
        let changed: bool = sql.query_one(&format!("select exists (select from {log})"), &[]).await?.get(0);
        let columns = source.columns.iter().map(|name| format!(", {}", remat_sql::ir::quoted(name)));
        all.push(changed.then(|| format!("(select w{} from {log})", columns.collect::<String>())));
    }
    Ok(Changes::Of(all))
}

pub(crate) async fn clear(sql: &Client, schema: &str) -> Result<(), Error> {
    let logs = "select format('delete from %s', oid::regclass) from pg_class
                 where relkind = 'r' and relnamespace = $1::text::regnamespace and (relname like 'ch\\_%' or relname = 'torn')";
    let statements: Vec<String> = sql.query(logs, &[&schema]).await?.iter().map(|row| row.get(0)).collect();
    sql.batch_execute(&statements.join("; ")).await
}
