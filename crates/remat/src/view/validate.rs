//! What a definition must satisfy wherever it comes from: a file, the command line, the database.
//!
//! Law: this looks at the definition alone. Whether columns, roles and sources exist, and whether the query may stand
//! in a view, the server decides when the relation is made.

use std::collections::BTreeSet;

use super::{Definition, Strategy};
use crate::{
    error::{Error, ErrorKind},
    name::Identifier,
    schedule::Schedule,
};

/// The first thing that is wrong with a definition, and the key of a project file that says it.
pub(crate) struct Fault {
    /// The key, such as `strategy`; `query` for the query itself.
    pub(crate) key: &'static str,
    /// Where in the query, in bytes.
    pub(crate) offset: usize,
    /// What is wrong.
    pub(crate) error: Error,
}

/// One rule about one key.
type Check = fn(&Definition) -> Result<(), Error>;

/// Refuses a definition that can never work.
///
/// ```
/// use remat::{name::RelationName, view::{self, Definition, Strategy}};
/// let mut definition = Definition::new(RelationName::new("public", "sales").unwrap(), "select 1 as id");
/// assert!(view::validate(&definition).is_ok());
/// definition.strategy = Strategy::Merge;
/// assert_eq!(view::validate(&definition).unwrap_err().complaint().primary, "strategy merge needs a key");
/// ```
pub fn validate(definition: &Definition) -> Result<(), Error> {
    match fault(definition) {
        None => Ok(()),
        Some(fault) => Err(fault.error),
    }
}

/// As [`validate`], with the place.
pub(crate) fn fault(definition: &Definition) -> Option<Fault> {
    let checks: [(&'static str, Check); 11] = [
        ("strategy", strategy),
        ("key", key),
        ("indexes", indexes),
        ("schedule", schedule),
        ("target_lag", target_lag),
        ("tags", tags),
        ("renamed_from", renamed_from),
        ("lock_timeout", locks),
        ("queue", dispatch),
        ("parameters", parameters),
        ("publish", publish),
    ];
    query(definition).or_else(|| {
        checks.into_iter().find_map(|(key, check)| {
            let error = check(definition).err()?;
            Some(Fault { key, offset: 0, error })
        })
    })
}

/// A refusal of the SQL reader, with its place in the text that was read.
pub(crate) fn from_rejection(rejection: &remat_sql::Rejection, text: &str) -> Error {
    let (line, column) = rejection.position(text);
    let error = invalid(rejection.reason.clone())
        .with_detail(format!("At line {line}, column {column} of the query ({}).", rejection.code));
    match &rejection.hint {
        Some(hint) => error.with_hint(hint.clone()),
        None => error,
    }
}

fn invalid(primary: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidDefinition, primary)
}

fn query(definition: &Definition) -> Option<Fault> {
    let rejection = remat_sql::single_select(&definition.query).err()?;
    let error = from_rejection(&rejection, &definition.query);
    Some(Fault { key: "query", offset: rejection.span.start, error })
}

fn strategy(definition: &Definition) -> Result<(), Error> {
    let strategy = definition.strategy;
    if matches!(strategy, Strategy::Merge | Strategy::Incremental) && definition.key.is_empty() {
        return Err(invalid(format!("strategy {strategy} needs a key"))
            .with_hint("Name the columns that tell rows apart, such as key = [\"id\"]."));
    }
    if definition.strict && !definition.follows_changes() {
        return Err(invalid("strict asks for incremental refreshes, which this view never has")
            .with_hint("Set strategy = \"incremental\", or leave strict out."));
    }
    Ok(())
}

fn key(definition: &Definition) -> Result<(), Error> {
    match repeated(&definition.key) {
        Some(column) => Err(invalid(format!("column {column} stands twice in the key"))),
        None => Ok(()),
    }
}

fn indexes(definition: &Definition) -> Result<(), Error> {
    for index in &definition.indexes {
        if index.columns.is_empty() {
            return Err(invalid("an index names no columns"));
        }
        if let Some(column) = repeated(&index.columns) {
            return Err(invalid(format!("column {column} stands twice in an index")));
        }
    }
    Ok(())
}

fn publish(definition: &Definition) -> Result<(), Error> {
    let Some(publish) = &definition.publish else { return Ok(()) };
    if publish.key.trim().is_empty() {
        return Err(invalid("the key of the published set is empty")
            .with_hint("Name a Redis key, such as key = \"leaderboard:global\"."));
    }
    if publish.limit == Some(0) {
        return Err(
            invalid("the limit of the published set is 0").with_hint("Leave it out to publish every row.")
        );
    }
    Ok(())
}

fn repeated(columns: &[Identifier]) -> Option<&Identifier> {
    let mut seen = BTreeSet::new();
    columns.iter().find(|column| !seen.insert(*column))
}

