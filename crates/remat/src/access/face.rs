//! Giving, taking and checking access: the part of [`Remat`] that the HTTP interface and `remat token` use.
//!
//! Law: an act and its line in the audit are one transaction. Whether a secret is good is one query; a wrong one, an
//! expired one and a revoked one are told apart to nobody.

use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::{Act, AuditFilter, AuditLine, Grant, Role, Secret, Token, secret};
use crate::{
    Remat,
    error::{Error, ErrorKind},
    failure::FailureKind,
    name::Identifier,
    pg::in_transaction,
    store::{
        audit,
        idempotency::{self, Answer, Known},
        sessions, tokens,
    },
};

/// How long a browser stays logged in.
pub const SESSION_LASTS: Duration = Duration::from_hours(12);

/// Names that no token may have, because the audit means something else by them.
const RESERVED: &[&str] = &["local", "nobody"];

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Letters, digits and `. _ @ -`; never one that was given before.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The schemas whose views it sees; all of them when there are none.
    pub schemas: Vec<String>,
    /// When it ends by itself.
    pub lasts: Option<Duration>,
}

impl NewToken {
    fn check(&self) -> Result<(), Error> {
        let fits = |char: char| char.is_ascii_alphanumeric() || "._@-".contains(char);
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(fits) {
            return Err(Error::new(ErrorKind::InvalidDefinition, "a token cannot have this name")
                .with_detail("A name has 1 to 63 letters, digits, dots, underscores, @ or hyphens."));
        }
        if RESERVED.contains(&self.name.as_str()) {
            let primary = format!("no token may be named \"{}\"", self.name);
            return Err(Error::new(ErrorKind::InvalidDefinition, primary)
                .with_detail("The audit calls somebody so who had no token."));
        }
        if self.role == Role::Admin && !self.schemas.is_empty() {
            return Err(Error::new(ErrorKind::InvalidDefinition, "an admin sees every schema")
                .with_detail("Whoever gives access could take the other schemas too.")
                .with_hint("Choose another role, or no schemas."));
        }
        self.schemas.iter().try_for_each(|schema| Identifier::new(schema).map(drop))
    }
}

impl Remat {
    /// Makes a token. Its secret is in the answer and nowhere else.
    pub async fn create_token(&self, token: &NewToken, by: &Act<'_>) -> Result<(Token, Secret), Error> {
        token.check()?;
        let secret = Secret::random()?;
        let hash = secret.hash();
        let made = self
            .with_session(async |session| {
                let made = in_transaction(session, async {
                    tokens::insert(session, token, &hash, by.who).await?;
                    let after = serde_json::json!({ "role": token.role, "schemas": token.schemas });
                    let act = Act {
                        action: "token.create",
                        object: Some(&token.name),
                        after: Some(after),
                        ..by.clone()
                    };
                    audit::record(session, &act).await
                });
                match made.await {
                    Err(failure) if failure.kind == FailureKind::NotUnique => Err(taken(&token.name)),
                    made => Ok(made?),
                }?;
                tokens::named(session, &token.name).await
            })
            .await?;
        Ok((made.ok_or_else(|| unknown(&token.name))?, secret))
    }

    /// Every token that was ever made, the newest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.with_session(async |session| tokens::all(session).await).await
    }

    /// Takes a token back; whoever is logged in with it is out. Gives the token; it may have been revoked before.
    pub async fn revoke_token(&self, name: &str, by: &Act<'_>) -> Result<Token, Error> {
        self.with_session(async |session| {
            let known = tokens::named(session, name).await?.ok_or_else(|| unknown(name))?;
            in_transaction(session, async {
                if tokens::revoke(session, name).await? {
                    let act = Act { action: "token.revoke", object: Some(name), ..by.clone() };
                    audit::record(session, &act).await?;
                }
                Ok(())
            })
            .await?;
            Ok(tokens::named(session, name).await?.unwrap_or(known))
        })
        .await
    }

    /// Whom a token's secret belongs to; nobody when it is wrong, expired or revoked.
    pub async fn authenticate(&self, presented: &str) -> Result<Option<Grant>, Error> {
        let Some(hash) = secret::presented(presented) else { return Ok(None) };
        let found = self.with_session(async |session| tokens::by_hash(session, &hash).await).await?;
        // The index compared it already; this costs nothing and depends on no plan of the server.
        Ok(found.filter(|(kept, _)| bool::from(kept.as_slice().ct_eq(&hash))).map(|(_, grant)| grant))
    }

    /// Logs a browser in that showed a token's secret. The answer is for its cookie.
    pub async fn open_web_session(&self, token_id: i64) -> Result<Secret, Error> {
        let secret = Secret::random()?;
        let hash = secret.hash();
        self.with_session(async |session| Ok(sessions::open(session, token_id, &hash, SESSION_LASTS).await?))
            .await?;
        Ok(secret)
    }

    /// Whom a cookie's secret belongs to; nobody when it is wrong, its time is over or its token has ended.
    pub async fn authenticate_web_session(&self, presented: &str) -> Result<Option<Grant>, Error> {
        let Some(hash) = secret::presented(presented) else { return Ok(None) };
        let found = self.with_session(async |session| sessions::by_hash(session, &hash).await).await?;
        Ok(found.filter(|(kept, _)| bool::from(kept.as_slice().ct_eq(&hash))).map(|(_, grant)| grant))
    }

    /// Logs a browser out.
    pub async fn close_web_session(&self, presented: &str) -> Result<(), Error> {
        let Some(hash) = secret::presented(presented) else { return Ok(()) };
        self.with_session(async |session| Ok(sessions::close(session, &hash).await?)).await
    }

    /// Adds a line to the audit.
    pub async fn record_act(&self, act: &Act<'_>) -> Result<(), Error> {
        self.with_session(async |session| Ok(audit::record(session, act).await?)).await
    }

    /// Lines of the audit, the newest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditLine>, Error> {
        self.with_session(async |session| Ok(audit::list(session, filter).await?)).await
    }

    /// Takes the key of a request, or tells what is known of it. `request` is what [`super::request_hash`] makes of it.
    pub async fn take_request_key(&self, who: &str, key: &str, request: &[u8; 32]) -> Result<Known, Error> {
        self.with_session(async |session| Ok(idempotency::take(session, who, key, request).await?)).await
    }

    /// Keeps what was answered to the request of a key.
    pub async fn answer_request_key(&self, who: &str, key: &str, answer: &Answer) -> Result<(), Error> {
        self.with_session(async |session| Ok(idempotency::answer(session, who, key, answer).await?)).await
    }

    /// Gives the key of a request back that failed.
    pub async fn release_request_key(&self, who: &str, key: &str) -> Result<(), Error> {
        self.with_session(async |session| Ok(idempotency::release(session, who, key).await?)).await
    }

    /// Deletes what is kept for a time only: sessions whose time is over, and answers to requests of yesterday.
    pub async fn forget_expired(&self) -> Result<(), Error> {
        self.with_session(async |session| {
            sessions::prune(session).await?;
            Ok(idempotency::prune(session).await?)
        })
        .await
    }
}

fn unknown(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("token \"{name}\" is not known"))
        .with_hint("`remat token list` shows them.")
}

fn taken(name: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("there is a token \"{name}\" already"))
        .with_detail("A name is never given twice, so that the audit stays clear.")
        .with_hint("Choose another name.")
}
