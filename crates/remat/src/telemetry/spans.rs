//! A run that has ended as spans, in the JSON of OTLP.
//!
//! Law: there is no second stopwatch: a span says what the run's row says. The row knows how long each phase took and not when it
//! began, so the phases of a run are laid one after the other from its beginning, in the order in which strategies go
//! through them. Ids are made from the run's, so whoever tells of a run twice tells the same.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::run::{Run, Status};

/// Phases in the order in which they come; others come last.
const ORDER: [&str; 12] = [
    "lock",
    "window",
    "compare",
    "build",
    "index",
    "analyze",
    "carry",
    "write",
    "signed delta",
    "scope",
    "swap",
    "verify",
];

/// Everything that the receiver should know of who sends it.
pub(crate) struct Origin<'a> {
    /// The name of the service.
    pub(crate) service: &'a str,
    /// The database, by its name: runs of two databases have the same numbers.
    pub(crate) database: &'a str,
}

/// One document for these runs; none where none of them has begun and ended.
pub(crate) fn document(runs: &[Run], origin: &Origin<'_>) -> Option<Value> {
    let spans: Vec<Value> = runs.iter().filter_map(|run| of_run(run, origin)).flatten().collect();
    let resource = [
        text("service.name", origin.service),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("db.system.name", "postgresql"),
        text("db.namespace", origin.database),
    ];
    (!spans.is_empty()).then(|| {
        json!({ "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": { "name": "remat" }, "spans": spans }],
        }] })
    })
}

fn of_run(run: &Run, origin: &Origin<'_>) -> Option<Vec<Value>> {
    let (began, ended) = (run.started_at?, run.finished_at?);
    let (trace, root) = (trace_id(origin, run.id), span_id(origin, run.id, "run"));
    let what = run.view.as_ref().map(ToString::to_string).or_else(|| run.job.clone()).unwrap_or_default();
    let failed = matches!(run.status, Status::Failed | Status::Cancelled);
    let message = run.error.as_ref().map(|error| error.primary.as_str()).unwrap_or_default();
    // The attempt before this one has a trace of its own, whose ids are known from its number.
    let links: Vec<Value> = run
        .retry_of
        .map(|id| json!({ "traceId": trace_id(origin, id), "spanId": span_id(origin, id, "run") }))
        .into_iter()
        .collect();
    let mut spans = vec![json!({
        "traceId": trace, "spanId": root, "name": format!("{} {what}", run.operation), "kind": 1,
        "startTimeUnixNano": nanos(began), "endTimeUnixNano": nanos(ended),
        "attributes": attributes(run, &what), "links": links,
        "status": { "code": if failed { 2 } else { 1 }, "message": message },
    })];
    let mut at = began;
    for (phase, ms) in phases(run) {
        let length = SignedDuration::try_from_secs_f64(ms / 1000.0).unwrap_or_default();
        let end = at.checked_add(length).unwrap_or(ended);
        spans.push(json!({
            "traceId": trace, "spanId": span_id(origin, run.id, &phase), "parentSpanId": root, "name": phase, "kind": 1,
            "startTimeUnixNano": nanos(at), "endTimeUnixNano": nanos(end),
        }));
        at = end;
    }
    Some(spans)
}

fn phases(run: &Run) -> Vec<(String, f64)> {
    let known = run.meta.get("phases_ms").and_then(Value::as_object);
    let mut phases: Vec<(String, f64)> = known
        .into_iter()
        .flatten()
        .filter_map(|(name, ms)| Some((name.clone(), ms.as_f64().filter(|ms| *ms >= 0.0)?)))
        .collect();
    let place = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    phases.sort_by_key(|(name, _)| place(name));
    phases
}

fn attributes(run: &Run, what: &str) -> Vec<Value> {
    let number = |key: &str, value: Option<i64>| {
        value.map(|value| json!({ "key": key, "value": { "intValue": value.to_string() } }))
    };
    let optional = |key: &str, value: Option<&str>| value.map(|value| text(key, value));
    let rows = [run.rows_inserted, run.rows_updated, run.rows_deleted];
    let changed = rows.iter().any(Option::is_some).then(|| rows.iter().flatten().sum());
    let all = [
        Some(text("remat.subject", what)),
        Some(text("remat.operation", run.operation.as_str())),
        Some(text("remat.status", run.status.as_str())),
        Some(text("remat.trigger", run.trigger.as_str())),
        Some(text("remat.queue", &run.queue)),
        optional("remat.strategy", run.strategy.as_deref()),
        optional("remat.reason", run.reason.as_deref()),
        optional("remat.worker", run.worker.as_deref()),
        optional("error.type", run.error.as_ref().and_then(|error| error.sqlstate.as_deref())),
        number("remat.run", Some(run.id)),
        number("remat.attempt", Some(run.attempt.into())),
        number("remat.lock_wait_ms", run.lock_wait_ms),
        number("remat.rows_changed", changed),
        number("remat.size_bytes", run.bytes),
    ];
    all.into_iter().flatten().collect()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn nanos(at: Timestamp) -> String {
    at.as_nanosecond().to_string()
}

fn trace_id(origin: &Origin<'_>, run_id: i64) -> String {
    digits(&[origin.database, &run_id.to_string()], 16)
}

fn span_id(origin: &Origin<'_>, run_id: i64, part: &str) -> String {
    digits(&[origin.database, &run_id.to_string(), part], 8)
}

fn digits(parts: &[&str], bytes: usize) -> String {
    let hash = Sha256::digest(parts.join("\0").as_bytes());
    hash.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
