//! The forms in which callers write the arguments of a job.
//!
//! Law: Ruby programs send symbols as texts, with or without their colon, and Active Job wraps symbols and marks the
//! keys of a hash; all of that means what its writer meant. Anything else is refused by the name of the argument, with
//! what would have been accepted.

use serde_json::{Map, Value};

use super::{Job, JobKind, ViewRef};
use crate::{
    error::{Error, ErrorKind},
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::RowCount,
    view::Strategy,
};

const TRUTH: &str = "true or false";
const COUNTS: &str = "\"estimated\", \"exact\", \"none\" or null";

pub(super) fn arguments(kind: JobKind, arguments: &[Value]) -> Result<(ViewRef, Job), Error> {
    let (first, second) = match arguments {
        [first] => (first, None),
        [first, second] => (first, Some(second)),
        _ => {
            let primary = format!("a {kind} job takes one or two arguments, not {}", arguments.len());
            return Err(invalid(primary).with_hint("The first is the view, the second its options."));
        }
    };
    let job = match kind {
        JobKind::Create => create(second).map(Job::Create),
        JobKind::Refresh => refresh(second).map(Job::Refresh),
        JobKind::Delete => delete(second).map(Job::Delete),
    };
    Ok((view(first)?, job?))
}

fn view(value: &Value) -> Result<ViewRef, Error> {
    match value {
        Value::Number(number) => number.as_i64().map(ViewRef::Id),
        Value::String(name) if !name.trim().is_empty() => Some(ViewRef::Name(name.clone())),
        _ => None,
    }
    .ok_or_else(|| refused("view", "the id of a view, or its name as a text"))
}

fn create(value: Option<&Value>) -> Result<CreateOptions, Error> {
    let mut options = CreateOptions::default();
    let Some(object) = object_or(value, "force", |value| truth("force", value, &mut options.force))? else {
        return Ok(options);
    };
    for (key, value) in entries(object) {
        match key {
            "force" => truth("force", value, &mut options.force)?,
            "no_data" => truth("no_data", value, &mut options.no_data)?,
            "if_not_exists" => truth("if_not_exists", value, &mut options.if_not_exists)?,
            _ => return Err(unknown(key, "force, no_data and if_not_exists")),
        }
    }
    Ok(options)
}

fn delete(value: Option<&Value>) -> Result<DeleteOptions, Error> {
    let mut options = DeleteOptions::default();
    let Some(object) = object_or(value, "cascade", |value| truth("cascade", value, &mut options.cascade))?
    else {
        return Ok(options);
    };
    for (key, value) in entries(object) {
        match key {
            "cascade" => truth("cascade", value, &mut options.cascade)?,
            "if_exists" => truth("if_exists", value, &mut options.if_exists)?,
            _ => return Err(unknown(key, "cascade and if_exists")),
        }
    }
    Ok(options)
}

fn refresh(value: Option<&Value>) -> Result<RefreshOptions, Error> {
    let mut options = RefreshOptions::default();
    let mut counted = None;
    let Some(object) = object_or(value, "row_count", |value| count("row_count", value, &mut counted))? else {
        return Ok(RefreshOptions { row_count: counted, ..options });
    };
    for (key, value) in entries(object) {
        match key {
            "row_count" | "row_count_strategy" if options.row_count.is_some() => {
                return Err(invalid("both row_count and row_count_strategy are given")
                    .with_hint("They are one argument; give one of them."));
            }
            "row_count" | "row_count_strategy" => count(key, value, &mut options.row_count)?,
            "strategy" => strategy(value, &mut options.strategy)?,
            "force" => truth("force", value, &mut options.force)?,
            "verify" => truth("verify", value, &mut options.verify)?,
            _ => return Err(unknown(key, "row_count (or row_count_strategy), strategy, force and verify")),
        }
    }
    Ok(options)
}

/// The object of options, if the argument is one. An absent argument sets nothing; any other is the one option that
/// may be given by itself.
fn object_or<'a>(
    value: Option<&'a Value>,
    name: &str,
    alone: impl FnOnce(&Value) -> Result<(), Error>,
) -> Result<Option<&'a Map<String, Value>>, Error> {
    let Some(value) = value else { return Ok(None) };
    match value {
        Value::Object(object) if symbol(object).is_none() => Ok(Some(object)),
        _ => alone(value).map(|()| None).map_err(|error| {
            let accepted = error.complaint().detail.clone().unwrap_or_default();
            error.with_detail(format!("{accepted} An object with the key \"{name}\" is accepted, too."))
        }),
    }
}

/// The entries without the marks that Active Job leaves in a hash.
fn entries(object: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    const MARKS: [&str; 3] = ["_aj_symbol_keys", "_aj_ruby2_keywords", "_aj_hash_with_indifferent_access"];
    let entries = object.iter().filter(|(key, _)| !MARKS.contains(&key.as_str()));
    entries.map(|(key, value)| (key.strip_prefix(':').unwrap_or(key), value))
}

/// The text of a symbol as Active Job wraps it.
fn symbol(object: &Map<String, Value>) -> Option<&str> {
    let class = object.get("_aj_serialized")?.as_str()?;
    object.get("value")?.as_str().filter(|_| class == "ActiveJob::Serializers::SymbolSerializer")
}

fn word(value: &Value) -> Option<&str> {
    let text = match value {
        Value::String(text) => text,
        Value::Object(object) => symbol(object)?,
        _ => return None,
    };
    Some(text.strip_prefix(':').unwrap_or(text))
}

fn truth(name: &str, value: &Value, into: &mut bool) -> Result<(), Error> {
    *into = match (value, word(value)) {
        (Value::Bool(truth), _) => *truth,
        (_, Some("true")) => true,
        (Value::Null, _) | (_, Some("false")) => false,
        _ => return Err(refused(name, TRUTH)),
    };
    Ok(())
}

fn count(name: &str, value: &Value, into: &mut Option<RowCount>) -> Result<(), Error> {
    let count = match word(value) {
        None if value.is_null() => Some(RowCount::None),
        word => word.and_then(|word| word.parse().ok()),
    };
    *into = Some(count.ok_or_else(|| refused(name, COUNTS))?);
    Ok(())
}

fn strategy(value: &Value, into: &mut Option<Strategy>) -> Result<(), Error> {
    if !value.is_null() {
        let read = word(value).and_then(|word| word.parse().ok());
        let names: Vec<&str> = Strategy::ALL.iter().map(|strategy| strategy.as_str()).collect();
        *into = Some(read.ok_or_else(|| refused("strategy", &names.join(", ")))?);
    }
    Ok(())
}

fn refused(name: &str, accepted: &str) -> Error {
    invalid(format!("argument \"{name}\" cannot be read")).with_detail(format!("It is {accepted}."))
}

fn unknown(key: &str, accepted: &str) -> Error {
    invalid(format!("argument \"{key}\" is not known")).with_detail(format!("The arguments are {accepted}."))
}

fn invalid(primary: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidDefinition, primary)
}
