//! Sends the messages of the outbox.
//!
//! Law: a message is claimed, sent and noted, each by itself, so no transaction is open while a receiver thinks. Who dies
//! in between has said something that another will say again, under the same id. What cannot be delivered is tried again
//! with growing delays, and given up with a row that says why.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};

use super::{Pass, Service, counted};
use crate::{
    Remat,
    alert::{Destination, Message},
    deliver,
    error::{Error, ErrorKind},
    failure::FailureKind,
    run::retry::mixed,
    store::{
        alerts,
        deliveries::{self, Delivery},
        outbox::{self, Became, Claimed},
    },
};

/// How often it looks; alerts are written every few seconds at most.
const EVERY: Duration = Duration::from_secs(1);

/// How many messages it sends at once.
const AT_ONCE: i64 = 10;

/// How long a claim holds: longer than an attempt may take.
const LEASE: Duration = Duration::from_mins(1);

/// How often a message is tried: over two hours with the delays below.
const ATTEMPTS: i32 = 12;
const FIRST_DELAY: Duration = Duration::from_secs(5);
const LAST_DELAY: Duration = Duration::from_mins(30);

/// The service.
pub struct Deliverer {
    remat: Remat,
    /// Whether it said that its role may not do this.
    refused: bool,
}

impl Deliverer {
    /// Sends what the alerts of this database have to say.
    pub fn new(remat: &Remat) -> Self {
        Self { remat: remat.clone(), refused: false }
    }

    async fn round(&mut self) -> Result<Pass, Error> {
        let claim = async |session: &crate::pg::Session| Ok(outbox::claim(session, AT_ONCE, LEASE).await);
        let claimed = match self.remat.with_session(claim).await? {
            Ok(claimed) => claimed,
            // A daemon of a role that may do so sends them.
            Err(failure) if failure.kind == FailureKind::PermissionDenied => {
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(error = %failure.complaint, "this daemon sends no messages of alerts");
                }
                return Ok(Pass { did: None, rest: 30 * EVERY });
            }
            Err(failure) => return Err(failure.into()),
        };
        if claimed.is_empty() {
            return Ok(Pass { did: None, rest: EVERY });
        }
        let destinations = self.remat.destinations().await?;
        let attempts = claimed.iter().map(|claimed| self.attempt(&destinations, claimed));
        let sent: usize = join_all(attempts)
            .await
            .into_iter()
            .collect::<Result<Vec<bool>, Error>>()?
            .iter()
            .filter(|sent| **sent)
            .count();
        let did = (sent > 0).then(|| format!("sent {}", counted(sent, "message")));
        Ok(Pass { did, rest: Duration::ZERO })
    }

    /// Tries one message; true when it was sent.
    async fn attempt(&self, destinations: &[Destination], claimed: &Claimed) -> Result<bool, Error> {
        let (became, answer) = tried(destinations, claimed).await;
        let noted = self
            .remat
            .with_session(async |session| Ok(outbox::note(session, claimed, became, &answer).await?))
            .await?;
        let (destination, attempt) = (&claimed.destination, claimed.attempt);
        match became {
            _ if !noted => tracing::debug!(destination, "another process has taken the message over"),
            Became::Sent => {}
            Became::Again(_) => tracing::info!(destination, attempt, answer, "a message could not be sent"),
            Became::GivenUp => tracing::warn!(destination, attempt, answer, "a message was given up"),
        }
        Ok(became == Became::Sent)
    }
}

impl Service for Deliverer {
    fn name(&self) -> &'static str {
        "deliverer"
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        self.round().boxed()
    }
}

async fn tried(destinations: &[Destination], claimed: &Claimed) -> (Became, String) {
    let Some(to) = destinations.iter().find(|to| to.name == claimed.destination) else {
        return (Became::GivenUp, "the destination is no longer there".into());
    };
    let Some(message) = &claimed.message else {
        return (Became::GivenUp, "this version of remat cannot read the message".into());
    };
    match deliver::send(to, &claimed.message_id, message).await {
        Ok(answer) => (Became::Sent, answer),
        Err(answer) if claimed.attempt >= ATTEMPTS => (Became::GivenUp, answer),
        Err(answer) => (Became::Again(delay(claimed)), answer),
    }
}

/// Twice as long each time, shortened by up to a half so that what failed together does not come back together.
fn delay(claimed: &Claimed) -> Duration {
    let doubled = u32::try_from(claimed.attempt.clamp(1, 20) - 1).unwrap_or_default();
    let longest = FIRST_DELAY.saturating_mul(1 << doubled).min(LAST_DELAY);
    let share = mixed(u64::try_from(claimed.id).unwrap_or_default(), u64::from(doubled)) % 1000;
    longest.mul_f64(1.0 - f64::from(u32::try_from(share).unwrap_or_default()) / 2000.0)
}

impl Remat {
    /// Sends a message that says it is a test, at once and once, and tells how that went: the delivery is `sent` or
    /// `failed`, and its answer says why.
    pub async fn test_destination(&self, name: &str) -> Result<Delivery, Error> {
        let destinations = self.destinations().await?;
        let Some(to) = destinations.iter().find(|to| to.name == name) else {
            let known: Vec<&str> = destinations.iter().map(|to| to.name.as_str()).collect();
            let hint = match known.as_slice() {
                [] => "Write [destinations.NAME] into remat.toml, then run `remat apply`.".to_owned(),
                _ => format!("The destinations are {}.", known.join(", ")),
            };
            return Err(Error::new(ErrorKind::NotFound, format!("there is no destination \"{name}\""))
                .with_hint(hint));
        };
        let url = self.alert_rules().await?.all.public_url;
        let claimed = self
            .with_session(async |session| {
                let (database, now) = alerts::database(session).await?;
                let url = url.as_ref().map(|url| format!("{url}/alerts"));
                Ok(outbox::claim_test(session, name, Message::test(&database, now, url)).await?)
            })
            .await?;
        let (became, answer) = match tried(std::slice::from_ref(to), &claimed).await {
            (Became::Again(_), answer) => (Became::GivenUp, answer),
            tried => tried,
        };
        self.with_session(async |session| {
            outbox::note(session, &claimed, became, &answer).await?;
            let written = deliveries::newest(session, Some(claimed.id), 1).await?;
            written.into_iter().next().ok_or_else(|| Error::new(ErrorKind::NotFound, "the message is gone"))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_half_an_hour() {
        let at = |attempt, id| {
            let claimed = Claimed {
                id,
                fence: 1,
                destination: String::new(),
                message_id: String::new(),
                message: None,
                attempt,
            };
            delay(&claimed)
        };
        for id in 0..100 {
            for (attempt, longest) in [(1, 5), (2, 10), (5, 80), (11, 1800), (1000, 1800)] {
                let longest = Duration::from_secs(longest);
                assert!((longest / 2..=longest).contains(&at(attempt, id)), "{attempt}");
            }
        }
        let total: Duration = (1..ATTEMPTS).map(|attempt| at(attempt, 1)).sum();
        assert!(total > Duration::from_hours(1), "{total:?}");
    }
}
