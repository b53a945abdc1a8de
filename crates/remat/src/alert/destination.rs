//! Where messages go.
//!
//! Law: what is a secret is named and not held: a variable of the environment or a file, read when a message is sent. So
//! neither `remat.toml` nor a table has one, and nothing that prints a destination can print one.

use serde::{Deserialize, Serialize};

use crate::run::words;

/// Where a secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// In the environment variable of this name.
    Env(String),
    /// In the file of this path; white space around it is no part of it.
    File(String),
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

words! {
    /// How a connection to a mail server is protected.
    MailTls {
        /// It begins in the clear and must turn to TLS before anything is said.
        Starttls = "starttls",
        /// It is TLS from the beginning.
        Tls = "tls",
        /// It is not; only to this machine itself.
        None = "none",
    }
}

words! {
    /// What sort of destination it is.
    RouteKind {
        /// JSON with a signature.
        Webhook = "webhook",
        /// JSON in the words of Slack.
        Slack = "slack",
        /// Mail.
        Email = "email",
    }
}

/// One destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Its name, unique in the database.
    pub name: String,
    /// How it is reached.
    #[serde(flatten)]
    pub route: Route,
}

/// How a destination is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Route {
    /// A POST of the message as JSON.
    Webhook {
        /// Where to.
        url: SecretRef,
        /// The key of the signature; unsigned without one.
        secret: Option<SecretRef>,
        /// What the address may be.
        #[serde(flatten)]
        reach: Reach,
    },
    /// A POST of the message in the words of Slack, which others understand as well.
    Slack {
        /// Where to.
        url: SecretRef,
        /// What the address may be.
        #[serde(flatten)]
        reach: Reach,
    },
    /// A mail.
    Email(Mail),
}

/// What the address of a webhook may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Also this machine and networks that are not public.
    pub allow_private: bool,
    /// Also without TLS.
    pub allow_http: bool,
}

/// How a mail is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Who logs in, if anybody must.
    pub username: Option<String>,
    /// With what.
    pub password: Option<SecretRef>,
    /// Who sends it.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
}

impl Route {
    /// What sort it is.
    pub fn kind(&self) -> RouteKind {
        match self {
            Self::Webhook { .. } => RouteKind::Webhook,
            Self::Slack { .. } => RouteKind::Slack,
            Self::Email(_) => RouteKind::Email,
        }
    }
}
