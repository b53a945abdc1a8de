//! Compares the query with a managed table and writes only the difference.
//!
//! The statements are a [`Program`], which the SQL interface can run too; here it is run and its counts are judged.

use jiff::Timestamp;

pub(crate) use super::program::{defining_view, program};
use super::{
    Report, Work, key,
    perform::perform,
    program::{Counts, Program},
};
use crate::{
    failure::{Failure, FailureKind},
    store::runs::Rows,
};

/// The phases of a merge.
pub(super) const PHASES: [&str; 2] = ["compare", "write"];

pub(super) async fn refresh(work: &mut Work<'_>) -> Result<Report, Failure> {
    let data_as_of = work.as_of().await?;
    after(work, Program::default(), data_as_of).await
}

/// Merges after other statements, which its failures may come from, too. `data_as_of` is before the snapshot of them all.
pub(super) async fn after(
    work: &mut Work<'_>,
    first: Program,
    data_as_of: Timestamp,
) -> Result<Report, Failure> {
    let definition = &work.view.definition;
    let merge = program(work.view.id, &work.relation.name, &work.relation.columns, &definition.key);
    let source = defining_view(work.view.id).to_sql();
    let counted = run(work, &first.then(merge), data_as_of)
        .await
        .map_err(|failure| key::explain(failure, definition, &source))?;
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

async fn run(work: &mut Work<'_>, program: &Program, began: Timestamp) -> Result<Counted, Failure> {
    let all = perform(work.place(), program, began).await?;
    let mut counted = Counted::default();
    for (statement, went) in program.0.iter().zip(all) {
        work.phases.push(statement.phase, went.took);
        counted.note(statement.counts, went.number);
    }
    Ok(counted)
}

#[derive(Debug, Default)]
struct Counted {
    before: i64,
    staged: i64,
    deleted: i64,
    updated: i64,
    inserted: i64,
}

impl Counted {
    fn note(&mut self, what: Option<Counts>, number: i64) {
        match what {
            Some(Counts::Before) => self.before = number,
            Some(Counts::Staged) => self.staged = number,
            Some(Counts::Deleted) => self.deleted = number,
            Some(Counts::Updated) => self.updated = number,
            Some(Counts::Inserted) => self.inserted = number,
            None => {}
        }
    }
}
