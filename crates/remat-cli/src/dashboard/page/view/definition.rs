//! What somebody wrote, and how it changed.

use maud::{Markup, html};
use remat::store::history::Version;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::Told;
use crate::dashboard::{ask::Ask, part, why};

pub(super) fn card(ask: &Ask, told: &Told) -> Markup {
    let definition = &told.view.definition;
    let key: Vec<String> = definition.key.iter().map(ToString::to_string).collect();
    let more = html! { "version " (told.view.version) };
    let body = html! {
        div.stack {
            pre { code { (part::lines(&definition.query)) } }
            dl.kv {
                dt { "Key" } dd { @if key.is_empty() { span.soft { "none" } } @else { code { (part::short(&key.join(", "), 200)) } } }
                dt { "Schedule" } dd { @match &definition.schedule { Some(line) => { code { (part::short(line, 80)) } " " span.soft { (part::short(&definition.schedule_zone, 60)) } } None => { span.soft { "none" } } } }
                dt { "Target" } dd { @match definition.target_lag_s { Some(target) => { (why::age_of(target)) } None => { span.soft { "none" } } } }
                dt { "Owner" } dd { @match &definition.owner { Some(owner) => { (part::short(owner.as_str(), 63)) } None => { span.soft { "whoever creates it" } } } }
                dt { "Queue" } dd { (part::short(&definition.dispatch.queue, 60)) ", priority " (definition.dispatch.priority) ", overlap " (definition.dispatch.overlap) }
                dt { "Rows are counted" } dd { (definition.row_count) }
            }
            (history(ask, &told.past.versions))
        }
    };
    part::card("definition", "Definition", &more, &body)
}

fn history(ask: &Ask, versions: &[Version]) -> Markup {
    html! {
        div.tight {
            h3 { "History" }
            @for (at, version) in versions.iter().enumerate() {
                details.fold {
                    summary {
                        "Version " (version.version) ", " (part::instant(ask, version.changed_at)) ", by " (part::short(&version.changed_by, 63))
                    }
                    @match versions.get(at + 1) {
                        Some(before) => { (diff(&in_lines(&before.definition), &in_lines(&version.definition))) }
                        None => { pre { code { (part::lines(&in_lines(&version.definition))) } } }
                    }
                }
            }
        }
    }
}

/// A definition as lines: its options one by one, then its query as it was written.
fn in_lines(definition: &Value) -> String {
    let Value::Object(fields) = definition else { return String::new() };
    let query = fields.get("query").and_then(Value::as_str).unwrap_or_default();
    let options =
        fields.iter().filter(|(name, _)| *name != "query").map(|(name, value)| format!("{name}: {value}\n"));
    options.chain([query.to_owned()]).collect()
}

/// What changed from one text to the next; lines that stayed are shown near changes only.
pub(in crate::dashboard) fn diff(before: &str, after: &str) -> Markup {
    let diff = TextDiff::from_lines(before, after);
    html! {
        pre.diff {
            @for group in diff.grouped_ops(3) {
                @for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                    @let (class, mark) = match change.tag() {
                        ChangeTag::Delete => (Some("del"), "-"),
                        ChangeTag::Insert => (Some("add"), "+"),
                        ChangeTag::Equal => (None, " "),
                    };
                    span class=[class] { (mark) " " (part::lines(change.value().trim_end_matches('\n'))) }
                }
            }
        }
    }
}
