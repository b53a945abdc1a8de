//! What is wrong with a cron line.
//!
//! Law: the reader of croner decides; this module only finds the field it stumbled over, by reading each alone.

use croner::errors::CronError;

use super::PARSER;
use crate::error::{Error, ErrorKind};

/// The fields of a line of six, with what each may hold.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31, L for the last, 15W for the weekday next to the 15th"),
    ("month", "1 to 12 or jan to dec"),
    ("day of week", "0 to 7 or sun to sat, 5L for the last Friday, 1#2 for the second Monday"),
];

/// The primary line of every complaint about a cron line.
pub(super) fn invalid(line: &str) -> Error {
    Error::new(ErrorKind::InvalidDefinition, format!("schedule \"{line}\" is not valid"))
        .with_hint("Write five fields, such as \"*/5 * * * *\", or six with the second first, or @hourly.")
}

/// Names the field that is wrong, or the number of fields.
pub(super) fn explain(line: &str, error: &CronError) -> Error {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let detail = match fields.len() {
        0 => "It is empty.".to_owned(),
        1 if line.trim().starts_with('@') => {
            format!("{} is not one of @hourly, @daily, @weekly, @monthly, @yearly.", line.trim())
        }
        5 => wrong_field(&fields, &FIELDS[1..]).unwrap_or_else(|| as_sentence(error)),
        6 => wrong_field(&fields, &FIELDS).unwrap_or_else(|| as_sentence(error)),
        1 => "It has one field.".to_owned(),
        count => format!("It has {count} fields."),
    };
    invalid(line).with_detail(detail)
}

fn wrong_field(fields: &[&str], names: &[(&str, &str)]) -> Option<String> {
    let alone = |at: usize| {
        let mut line = vec!["*"; fields.len()];
        line[at] = fields[at];
        PARSER.parse(&line.join(" ")).is_err()
    };
    let at = (0..fields.len()).find(|at| alone(*at))?;
    let (name, allowed) = names[at];
    Some(format!(
        "\"{}\" is not a valid {name}: that is {allowed}, with lists, ranges and steps.",
        fields[at]
    ))
}

fn as_sentence(error: &CronError) -> String {
    format!("{}.", error.to_string().trim_end_matches('.'))
}
