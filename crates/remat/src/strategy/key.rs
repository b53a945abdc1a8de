//! What to say when the key of a view does not tell its rows apart.
//!
//! Law: the rows stay out of the message. Instead it carries the query that finds them.

use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, list_to_sql},
    view::Definition,
};

/// Turns the server's complaint about a duplicate or a NULL in the key into one about the definition. `source` is what
/// to select from to see the query's rows. Other failures, and views without a key, stay as they are.
pub(crate) fn explain(failure: Failure, definition: &Definition, source: &str) -> Failure {
    if definition.key.is_empty() {
        return failure;
    }
    let key = list_to_sql(&definition.key);
    let (wrong, finder) = match failure.kind {
        FailureKind::NotUnique => (
            "is not unique in its query's result",
            format!("select {key}, count(*) from {source} group by {key} having count(*) > 1;"),
        ),
        FailureKind::NullKey => (
            "is NULL in a row of its query's result",
            format!("select * from {source} where {};", null_test(&definition.key)),
        ),
        _ => return failure,
    };
    let attempted = failure.attempted;
    let mut told = Failure::new(failure.kind, format!("the key of view \"{}\" {wrong}", definition.name));
    told.complaint.sqlstate = failure.complaint.sqlstate.or_else(|| Some("21000".into()));
    told.attempted = attempted;
    told.with_detail(format!("The key is ({key}). Nothing was changed; the rows are not shown here."))
        .with_hint(format!("Find them with: {finder}"))
}

fn null_test(key: &[Identifier]) -> String {
    key.iter().map(|column| format!("{} is null", column.to_sql())).collect::<Vec<_>>().join(" or ")
}
