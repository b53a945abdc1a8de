//! A compilation together with what the server answers to its questions.

use std::{cell::RefCell, collections::BTreeMap};

use remat_sql::{
    Rejection,
    maintain::{Plan, Types, View, compile, questions},
};
use tokio_postgres::{Client, Error};

/// The names of types, by their numbers.
pub(crate) type TypeNames = RefCell<BTreeMap<u32, String>>;

/// Asks until nothing is asked any more, then compiles; the types of the given view are not looked at.
pub(crate) async fn compiled(
    sql: &Client,
    names: &TypeNames,
    view: View<'_>,
) -> Result<Result<Plan, Rejection>, Error> {
    let mut types = Types::new();
    loop {
        let view = View { types: &types, ..view };
        let asked = questions(view);
        if asked.is_empty() {
            return Ok(compile(view));
        }
        let mut answers = Vec::new();
        for question in asked {
            let statement = sql.prepare(&question).await?;
            let mut of = Vec::new();
            for column in statement.columns() {
                of.push(name(sql, names, column.type_().oid()).await?);
            }
            answers.push((question, of));
        }
        types.extend(answers);
    }
}

async fn name(sql: &Client, names: &TypeNames, oid: u32) -> Result<String, Error> {
    if let Some(name) = names.borrow().get(&oid) {
        return Ok(name.clone());
    }
    let name: String = sql.query_one("select format_type($1, null)", &[&oid]).await?.get(0);
    names.borrow_mut().insert(oid, name.clone());
    Ok(name)
}
