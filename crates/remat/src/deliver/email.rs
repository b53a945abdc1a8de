//! Mail.
//!
//! Law: without TLS it is handed only to this machine itself. Two mails about one message have one id, so that readers
//! show one of them.

use std::{error::Error, io};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{
        Mailbox, MessageBuilder,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use tokio::net::lookup_host;

use super::PATIENCE;
use crate::alert::{Mail, MailTls, Message};

pub(super) async fn send(
    mail: &Mail,
    password: Option<String>,
    message_id: &str,
    message: &Message,
) -> Result<String, String> {
    let written = written(mail, message_id, message)?;
    let (host, tls) = match mail.tls {
        MailTls::Starttls => (mail.host.clone(), Tls::Required(parameters(&mail.host)?)),
        MailTls::Tls => (mail.host.clone(), Tls::Wrapper(parameters(&mail.host)?)),
        MailTls::None => (loopback(mail).await?, Tls::None),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let (Some(username), Some(password)) = (&mail.username, password) {
        transport = transport.credentials(Credentials::new(username.clone(), password));
    }
    match transport.build().send(written).await {
        Ok(response) => Ok(format!("SMTP {}", response.code())),
        Err(error) => Err(reason(&error)),
    }
}

/// The server's number; its words may repeat addresses.
fn reason(error: &lettre::transport::smtp::Error) -> String {
    match (error.status(), of_tls(error)) {
        (Some(code), _) => format!("SMTP {code}"),
        (None, Some(tls)) => format!("TLS failed: {tls}"),
        (None, None) if error.is_tls() => "TLS with the mail server failed".into(),
        (None, None) if error.is_timeout() => "the mail server did not answer in time".into(),
        (None, None) => "the mail server could not be reached, or broke off".into(),
    }
}

/// What TLS complains of, which says more than that the connection broke.
fn of_tls(error: &lettre::transport::smtp::Error) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = inner.or_else(|| error.downcast_ref::<rustls::Error>()) {
            return Some(tls.to_string());
        }
        cause = error.source();
    }
    None
}

fn written(mail: &Mail, message_id: &str, message: &Message) -> Result<lettre::Message, String> {
    let mailbox = |address: &String| {
        address.parse::<Mailbox>().map_err(|_| format!("\"{address}\" is not a mail address"))
    };
    let automatic =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
    let mut builder: MessageBuilder = lettre::Message::builder()
        .from(mailbox(&mail.from)?)
        .subject(message.subject())
        .message_id(Some(format!("<{message_id}@remat>")))
        .raw_header(automatic)
        .header(ContentType::TEXT_PLAIN);
    for address in &mail.to {
        builder = builder.to(mailbox(address)?);
    }
    let text = format!("{}\n\n{}", message.subject(), message.text());
    builder.body(text).map_err(|_| "the mail cannot be written".into())
}

fn parameters(host: &str) -> Result<TlsParameters, String> {
    TlsParameters::new_rustls(host.to_owned()).map_err(|_| "TLS cannot be set up for the mail server".into())
}

/// An address of this machine; nothing else is spoken to in the clear.
async fn loopback(mail: &Mail) -> Result<String, String> {
    let found = lookup_host((mail.host.as_str(), mail.port)).await;
    let found: Vec<_> = found.map_err(|_| "the mail server could not be resolved")?.collect();
    match found.first() {
        Some(first) if found.iter().all(|address| address.ip().is_loopback()) => Ok(first.ip().to_string()),
        _ => Err("mail without TLS is handed to this machine itself only".into()),
    }
}
