//! Sidekiq's messages: the JSON that its Ruby clients push and its Ruby workers perform.
//!
//! Law: what is read here is a hint of remat, or a request in the sender's own words; everything else is unreadable, with
//! the reason. Nothing is repaired.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::backend::{Heard, Hint, Request};

/// The class under which hints of remat travel.
pub(super) const HINT_CLASS: &str = "Remat::RunJob";

/// The class under which text that is no job lies in the dead set.
const UNREADABLE_CLASS: &str = "Remat::Unreadable";

/// The class in which Active Job wraps its own, since Sidekiq 4 and still in 7.
const WRAPPER_CLASS: &str = "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper";

/// What Active Job notes about a hash beside its entries.
const NOTES: [&str; 3] = ["_aj_symbol_keys", "_aj_ruby2_keywords", "_aj_hash_with_indifferent_access"];

/// A hint as a job. `retry` is false: the run's row knows its retries.
pub(super) fn write(hint: &Hint, jid: &str, now: f64) -> String {
    let job = json!({
        "class": HINT_CLASS,
        "args": [hint.run_id],
        "retry": false,
        "queue": hint.queue,
        "jid": jid,
        "created_at": now,
        "enqueued_at": now,
    });
    job.to_string()
}

/// Reads a job that was taken from this queue; the error says why it cannot be one.
pub(super) fn read(text: &[u8], queue: &str) -> Result<Heard, String> {
    let job: Value = serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))?;
    let class = job.get("class").and_then(Value::as_str).ok_or("\"class\" is no string")?;
    let args = job.get("args").and_then(Value::as_array).ok_or("\"args\" is no array")?;
    let key = key(&job, text);
    let request = |job: &str, arguments| {
        Heard::Request(Request { job: job.to_owned(), arguments, queue: queue.to_owned(), key })
    };
    match class {
        HINT_CLASS => match args.first().and_then(Value::as_i64) {
            Some(run_id) => Ok(Heard::Hint(Hint { run_id, queue: queue.to_owned() })),
            None => Err("\"args\" of Remat::RunJob hold no id of a run".into()),
        },
        UNREADABLE_CLASS => Err("it was unreadable before".into()),
        WRAPPER_CLASS => {
            let (class, arguments) = unwrap(args).ok_or("\"args\" hold no job of Active Job")?;
            Ok(request(class, arguments))
        }
        class => Ok(request(class, args.clone())),
    }
}

/// What the sender calls the job. Sidekiq's clients always give it an id; a copy of the text is the same job.
fn key(job: &Value, text: &[u8]) -> String {
    match job.get("jid").and_then(Value::as_str) {
        Some(jid) => format!("sidekiq:{jid}"),
        None => {
            Sha256::digest(text)[..12].iter().fold("sidekiq:".into(), |key, byte| format!("{key}{byte:02x}"))
        }
    }
}

/// The class and the arguments inside Active Job's wrapper.
fn unwrap(args: &[Value]) -> Option<(&str, Vec<Value>)> {
    let inner = args.first()?;
    let class = inner.get("job_class")?.as_str()?;
    let arguments = inner.get("arguments")?.as_array()?;
    Some((class, arguments.iter().map(plain).collect()))
}

/// An argument without Active Job's notes: symbols are strings, hashes have their entries only. What stands for an object
/// of the application, such as a global id, stays as it is, for nobody here can look it up.
fn plain(argument: &Value) -> Value {
    match argument {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(entries) => symbol(entries).unwrap_or_else(|| {
            let entries = entries.iter().filter(|(name, _)| !NOTES.contains(&name.as_str()));
            entries.map(|(name, value)| (name.clone(), plain(value))).collect()
        }),
        other => other.clone(),
    }
}

fn symbol(entries: &Map<String, Value>) -> Option<Value> {
    let serializer = entries.get("_aj_serialized")?;
    (serializer == "ActiveJob::Serializers::SymbolSerializer").then(|| entries.get("value").cloned())?
}

/// The job as it lies in the dead set, with Sidekiq's own words for what went wrong. Text that is no job is the argument
/// of one, so that Sidekiq's pages can show it.
pub(super) fn dead(text: &[u8], queue: &str, why: &str, now: f64) -> String {
    let mut job = match serde_json::from_slice(text) {
        Ok(Value::Object(job)) => job,
        _ => Map::from_iter([
            ("class".to_owned(), json!(UNREADABLE_CLASS)),
            ("args".to_owned(), json!([shown(text)])),
            ("retry".to_owned(), json!(false)),
        ]),
    };
    let jid = key(&Value::Null, text).split_off("sidekiq:".len());
    job.entry("jid").or_insert(json!(jid));
    job.entry("created_at").or_insert(json!(now));
    job.insert("queue".into(), json!(queue));
    job.insert("error_class".into(), json!(UNREADABLE_CLASS));
    job.insert("error_message".into(), json!(format!("remat cannot read this job: {why}")));
    job.insert("failed_at".into(), json!(now));
    Value::Object(job).to_string()
}

