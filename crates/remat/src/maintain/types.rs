//! What types the columns of queries have that the compiler made.
//!
//! Law: the server is asked to read such a query, never to plan or to run it, so no function of the view is called. What
//! it does not understand is a refusal, and the transaction goes on.

use remat_sql::{
    Code, Rejection,
    maintain::{self, Types, questions},
};
use tokio_postgres::types::Type;

use crate::{
    failure::{Failure, Remedy},
    pg::Session,
};

/// Answers are asked for until no question is left: each answer may lead to the next.
const MOST_ROUNDS: usize = 16;

/// Answers what the compiler asks about a view. Within [`full_names`](super::read::full_names).
pub(super) async fn answers(
    session: &Session,
    view: maintain::View<'_>,
) -> Result<Result<Types, Rejection>, Failure> {
    let mut types = Types::new();
    for _ in 0..MOST_ROUNDS {
        let asked = questions(maintain::View { types: &types, ..view });
        if asked.is_empty() {
            break;
        }
        match answer(session, &asked).await? {
            Ok(more) => types.extend(more),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    Ok(Ok(types))
}

async fn answer(session: &Session, asked: &[String]) -> Result<Result<Types, Rejection>, Failure> {
    session.batch("savepoint remat_types").await?;
    match described(session, asked).await {
        Ok(types) => {
            session.batch("release savepoint remat_types").await?;
            Ok(Ok(types))
        }
        Err(failure) if matches!(failure.kind.remedy(), Remedy::RetryLock | Remedy::RetryWork) => {
            Err(failure)
        }
        Err(failure) => {
            session.batch("rollback to savepoint remat_types").await?;
            Ok(Err(Rejection::new(Code::NotMaintained, "query", 0..0)
                .because(format!("the server refuses a part of it: {}", failure.complaint.primary))
                .hint("Tell the authors of remat: it should have known.")))
        }
    }
}

async fn described(session: &Session, asked: &[String]) -> Result<Types, Failure> {
    let mut described = Vec::new();
    for question in asked {
        described.push(session.describe(question).await?);
    }
    let (oids, modifiers): (Vec<u32>, Vec<i32>) = described.iter().flatten().copied().unzip();
    let params = [(&oids as _, Type::OID_ARRAY), (&modifiers as _, Type::INT4_ARRAY)];
    let rows = session.query(NAMES, &params).await?;
    let mut names = rows.iter().map(|row| row.get::<_, String>(0));
    let of = |(question, columns): (&String, &Vec<_>)| {
        (question.clone(), names.by_ref().take(columns.len()).collect())
    };
    Ok(asked.iter().zip(&described).map(of).collect())
}

const NAMES: &str = "select pg_catalog.format_type(t.oid, t.modifier)
     from   rows from (pg_catalog.unnest($1), pg_catalog.unnest($2)) with ordinality t (oid, modifier, n)
     order  by t.n";
