//! Compares the query with a managed table and writes only the difference.
//!
//! The statements are a [`Program`], which the SQL interface can run too; here it is run and its counts are judged. The
//! query runs with the rights of the table's owner.

use std::time::Instant;

pub(crate) use super::program::{defining_view, program};
use super::{
    Report, Work, key,
    program::{Counts, Program},
};
use crate::{
    failure::{Failure, FailureKind},
    store::runs::Rows,
};

pub(super) async fn refresh(work: &mut Work<'_>) -> Result<Report, Failure> {
    let definition = &work.view.definition;
    let program = program(work.view.id, &work.relation.name, &work.relation.columns, &definition.key);
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
        let number = if statement.reads {
            work.session.query_one(&statement.sql, &[]).await?.get(0)
        } else {
            i64::try_from(work.session.execute(&statement.sql, &[]).await?).unwrap_or(i64::MAX)
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
