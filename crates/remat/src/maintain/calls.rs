//! Which functions a maintained query may call.
//!
//! Law: pure. A function passes if its result is settled by its arguments, by the server's word or its owner's, and by the
//! settings that a refresh pins. Clocks of the server pass too, because the compiler sees them; what hides a clock
//! does not. Of a function that claims to be immutable, as an index would demand it, the claim is believed.

use std::ops::Range;

use remat_sql::{Code, Rejection};

use super::read::{Facts, Function};

/// Refuses the first call whose result is not settled by its arguments; `text` is the query of the root.
pub(super) fn check(facts: &Facts, text: &str) -> Result<(), Rejection> {
    for function in &facts.functions {
        if let Some((reason, hint)) = obstacle(function) {
            let place = if function.relation == facts.root { place(&function.name, text) } else { 0..0 };
            return Err(Rejection::new(Code::Volatile, construct(function), place)
                .because(reason)
                .hint(hint));
        }
    }
    if facts.session_words {
        return Err(Rejection::new(Code::Volatile, "current_user", 0..0)
            .because("the query asks who reads it, or where")
            .hint("Write the name of the role, database or schema down."));
    }
    if facts.hidden_clock {
        return Err(Rejection::new(Code::Volatile, "cast of a text to a time", 0..0)
            .because("a constant text is read as a time at every use, and may mean today")
            .hint("Write a constant of the type, such as date '2026-01-31', or now()."));
    }
    Ok(())
}

/// Functions of the server that its clocks stand for; the compiler knows their names.
const CLOCKS: [&str; 6] =
    ["age", "clock_timestamp", "now", "statement_timestamp", "timeofday", "transaction_timestamp"];

/// Functions of the server that are stable because of settings that a refresh pins (`TimeZone`, `DateStyle`, …), because they
/// print a value of any type, or because of the database's own locale.
const HARMLESS: &[&str] = &[
    "anytextcat",
    "array_in",
    "array_out",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "convert",
    "convert_from",
    "convert_to",
    "date",
    "date_cmp_timestamptz",
    "date_eq_timestamptz",
    "date_ge_timestamptz",
    "date_gt_timestamptz",
    "date_in",
    "date_le_timestamptz",
    "date_lt_timestamptz",
    "date_ne_timestamptz",
    "date_out",
    "date_part",
    "date_trunc",
    "domain_in",
    "enum_in",
    "enum_out",
    "extract",
    "format",
    "generate_series",
    "in_range",
    "interval_in",
    "interval_out",
    "interval_pl_timestamptz",
    "json_agg",
    "json_agg_transfn",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_object_agg_transfn",
    "json_populate_record",
    "json_populate_recordset",
    "json_to_record",
    "json_to_recordset",
    "jsonb_agg",
    "jsonb_agg_finalfn",
    "jsonb_agg_transfn",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "jsonb_object_agg_finalfn",
    "jsonb_object_agg_transfn",
    "jsonb_path_exists_tz",
    "jsonb_path_match_tz",
    "jsonb_path_query_array_tz",
    "jsonb_path_query_first_tz",
    "jsonb_path_query_tz",
    "jsonb_populate_record",
    "jsonb_populate_recordset",
    "jsonb_to_record",
    "jsonb_to_recordset",
    "length",
    "make_timestamptz",
    "multirange_in",
    "multirange_out",
    "overlaps",
    "pg_typeof",
    "quote_literal",
    "quote_nullable",
    "range_in",
    "range_out",
    "record_in",
    "record_out",
    "row_to_json",
    "textanycat",
    "time",
    "time_in",
    "timestamp",
    "timestamp_cmp_timestamptz",
    "timestamp_eq_timestamptz",
    "timestamp_ge_timestamptz",
    "timestamp_gt_timestamptz",
    "timestamp_in",
    "timestamp_le_timestamptz",
    "timestamp_lt_timestamptz",
    "timestamp_ne_timestamptz",
    "timestamp_out",
    "timestamptz",
    "timestamptz_cmp_date",
    "timestamptz_cmp_timestamp",
    "timestamptz_eq_date",
    "timestamptz_eq_timestamp",
    "timestamptz_ge_date",
    "timestamptz_ge_timestamp",
    "timestamptz_gt_date",
    "timestamptz_gt_timestamp",
    "timestamptz_in",
    "timestamptz_le_date",
    "timestamptz_le_timestamp",
    "timestamptz_lt_date",
    "timestamptz_lt_timestamp",
    "timestamptz_mi_interval",
    "timestamptz_ne_date",
    "timestamptz_ne_timestamp",
    "timestamptz_out",
    "timestamptz_pl_interval",
    "timetz_out",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
];

/// Functions of text search that take their configuration from the session where none is named.
const TEXT_SEARCH: &[&str] = &[
    "get_current_ts_config",
    "json_to_tsvector",
    "jsonb_to_tsvector",
    "phraseto_tsquery",
    "plainto_tsquery",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "websearch_to_tsquery",
];

fn obstacle(function: &Function) -> Option<(String, &'static str)> {
    let name = function.name.as_str();
    let is_servers = function.of_server && function.schema == "pg_catalog";
    if function.volatility == "i" || is_servers && CLOCKS.contains(&name) {
        return None;
    }
    let reason = |why: &str| format!("function \"{name}\" {why}");
    Some(match (function.volatility.as_str(), is_servers) {
        // `timetz(time)` takes the offset of today.
        ("s", true) if name == "timetz" && function.arguments.ends_with("with time zone") => return None,
        ("s", true) if HARMLESS.contains(&name) => return None,
        ("s", true) if TEXT_SEARCH.contains(&name) => (
            reason("takes a configuration from the session"),
            "Name the configuration, as in to_tsvector('english', body).",
        ),
        ("s", true) => (
            reason("depends on more than its arguments"),
            "Compute it where rows are written, into a column.",
        ),
        ("s", false) => (
            reason("is stable: it may read tables or clocks"),
            "Write what it does into the query, or declare it IMMUTABLE if its arguments alone settle its result.",
        ),
        (_, true) => (
            reason("is volatile: it may give another result at every call"),
            "Compute it where rows are written, into a column.",
        ),
        (_, false) => (
            reason("is volatile: it may give another result at every call"),
            "Declare it IMMUTABLE if its arguments alone settle its result.",
        ),
    })
}

fn construct(function: &Function) -> String {
    let schema =
        if function.schema == "pg_catalog" { String::new() } else { format!("{}.", function.schema) };
    format!("{schema}{}({})", function.name, function.arguments)
}

/// Where the query first has the name before a parenthesis: for a person, so a likely place will do.
fn place(name: &str, text: &str) -> Range<usize> {
    text.find(&format!("{name}(")).map_or(0..0, |start| start..start + name.len())
}
