//! Carries a message to where it goes.
//!
//! Law: a secret is read when a message is sent, and forgotten. What is said of an attempt names the receiver's number or
//! the reason in our words, never its body and never a URL: the path of a webhook is a secret. Whether it is tried again
//! is not decided here.

mod address;
mod email;
pub(crate) mod http;
mod slack;
mod webhook;

use std::time::Duration;

use crate::alert::{Destination, Message, Route, SecretRef};

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tries to deliver a message once; gives what the receiver answered, or why it has not got it.
pub(crate) async fn send(to: &Destination, message_id: &str, message: &Message) -> Result<String, String> {
    let sent = async {
        match &to.route {
            Route::Webhook { url, secret, reach } => {
                let key = secret.as_ref().map(read).transpose()?;
                webhook::send(&read(url)?, key.as_deref(), *reach, message_id, message).await
            }
            Route::Slack { url, reach } => slack::send(&read(url)?, *reach, message).await,
            Route::Email(mail) => {
                let password = mail.password.as_ref().map(read).transpose()?;
                email::send(mail, password, message_id, message).await
            }
        }
    };
    tokio::time::timeout(PATIENCE, sent)
        .await
        .unwrap_or_else(|_| Err("the receiver did not answer in time".into()))
}

fn read(secret: &SecretRef) -> Result<String, String> {
    let found = match secret {
        SecretRef::Env(name) => std::env::var(name).ok(),
        SecretRef::File(path) => std::fs::read_to_string(path).ok(),
    };
    let found = found.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    found.ok_or_else(|| format!("the {secret} is missing, cannot be read, or is empty"))
}
