//! One view file: options in a leading comment, then the query.
//!
//! Law: the file stays SQL that any client can run; what follows the comment is the query, exactly one. The comment
//! ends where it ends for the server, so no option can hold `*/`; a cron step is `0-59/5`.
//!
//! Names in the options and in the file's name are catalog names, taken as they stand: no case is folded, no quotes are
//! removed. Only `renamed_from` is read as a person would type it in SQL.

use super::{
    dispatch, session,
    table::{Source, Table},
};
use crate::{
    error::{Error, ErrorKind},
    name::{Identifier, RelationName},
    run::RowCount,
    schedule::Dispatch,
    view::{Definition, IndexSpec, Publish, Settings, Strategy, validate},
};

/// The keys of a view, beside those of its session.
const KEYS: [&str; 15] = [
    "name",
    "schema",
    "strategy",
    "strict",
    "key",
    "indexes",
    "schedule",
    "zone",
    "target_lag",
    "row_count",
    "tags",
    "owner",
    "description",
    "publish",
    "renamed_from",
];

/// What a view file inherits from `remat.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectDefaults {
    /// The schema of files that name none.
    pub schema: Identifier,
    /// The session of views that pin none; its time zone is also the zone of their schedules.
    pub settings: Settings,
    /// How the runs of views and jobs that do not say reach a worker.
    pub dispatch: Dispatch,
}

impl Default for ProjectDefaults {
    fn default() -> Self {
        Self {
            schema: Identifier::new("public").expect("public is a legal name"),
            settings: Settings::default(),
            dispatch: Dispatch::default(),
        }
    }
}

/// Reads one view file. `file_name` is its path within the project, with `/` between folders.
///
/// ```
/// use remat::project::{ProjectDefaults, parse_view};
/// let text = "/* remat\nkey = [\"day\"]\n*/\nselect current_date as day;\n";
/// let view = parse_view("views/sales.daily.sql", text, &ProjectDefaults::default()).unwrap();
/// assert_eq!(view.name.to_string(), "sales.daily");
/// assert_eq!(view.query, "select current_date as day");
/// ```
pub fn parse_view(file_name: &str, text: &str, defaults: &ProjectDefaults) -> Result<Definition, Error> {
    let (options, base, sql) = parts(text);
    let source = Source { file: file_name, text, base, kind: ErrorKind::InvalidDefinition };
    let entries = source.parse(options).map_err(|error| explain_early_end(options, error))?;
    let known: Vec<&str> = KEYS.into_iter().chain(session::KEYS).chain(dispatch::KEYS).collect();
    let table = Table::new(&source, entries.get_ref(), 0..0, &known)?;
    let (query, query_at) = query(&source, sql)?;
    let definition = definition(&table, file_name, query, defaults)?;
    match validate::fault(&definition) {
        None => Ok(definition),
        Some(fault) if fault.key == "query" => Err(source.locate(query_at + fault.offset, &fault.error)),
        Some(fault) => Err(source.locate(table.place(fault.key), &fault.error)),
    }
}

/// The options, where they begin, and the SQL. A leading comment whose first word is not `remat` is part of the SQL.
fn parts(text: &str) -> (&str, usize, &str) {
    let Some((body, rest)) = remat_sql::leading_comment(text.trim_start_matches('\u{feff}')) else {
        return ("", 0, text);
    };
    match body.trim_start().strip_prefix("remat") {
        Some(options) if options.is_empty() || options.starts_with(char::is_whitespace) => {
            (options, text.len() - rest.len() - "*/".len() - options.len(), rest)
        }
        _ => ("", 0, text),
    }
}

/// In `schedule = "*/5 * * * *"` the comment ends within the text, for the server as for every reader of SQL.
fn explain_early_end(options: &str, error: Error) -> Error {
    let last_line = options.rsplit('\n').next().unwrap_or_default();
    if !last_line.contains(['"', '\'']) {
        return error;
    }
    error
        .with_detail("The comment ends at the */ within a text.")
        .with_hint("Write a step as 0-59/5 in place of */5.")
}

