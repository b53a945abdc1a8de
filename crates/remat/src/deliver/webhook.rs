//! A webhook: the message as JSON, signed.
//!
//! Law: the signature covers the time and the body, so that neither can be changed and an old message not be played
//! again. The id of the message is the same for each attempt.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::http;
use crate::alert::{Message, Reach};

pub(super) async fn send(
    url: &str,
    key: Option<&str>,
    reach: Reach,
    message_id: &str,
    message: &Message,
) -> Result<String, String> {
    let body = body(message_id, message);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut headers = vec![
        ("x-remat-event", message.event.to_string()),
        ("x-remat-message-id", message_id.to_owned()),
        ("x-remat-timestamp", now.to_string()),
    ];
    if let Some(key) = key {
        headers.push(("x-remat-signature", format!("v1={}", signature(key, now, &body))));
    }
    http::post(url, reach, &headers, body).await
}

/// The message with its id and its texts.
fn body(message_id: &str, message: &Message) -> String {
    let mut body = json!({ "message_id": message_id, "subject": message.subject(), "text": message.text() });
    if let (Some(body), Some(fields)) = (body.as_object_mut(), json!(message).as_object_mut()) {
        body.append(fields);
    }
    body.to_string()
}

/// HMAC-SHA-256 of the time, a dot and the body, in hexadecimal digits.
fn signature(key: &str, time: u64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        // HMAC takes keys of any length.
        return String::new();
    };
    mac.update(format!("{time}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_others() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'key'
        assert_eq!(
            signature("key", 1_700_000_000, "{\"a\":1}"),
            "a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
        );
    }
}
