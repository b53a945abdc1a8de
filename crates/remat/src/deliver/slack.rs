//! A webhook in the words of Slack; Mattermost, Rocket.Chat and others take the same.

use serde_json::json;

use super::http;
use crate::alert::{Message, Reach};

pub(super) async fn send(url: &str, reach: Reach, message: &Message) -> Result<String, String> {
    http::post(url, reach, &[], body(message)).await
}

fn body(message: &Message) -> String {
    let text = format!("*{}*\n{}", escaped(&message.subject()), escaped(&message.text()));
    json!({ "text": text }).to_string()
}

/// The three characters that are markup in its messages: without them nobody is mentioned and no link hides another.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_mentions_nobody_and_links_nowhere() {
        let mut message = Message::test("shop", jiff::Timestamp::UNIX_EPOCH, None);
        message.about = "view public.\"<!channel> <https://evil.example|ok>\"".into();
        let body = body(&message);
        assert!(!body.contains('<') && body.contains("&lt;!channel&gt;"), "{body}");
    }
}
