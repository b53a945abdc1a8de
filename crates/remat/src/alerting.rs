//! What a person or a page asks of alerts.
//!
//! Law: these read and write rows; only [`Remat::test_destination`] reaches out to another machine.

use jiff::Timestamp;

use crate::{
    Remat,
    alert::{self, Destination, Finding, MAIN, Mute, Rules},
    error::{Error, ErrorKind},
    name::RelationName,
    store::{
        alerts::{self, Alert, AlertFilter, Muted},
        deliveries::{self, Delivery},
        events::{self, Event},
        facts, views,
    },
};

/// What is to be muted, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMute {
    /// The name of a rule; `*` or none for every rule.
    pub rule: Option<String>,
    /// The view; everything when none is named.
    pub view: Option<RelationName>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// Who does it.
    pub by: String,
}

impl Remat {
    /// Alerts that match, with the messages that tell of them, the newest first.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<Alert>, Error> {
        self.with_session(async |session| alerts::list(session, filter).await).await
    }

    /// One alert.
    pub async fn alert(&self, id: i64) -> Result<Alert, Error> {
        let found = self.alerts(&AlertFilter { id: Some(id), ..AlertFilter::default() }).await?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("alert {id} is not known")))
    }

    /// What fires at this moment, judged anew and without writing anything; what is muted is left out. This needs no
    /// daemon, so it also tells that there is none.
    pub async fn findings(&self) -> Result<Vec<Finding>, Error> {
        self.with_session(async |session| {
            let rules = alerts::rules(session).await?;
            let mut findings = alert::judge(&facts::all(session, &rules).await?, &rules);
            let standing = alerts::standing(session).await?;
            findings.retain(|found| !standing.mutes_hide(&found.rule, found.subject.view_id()));
            Ok(findings)
        })
        .await
    }

    /// The rules as they hold.
    pub async fn alert_rules(&self) -> Result<Rules, Error> {
        self.with_session(async |session| Ok(alerts::rules(session).await?)).await
    }

    /// Where messages go, by name. Secrets are named in it, never held.
    pub async fn destinations(&self) -> Result<Vec<Destination>, Error> {
        self.with_session(async |session| Ok(alerts::destinations(session).await?)).await
    }

    /// The newest messages first, at most so many, those of tests among them.
    pub async fn deliveries(&self, limit: i64) -> Result<Vec<Delivery>, Error> {
        self.with_session(async |session| deliveries::newest(session, None, limit).await).await
    }

    /// The mutes that hold, the newest first.
    pub async fn mutes(&self) -> Result<Vec<Muted>, Error> {
        self.with_session(async |session| alerts::mutes(session).await).await
    }

    /// Tells nothing of a rule, a view or both until the mute ends. Alerts go on being written.
    pub async fn mute(&self, wanted: &NewMute) -> Result<Muted, Error> {
        let mute = self.meant(wanted.rule.as_deref(), wanted.view.as_ref()).await?;
        self.with_session(async |session| {
            let reason = wanted.reason.as_deref();
            let id = alerts::mute(session, &mute, wanted.until, reason, &wanted.by).await?;
            let held = alerts::mutes(session).await?;
            let muted = held.into_iter().find(|muted| Some(muted.id) == id);
            let muted = muted.ok_or_else(|| {
                Error::new(ErrorKind::InvalidSettings, "a mute must end in the future")
                    .with_hint("Write when it ends as an instant to come, or as a length of time from now.")
            })?;
            self.note_mute(session, "mute", &mute, serde_json::to_value(&muted).ok()).await?;
            Ok(muted)
        })
        .await
    }

    /// Ends the mutes of exactly this rule and view; gives how many there were.
    pub async fn unmute(&self, rule: Option<&str>, view: Option<&RelationName>) -> Result<u64, Error> {
        let mute = self.meant(rule, view).await?;
        self.with_session(async |session| {
            let ended = alerts::unmute(session, &mute).await?;
            if ended > 0 {
                self.note_mute(session, "unmute", &mute, None).await?;
            }
            Ok(ended)
        })
        .await
    }

    async fn meant(&self, rule: Option<&str>, view: Option<&RelationName>) -> Result<Mute, Error> {
        let rule = rule.unwrap_or(MAIN);
        let rules = self.alert_rules().await?;
        if rule != MAIN && rules.get(rule).is_none() {
            let known: Vec<&str> = rules.iter().map(|(name, _)| name).collect();
            return Err(Error::new(ErrorKind::NotFound, format!("there is no rule \"{rule}\""))
                .with_hint(format!("The rules are {}; `*` stands for all of them.", known.join(", "))));
        }
        let view_id = match view {
            Some(name) => Some(self.with_session(async |session| views::get(session, name).await).await?.id),
            None => None,
        };
        Ok(Mute { rule: rule.into(), view_id })
    }

    async fn note_mute(
        &self,
        session: &crate::pg::Session,
        action: &str,
        mute: &Mute,
        after: Option<serde_json::Value>,
    ) -> Result<(), Error> {
        let before = after.is_none().then(|| serde_json::json!({ "rule": mute.rule }));
        let (source, view_id) = (self.source(), mute.view_id);
        let event = Event { source, action, view_id, run_id: None, before, after };
        Ok(events::record(session, &event).await?)
    }
}