/// Text as it is, bytes that are no text in hexadecimal.
fn shown(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().fold("\\x".into(), |shown, byte| format!("{shown}{byte:02x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        match read(text.as_bytes(), "views") {
            Ok(Heard::Request(request)) => request,
            other => panic!("no request: {other:?}"),
        }
    }

    #[test]
    fn hint_that_was_written_is_read_as_it_was() {
        let hint = Hint { run_id: 42, queue: "views".into() };
        let text = write(&hint, "b4a577edbccf1d805744efa9", 1_785_000_000.25);
        assert_eq!(read(text.as_bytes(), "views"), Ok(Heard::Hint(hint)));
        assert!(text.contains(r#""enqueued_at":1785000000.25"#), "{text}");
    }

    #[test]
    fn job_of_another_class_is_a_request_in_its_own_words() {
        let text = r#"{"class":"MatViews::RefreshViewJob","args":[7,"exact"],"jid":"abc","queue":"views"}"#;
        let request = request(text);
        assert_eq!((request.job.as_str(), request.key.as_str()), ("MatViews::RefreshViewJob", "sidekiq:abc"));
        assert_eq!(request.arguments, [json!(7), json!("exact")]);
    }

    #[test]
    fn job_of_active_job_is_unwrapped_with_its_symbols_and_keywords() {
        let text = r#"{"class":"ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper",
            "wrapped":"MatViews::RefreshViewJob","queue":"views","jid":"abc","args":[{
              "job_class":"MatViews::RefreshViewJob","job_id":"6f","arguments":[7,
              {"row_count_strategy":{"_aj_serialized":"ActiveJob::Serializers::SymbolSerializer","value":"exact"},
               "_aj_ruby2_keywords":["row_count_strategy"]}]}]}"#;
        assert_eq!(request(text).job, "MatViews::RefreshViewJob");
        assert_eq!(request(text).arguments, [json!(7), json!({"row_count_strategy": "exact"})]);
    }

    #[test]
    fn global_id_of_an_application_stays_what_it_is() {
        let id = json!({"_aj_globalid": "gid://app/MatViews::Definition/7"});
        assert_eq!(plain(&id), id);
    }

    #[test]
    fn job_without_an_id_is_called_by_its_text() {
        let one = request(r#"{"class":"A","args":[1]}"#).key;
        assert_eq!(one.len(), "sidekiq:".len() + 24);
        assert_eq!(one, request(r#"{"class":"A","args":[1]}"#).key);
        assert_ne!(one, request(r#"{"class":"A","args":[2]}"#).key);
    }

    #[test]
    fn what_is_no_job_is_refused_with_the_reason() {
        for text in ["", "{", "17", "[]", r#"{"args":[]}"#, r#"{"class":"A"}"#, r#"{"class":"A","args":{}}"#]
        {
            assert!(read(text.as_bytes(), "views").is_err(), "{text}");
        }
        let text = r#"{"class":"Remat::RunJob","args":["7; drop table t"]}"#;
        assert_eq!(
            read(text.as_bytes(), "views"),
            Err("\"args\" of Remat::RunJob hold no id of a run".into())
        );
    }

    #[test]
    fn dead_job_keeps_what_it_was_and_says_why() {
        let dead = |text: &[u8]| -> Value {
            serde_json::from_str(&dead(text, "views", "\"class\" is no string", 1.5)).unwrap()
        };
        let object = dead(br#"{"args":[1],"jid":"abc"}"#);
        assert_eq!((&object["args"], &object["jid"]), (&json!([1]), &json!("abc")));
        assert_eq!(object["error_message"], "remat cannot read this job: \"class\" is no string");
        assert_eq!(dead(b"{ half")["args"], json!(["{ half"]));
        assert_eq!(dead(b"\xff\x00")["args"], json!(["\\xff00"]));
    }

    #[test]
    fn dead_text_that_somebody_retries_dies_again() {
        let text = dead(b"{ half", "views", "not JSON", 1.5);
        assert_eq!(read(text.as_bytes(), "views"), Err("it was unreadable before".into()));
    }
}
