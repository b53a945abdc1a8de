//! Runs a [`Program`] with the rights of the table's owner.
//!
//! Law: as REFRESH does, all of it runs with the rights of the table's owner and never with those of remat; see
//! [`Restricted`]. Where the session has no other rights than the owner's, the statements are sent as they are.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::program::{Program, Statement, defining_view};
use crate::{
    failure::Failure,
    name::Identifier,
    pg::{Restricted, Session, catalog::Relation},
    view::View,
};

/// Where statements run, and as whom.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) session: &'a Session,
    pub(crate) view: &'a View,
    /// The managed table.
    pub(crate) relation: &'a Relation,
}

/// How one statement went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Went {
    /// The rows that it touched, or what it selected.
    pub(crate) number: i64,
    /// What it selected, where that is an array.
    pub(crate) numbers: Vec<i64>,
    pub(crate) took: Duration,
}

/// Runs a program in the transaction of the session, which began the statements at this time by the server's clock.
pub(crate) async fn perform(
    place: Place<'_>,
    program: &Program,
    began: Timestamp,
) -> Result<Vec<Went>, Failure> {
    if place.relation.owned_by_session {
        directly(place.session, program).await
    } else {
        restricted(place, program, began).await
    }
}

/// The session is the owner and nobody else, so there are no rights to keep from the owner's code.
async fn directly(session: &Session, program: &Program) -> Result<Vec<Went>, Failure> {
    let writes = program.0.iter().any(|statement| !statement.reads);
    if writes {
        session.batch("set local remat.writing = 'on'").await?;
    }
    let mut all = Vec::with_capacity(program.0.len());
    for statement in &program.0 {
        let began = Instant::now();
        let went = send(session, statement).await?;
        all.push(Went { took: began.elapsed(), ..went });
    }
    if writes {
        session.batch("set local remat.writing = 'off'").await?;
    }
    Ok(all)
}

async fn send(session: &Session, statement: &Statement) -> Result<Went, Failure> {
    let went = Went::default();
    Ok(if statement.reads {
        Went { number: session.query_one(&statement.sql, &[]).await?.get(0), ..went }
    } else if statement.lists {
        Went { numbers: session.query_one(&statement.sql, &[]).await?.get(0), ..went }
    } else {
        let touched = session.execute(&statement.sql, &[]).await?;
        Went { number: i64::try_from(touched).unwrap_or(i64::MAX), ..went }
    })
}

async fn restricted(place: Place<'_>, program: &Program, began: Timestamp) -> Result<Vec<Went>, Failure> {
    let Place { session, view, relation } = place;
    let path: &[Identifier] = &view.definition.settings.search_path;
    let scratch = defining_view(view.id).derived("run");
    let restricted = Restricted::new(scratch, program, path, relation.oid);
    session.batch(&format!("set local role {}", relation.owner.to_sql())).await?;
    let ran = restricted.run(session).await?;
    session.batch("set local role none").await?;
    let starts: Vec<_> = std::iter::once(began).chain(ran.iter().map(|ran| ran.ended)).collect();
    let went = |(ran, since): (crate::pg::Ran, _)| Went {
        took: between(since, ran.ended),
        number: ran.number,
        numbers: ran.numbers,
    };
    Ok(ran.into_iter().zip(starts).map(went).collect())
}

/// By the server's clock, which may be set back.
fn between(since: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(since)).unwrap_or_default()
}
