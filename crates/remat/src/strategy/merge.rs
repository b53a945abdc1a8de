//! Compares the query with a managed table and writes only the difference.
//!
//! The query's result is staged once, joined with the table on the key, and only rows whose image differs are
//! deleted, updated or inserted. Whole rows are compared with `*<>`, the operator of REFRESH CONCURRENTLY itself: it
//! needs no equality operator and tells 1.0 from 1.00. A key that is not unique shows as a count that does not add up,
//! or as a duplicate in the table's own key; a NULL in it as a NOT NULL violation. The statements are a [`Program`],
//! which the SQL interface can run too.

use std::time::Instant;

use serde::Serialize;

use super::{Report, Work, key};
use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName, list_to_sql},
    store::runs::Rows,
};

/// The statements of one merge, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Program(Vec<Statement>);

/// One statement, and what its row count means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Statement {
    phase: &'static str,
    sql: String,
    counts: Option<Counts>,
}

/// What the number that a statement gives stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counts {
    /// Rows of the table before; the statement selects it.
    Before,
    /// Rows of the query.
    Staged,
    /// Rows that went.
    Deleted,
    /// Rows changed in place.
    Updated,
    /// New rows.
    Inserted,
}

/// Writes the program of a view.
pub(crate) fn program(
    view_id: i64,
    table: &RelationName,
    columns: &[Identifier],
    key: &[Identifier],
) -> Program {
    let (target, source) = (table.to_sql(), defining_view(view_id).to_sql());
    let (stage, diff) = (temporary("stage", view_id), temporary("diff", view_id));
    let join = key.iter().map(|k| format!("s.{0} = t.{0}", k.to_sql())).collect::<Vec<_>>().join(" and ");
    let all = list_to_sql(columns);
    let set = columns.iter().map(|c| format!("{0} = s.{0}", c.to_sql())).collect::<Vec<_>>().join(", ");
    let values = columns.iter().map(|c| format!("s.{}", c.to_sql())).collect::<Vec<_>>().join(", ");
    let statement = |phase, counts, sql| Statement { phase, sql, counts };
    Program(vec![
        statement("stage", Some(Counts::Staged), format!("create temp table {stage} on commit drop as select * from {source}")),
        statement("stage", None, format!("analyze pg_temp.{stage}")),
        statement("compare", Some(Counts::Before), format!("select count(*) from {target}")),
        statement(
            "compare",
            None,
            format!(
                "create temp table {diff} on commit drop as
                 select s.ctid as stage_ctid, t.ctid as target_ctid
                 from   pg_temp.{stage} s full join {target} t on {join}
                 where  s.ctid is null or t.ctid is null or s operator(pg_catalog.*<>) t"
            ),
        ),
        statement("compare", None, format!("analyze pg_temp.{diff}")),
        statement(
            "write",
            Some(Counts::Deleted),
            format!("delete from {target} t using pg_temp.{diff} d where t.ctid = d.target_ctid and d.stage_ctid is null"),
        ),
        statement(
            "write",
            Some(Counts::Updated),
            format!(
                "update {target} t set {set} from pg_temp.{diff} d join pg_temp.{stage} s on s.ctid = d.stage_ctid
                 where t.ctid = d.target_ctid"
            ),
        ),
        statement(
            "write",
            Some(Counts::Inserted),
            format!(
                "insert into {target} ({all})
                 select {values} from pg_temp.{diff} d join pg_temp.{stage} s on s.ctid = d.stage_ctid
                 where d.target_ctid is null"
            ),
        ),
        statement("write", None, format!("drop table pg_temp.{diff}, pg_temp.{stage}")),
    ])
}

/// The plain view that keeps a managed table's query: it follows renames and guards its sources like any view.
pub(crate) fn defining_view(view_id: i64) -> RelationName {
    RelationName::new("remat_query", format!("v{view_id}")).expect("a number is a legal name")
}

pub(super) async fn refresh(work: &mut Work<'_>) -> Result<Report, Failure> {
    let definition = &work.view.definition;
    let columns: Vec<_> = work.relation.columns.iter().map(|column| column.name.clone()).collect();
    let program = program(work.view.id, &work.relation.name, &columns, &definition.key);
    let data_as_of = work.as_of().await?;
    // As REFRESH does, the query runs with the rights of the relation's owner and not with those of remat.
    let owner = work.relation.owner.to_sql();
    work.session.batch(&format!("set local remat.writing = 'on'; set local role {owner}")).await?;
    let source = defining_view(work.view.id).to_sql();
    let counted = run(work, &program).await.map_err(|failure| key::explain(failure, definition, &source))?;
    work.session.batch("reset role; set local remat.writing = 'off'").await?;
    if counted.staged != counted.before + counted.inserted - counted.deleted {
        return Err(key::explain(Failure::new(FailureKind::NotUnique, ""), definition, &source));
    }
    Ok(Report {
        data_as_of: Some(data_as_of),
        rows: Rows {
            before: Some(counted.before),
            after: Some(counted.staged),
            inserted: Some(counted.inserted),
            updated: Some(counted.updated),
            deleted: Some(counted.deleted),
        },
        ..Report::default()
    })
}

#[derive(Debug, Default)]
struct Counted {
    before: i64,
    staged: i64,
    deleted: i64,
    updated: i64,
    inserted: i64,
}

async fn run(work: &mut Work<'_>, program: &Program) -> Result<Counted, Failure> {
    let mut counted = Counted::default();
    for statement in &program.0 {
        let began = Instant::now();
        let number = match statement.counts {
            Some(Counts::Before) => work.session.query_one(&statement.sql, &[]).await?.get(0),
            _ => i64::try_from(work.session.execute(&statement.sql, &[]).await?).unwrap_or(i64::MAX),
        };
        match statement.counts {
            Some(Counts::Before) => counted.before = number,
            Some(Counts::Staged) => counted.staged = number,
            Some(Counts::Deleted) => counted.deleted = number,
            Some(Counts::Updated) => counted.updated = number,
            Some(Counts::Inserted) => counted.inserted = number,
            None => {}
        }
        work.phases.add(statement.phase, began);
    }
    Ok(counted)
}

fn temporary(what: &str, view_id: i64) -> String {
    format!("remat_{what}_{view_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_quotes_every_name_it_is_given() {
        let name = |text: &str| Identifier::new(text).unwrap();
        let table = RelationName::new("s\"x", "t; drop table u").unwrap();
        let program = program(7, &table, &[name("k y"), name("V")], &[name("k y")]);
        let text = serde_json::to_string(&program).unwrap().replace("\\\"", "\"");
        assert!(text.contains(r#"delete from "s""x"."t; drop table u" t"#));
        assert!(text.contains(r#"s."k y" = t."k y""#));
    }
}
