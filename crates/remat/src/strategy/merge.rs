//! Compares the query with a managed table and writes only the difference.
//!
//! The statements are a [`Program`], which the SQL interface can run too; here it is run and its counts are judged. As
//! REFRESH does, all of it runs with the rights of the table's owner and never with those of remat; see [`Restricted`].
//! Where the session has no other rights than the owner's, the statements are sent as they are.

use std::time::{Duration, Instant};

use jiff::Timestamp;

pub(crate) use super::program::{defining_view, program};
use super::{
    Report, Work, key,
    program::{Counts, Program},
};
use crate::{
    failure::{Failure, FailureKind},
    pg::Restricted,
    store::runs::Rows,
};

pub(super) async fn refresh(work: &mut Work<'_>) -> Result<Report, Failure> {
    let definition = &work.view.definition;
    let program = program(work.view.id, &work.relation.name, &work.relation.columns, &definition.key);
    let data_as_of = work.as_of().await?;
    let source = defining_view(work.view.id).to_sql();
    let counted = run(work, &program, data_as_of)
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

#[derive(Debug, Default)]
struct Counted {
    before: i64,
    staged: i64,
    deleted: i64,
    updated: i64,
    inserted: i64,
}

/// The number of each statement, and how long it took.
async fn run(work: &mut Work<'_>, program: &Program, began: Timestamp) -> Result<Counted, Failure> {
    let ran = if work.relation.owned_by_session {
        run_directly(work, program).await?
    } else {
        run_restricted(work, program, began).await?
    };
    let mut counted = Counted::default();
    for (statement, (number, took)) in program.0.iter().zip(ran) {
        work.phases.push(statement.phase, took);
        counted.note(statement.counts, number);
    }
    Ok(counted)
}

/// The session is the owner and nobody else, so there are no rights to keep from the owner's code.
async fn run_directly(work: &Work<'_>, program: &Program) -> Result<Vec<(i64, Duration)>, Failure> {
    let session = work.session;
    session.batch("set local remat.writing = 'on'").await?;
    let mut ran = Vec::with_capacity(program.0.len());
    for statement in &program.0 {
        let began = Instant::now();
        let number = if statement.reads {
            session.query_one(&statement.sql, &[]).await?.get(0)
        } else {
            i64::try_from(session.execute(&statement.sql, &[]).await?).unwrap_or(i64::MAX)
        };
        ran.push((number, began.elapsed()));
    }
    session.batch("set local remat.writing = 'off'").await?;
    Ok(ran)
}

async fn run_restricted(
    work: &Work<'_>,
    program: &Program,
    began: Timestamp,
) -> Result<Vec<(i64, Duration)>, Failure> {
    let path = &work.view.definition.settings.search_path;
    let scratch = defining_view(work.view.id).derived("run");
    let restricted = Restricted::new(scratch, program, path, work.relation.oid);
    work.session.batch(&format!("set local role {}", work.relation.owner.to_sql())).await?;
    let ran = restricted.run(work.session).await?;
    work.session.batch("set local role none").await?;
    let starts = std::iter::once(began).chain(ran.iter().map(|ran| ran.ended));
    Ok(ran.iter().zip(starts).map(|(ran, since)| (ran.number, between(since, ran.ended))).collect())
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

/// By the server's clock, which may be set back.
fn between(since: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(since)).unwrap_or_default()
}