fn schedule(definition: &Definition) -> Result<(), Error> {
    match &definition.schedule {
        Some(line) => Schedule::parse(line, &definition.schedule_zone).map(|_| ()),
        None => Ok(()),
    }
}

fn target_lag(definition: &Definition) -> Result<(), Error> {
    match definition.target_lag_s {
        Some(..=0) => Err(invalid("target_lag must be at least one second")),
        _ => Ok(()),
    }
}

fn tags(definition: &Definition) -> Result<(), Error> {
    definition.tags.iter().try_for_each(|tag| tag_is_a_word(tag))
}

/// A tag is selected by typing it, so it is one word.
pub(crate) fn tag_is_a_word(tag: &str) -> Result<(), Error> {
    if tag.is_empty() || tag.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return Err(invalid(format!("tag \"{tag}\" is not a word")).with_hint("Write tags without spaces."));
    }
    Ok(())
}

fn renamed_from(definition: &Definition) -> Result<(), Error> {
    if definition.renamed_from.as_ref() == Some(&definition.name) {
        return Err(invalid("renamed_from names the view itself")
            .with_hint("Name the view it was before, or leave renamed_from out."));
    }
    Ok(())
}

fn parameters(definition: &Definition) -> Result<(), Error> {
    definition.settings.parameters.keys().try_for_each(|name| super::parameter::free(name))
}

fn dispatch(definition: &Definition) -> Result<(), Error> {
    definition.dispatch.check()
}

fn locks(definition: &Definition) -> Result<(), Error> {
    let settings = &definition.settings;
    if settings.lock_timeout_ms == 0 {
        return Err(invalid("lock_timeout must be at least 1ms").with_detail(
            "Readers queue behind a waiting lock; without a limit they would queue without end.",
        ));
    }
    if settings.lock_budget_ms < settings.lock_timeout_ms {
        return Err(invalid("lock_timeout is longer than lock_budget")
            .with_hint("lock_budget is the sum over all attempts, lock_timeout the length of one."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{name::RelationName, view::IndexSpec};

    fn refusal(change: impl FnOnce(&mut Definition)) -> String {
        let mut definition = Definition::new(RelationName::new("public", "v").unwrap(), "select 1 as a");
        assert_eq!(validate(&definition), Ok(()));
        change(&mut definition);
        validate(&definition).unwrap_err().complaint().primary.clone()
    }

    fn columns(names: &[&str]) -> Vec<Identifier> {
        names.iter().map(|name| Identifier::new(*name).unwrap()).collect()
    }

    #[test]
    fn a_definition_of_several_statements_is_refused() {
        let primary = refusal(|view| view.query = "select 1; drop table sales".into());
        assert_eq!(primary, "there is more than one statement");
    }

    #[test]
    fn counts_below_zero_and_queues_that_are_no_words_are_refused() {
        assert_eq!(refusal(|view| view.dispatch.queue = "*".into()), "queue \"*\" is no queue");
        assert_eq!(refusal(|view| view.dispatch.jitter_s = -1), "jitter must not be negative");
    }

    #[test]
    fn a_column_twice_in_key_or_index_is_refused() {
        assert_eq!(refusal(|view| view.key = columns(&["a", "b", "a"])), "column a stands twice in the key");
        let index = |names| IndexSpec {
            columns: columns(names),
            unique: false,
            method: columns(&["btree"]).remove(0),
        };
        assert_eq!(
            refusal(|view| view.indexes = vec![index(&["a", "a"])]),
            "column a stands twice in an index"
        );
        assert_eq!(refusal(|view| view.indexes = vec![index(&[])]), "an index names no columns");
    }

    #[test]
    fn a_schedule_or_zone_that_does_not_exist_is_refused() {
        assert_eq!(refusal(|view| view.schedule = Some("hourly".into())), "schedule \"hourly\" is not valid");
        let primary = refusal(|view| {
            view.schedule = Some("@hourly".into());
            view.schedule_zone = "Mars".into();
        });
        assert_eq!(primary, "time zone \"Mars\" is not known");
    }

    #[test]
    fn tags_are_words() {
        assert_eq!(
            refusal(|view| view.tags = vec!["ok".into(), "two words".into()]),
            "tag \"two words\" is not a word"
        );
        assert_eq!(refusal(|view| view.tags = vec![String::new()]), "tag \"\" is not a word");
    }

    #[test]
    fn an_endless_lock_wait_is_refused() {
        assert_eq!(refusal(|view| view.settings.lock_timeout_ms = 0), "lock_timeout must be at least 1ms");
        assert_eq!(
            refusal(|view| view.settings.lock_budget_ms = 10),
            "lock_timeout is longer than lock_budget"
        );
    }

    #[test]
    fn a_view_cannot_be_renamed_from_itself() {
        assert_eq!(
            refusal(|view| view.renamed_from = Some(view.name.clone())),
            "renamed_from names the view itself"
        );
    }
}