/// The query and where it begins in the file.
fn query<'a>(source: &Source<'_>, sql: &'a str) -> Result<(&'a str, usize), Error> {
    let base = source.text.len() - sql.len();
    let select = remat_sql::single_select(sql).map_err(|rejection| {
        let error = validate::from_rejection(&rejection, sql);
        let column = rejection.position(sql).1;
        let located = source.locate(base + rejection.span.start, &error);
        located.with_detail(format!("At column {column} ({}).", rejection.code))
    })?;
    let head = &sql[..select.span().start];
    if let Some(at) = misplaced_options(head) {
        return Err(source
            .error(base + at, "the options of a view must open the file")
            .with_hint("Move the comment to the first line, before any other comment."));
    }
    Ok((select.query(), base + select.span().start))
}

/// A second comment of options before the query would be passed over in silence.
fn misplaced_options(head: &str) -> Option<usize> {
    head.match_indices("/*")
        .map(|(at, _)| at)
        .find(|at| head[at + 2..].split_whitespace().next() == Some("remat"))
}

fn definition(
    table: &Table<'_, '_>,
    file_name: &str,
    query: &str,
    defaults: &ProjectDefaults,
) -> Result<Definition, Error> {
    let text = |text: &str| Ok(text.to_owned());
    let name = name(table, file_name, &defaults.schema)?;
    let settings = session::settings(table, &defaults.settings)?;
    let plain = Definition::new(name.clone(), query);
    Ok(Definition {
        strategy: table.read("strategy", str::parse::<Strategy>)?.unwrap_or(plain.strategy),
        strict: table.boolean("strict")?.unwrap_or_default(),
        key: table.names("key")?.unwrap_or_default(),
        indexes: indexes(table)?,
        schedule: table.read("schedule", text)?,
        schedule_zone: table.read("zone", text)?.unwrap_or_else(|| defaults.settings.time_zone.clone()),
        target_lag_s: table.read("target_lag", seconds)?,
        row_count: table.read("row_count", str::parse::<RowCount>)?.unwrap_or(plain.row_count),
        tags: table.read_list("tags", text)?.unwrap_or_default(),
        owner: table.name("owner")?,
        description: table.read("description", text)?,
        publish: publish(table)?,
        renamed_from: table.read("renamed_from", |typed| RelationName::parse(typed, name.schema.as_str()))?,
        settings,
        dispatch: dispatch::dispatch(table, &defaults.dispatch)?,
        ..plain
    })
}

fn name(table: &Table<'_, '_>, file_name: &str, default_schema: &Identifier) -> Result<RelationName, Error> {
    let file = file_name.rsplit('/').next().unwrap_or(file_name);
    let stem = file.strip_suffix(".sql").unwrap_or(file);
    let (schema_of_stem, name_of_stem) = match stem.split_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, stem),
    };
    let own = table.name("name")?;
    if own.is_none() && name_of_stem.contains('.') {
        return Err(table.error("name", format!("the name \"{stem}\" has more than one dot")).with_hint(
            "A file is named name.sql or schema.name.sql; say name and schema in the options for anything else.",
        ));
    }
    let of_stem = |part: &str| Identifier::new(part).map_err(|error| table.locate("name", &error));
    let name = own.map_or_else(|| of_stem(name_of_stem), Ok)?;
    let schema = match (table.name("schema")?, schema_of_stem) {
        (Some(schema), _) => schema,
        (None, Some(schema)) => of_stem(schema)?,
        (None, None) => default_schema.clone(),
    };
    Ok(RelationName { schema, name })
}

fn indexes(table: &Table<'_, '_>) -> Result<Vec<IndexSpec>, Error> {
    let index = |index: Table<'_, '_>| {
        let columns = index.names("columns")?;
        let method = index.name("method")?;
        Ok(IndexSpec {
            columns: columns.ok_or_else(|| index.error("columns", "\"columns\" is missing"))?,
            unique: index.boolean("unique")?.unwrap_or_default(),
            method: method.unwrap_or_else(|| Identifier::new("btree").expect("btree is a legal name")),
        })
    };
    table.tables("indexes", &["columns", "unique", "method"])?.into_iter().map(index).collect()
}

fn publish(table: &Table<'_, '_>) -> Result<Option<Publish>, Error> {
    let Some(table) = table.table("publish", &["key", "member", "score", "limit"])? else { return Ok(None) };
    let name = |name: &str| Identifier::new(name);
    Ok(Some(Publish {
        key: table.require("key", |key| Ok(key.to_owned()))?,
        member: table.require("member", name)?,
        score: table.require("score", name)?,
        limit: table.positive("limit")?,
    }))
}

fn seconds(text: &str) -> Result<i64, Error> {
    session::duration(text).map(|duration| duration.as_secs())
}
