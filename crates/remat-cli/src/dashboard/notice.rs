//! What became of the form that led here.
//!
//! Law: the URL carries a word out of this list and never a text, so that no link can put words into our mouth.

use maud::{Markup, html};

use super::{ask::Ask, icon};

/// The words and what they say.
const DONE: [(&str, &str); 12] = [
    ("refresh", "The refresh is asked for; a worker takes it next."),
    ("joined", "A refresh waits already and will do."),
    ("skipped", "A refresh waits or works already, and the overlap policy is to skip."),
    ("create", "The creation is asked for; a worker takes it next."),
    ("delete", "The deletion is asked for; a worker takes it next."),
    ("cancel", "The run is asked to stop."),
    ("pause", "The view is paused."),
    ("resume", "The view is refreshed again."),
    ("saved", "The definition is saved."),
    ("job", "The scheduled job is asked to run now."),
    ("preferences", "Your choice is kept in this browser."),
    ("alert", "Done."),
];

/// The notice, if there is one.
pub(super) fn of(ask: &Ask) -> Markup {
    let said = ask.word("done").and_then(|word| DONE.iter().find(|(known, _)| *known == word));
    html! {
        @if let Some((_, text)) = said {
            div.notice.t-good role="status" { (icon::of(icon::Icon::Fresh)) span { (text) } }
        }
    }
}
