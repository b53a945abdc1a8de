//! What fires, what was told of it, and what nobody wants to hear of.

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use remat::{
    NewMute,
    access::Role,
    name::RelationName,
    store::alerts::{Alert, AlertFilter, Muted},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::page;
use crate::http::{
    Mount, Principal, Problem, Web,
    extract::{Body, Params},
};

pub(super) fn mount(mount: Mount) -> Mount {
    let mount = mount
        .api(Role::Viewer, routes!(alerts))
        .api(Role::Viewer, routes!(mutes))
        .api(Role::Operator, routes!(mute))
        .api(Role::Operator, routes!(unmute));
    #[cfg(feature = "alerts")]
    let mount = mount.api(Role::Operator, routes!(test));
    mount
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only those that fire, or only those that ended.
    firing: Option<bool>,
    /// Only of this rule.
    rule: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Those after this `next`.
    after: Option<i64>,
}

/// Alerts with the messages that tell of them.
#[derive(Serialize, ToSchema)]
struct Alerts {
    /// The newest first.
    alerts: Vec<Alert>,
    /// Where to go on: the next `after`; null at the end.
    next: Option<i64>,
}

/// What fires and what did, the newest first. A part may be shorter than its limit where some are of views that are not seen.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(Asked), responses((status = 200, body = Alerts)))]
async fn alerts(
    State(web): State<Web>,
    principal: Principal,
    Params(asked): Params<Asked>,
) -> Result<Json<Alerts>, Problem> {
    let limit = page::limit(asked.limit)?;
    let rule = asked.rule.map(readable).transpose()?;
    let (is_open, before) = (asked.firing, asked.after);
    let filter =
        AlertFilter { is_open, rule, before, limit: Some(page::one_more(limit)), ..AlertFilter::default() };
    let mut alerts = web.remat.alerts(&filter).await?;
    let next = page::cut(&mut alerts, limit).map(|last| last.id);
    alerts.retain(|alert| sees(&principal, alert.view.as_ref()));
    Ok(Json(Alerts { alerts, next }))
}

/// Mutes that hold.
#[derive(Serialize, ToSchema)]
struct Mutes {
    mutes: Vec<Muted>,
}

/// What nobody wants to hear of.
#[utoipa::path(get, path = "/api/v1/mutes", tag = "alerts", responses((status = 200, body = Mutes)))]
async fn mutes(State(web): State<Web>, principal: Principal) -> Result<Json<Mutes>, Problem> {
    let mut mutes = web.remat.mutes().await?;
    mutes.retain(|muted| sees(&principal, muted.view.as_ref()));
    Ok(Json(Mutes { mutes }))
}

/// What a mute is about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMute)]
struct Wanted {
    /// The name of a rule; every rule when none is named.
    #[serde(default)]
    rule: Option<String>,
    /// The view; everything when none is named.
    #[serde(default)]
    view: Option<String>,
    /// When it ends by itself.
    #[serde(default)]
    until: Option<Timestamp>,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

/// A mute.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeMute)]
struct Made {
    mute: Muted,
}

/// Keep messages of a rule, of a view or of both back.
#[utoipa::path(
    post, path = "/api/v1/mutes", tag = "alerts", request_body = Wanted,
    responses(
        (status = 201, body = Made),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There cannot be such a mute", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn mute(
    State(web): State<Web>,
    principal: Principal,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let subject = Subject::read(&principal, wanted.rule, wanted.view)?;
    let reason = wanted.reason.map(readable).transpose()?;
    let Subject { rule, view } = &subject;
    let (rule, view, by) = (rule.clone(), view.clone(), principal.name.clone());
    let mute = web.remat.mute(&NewMute { rule, view, until: wanted.until, reason, by }).await?;
    subject.record(&web, &principal, "alert.mute").await?;
    Ok((StatusCode::CREATED, Json(Made { mute })))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Ending {
    /// The name of the rule; that of every rule when none is named.
    rule: Option<String>,
    /// The view; that of everything when none is named.
    view: Option<String>,
}

/// How many mutes ended.
#[derive(Serialize, ToSchema)]
struct Unmuted {
    ended: u64,
}

/// End the mutes of exactly this rule and view.
#[utoipa::path(
    delete, path = "/api/v1/mutes", tag = "alerts", params(Ending),
    responses((status = 200, body = Unmuted), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn unmute(
    State(web): State<Web>,
    principal: Principal,
    Params(ending): Params<Ending>,
) -> Result<Json<Unmuted>, Problem> {
    let subject = Subject::read(&principal, ending.rule, ending.view)?;
    let ended = web.remat.unmute(subject.rule.as_deref(), subject.view.as_ref()).await?;
    subject.record(&web, &principal, "alert.unmute").await?;
    Ok(Json(Unmuted { ended }))
}

/// How a test message fared.
#[cfg(feature = "alerts")]
#[derive(Serialize, ToSchema)]
struct Tested {
    /// `sent` or `failed`, and its answer says why.
    delivery: remat::store::deliveries::Delivery,
}

/// Send a message to a destination that says it is a test, at once and once.
#[cfg(feature = "alerts")]
#[utoipa::path(
    post, path = "/api/v1/destinations/{name}/test", tag = "alerts",
    params(("name" = String, Path, description = "The name of the destination")),
    responses((status = 200, body = Tested), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
async fn test(
    State(web): State<Web>,
    principal: Principal,
    crate::http::extract::Named(name): crate::http::extract::Named<String>,
) -> Result<Json<Tested>, Problem> {
    if name.contains('\0') || !principal.scope.is_all() {
        return Err(Problem::not_found("there is no such destination"));
    }
    let delivery = web.remat.test_destination(&name).await?;
    web.remat.record_act(&principal.act("destination.test", Some(&name))).await?;
    Ok(Json(Tested { delivery }))
}

/// What a mute is about, as whoever asks may say it.
struct Subject {
    rule: Option<String>,
    view: Option<RelationName>,
}

impl Subject {
    fn read(principal: &Principal, rule: Option<String>, view: Option<String>) -> Result<Self, Problem> {
        let view = view.map(|typed| RelationName::parse(&typed, "public")).transpose()?;
        if !sees(principal, view.as_ref()) {
            return Err(Problem::not_found("there is no such view"));
        }
        Ok(Self { rule: rule.map(readable).transpose()?, view })
    }

    async fn record(&self, web: &Web, principal: &Principal, action: &str) -> Result<(), Problem> {
        let view = self.view.as_ref().map(ToString::to_string);
        let object = view.as_deref().or(self.rule.as_deref());
        let schema = self.view.as_ref().map(|view| view.schema.as_str());
        let act = remat::access::Act { schema, ..principal.act(action, object) };
        Ok(web.remat.record_act(&act).await?)
    }
}

/// What is about no view is about all of them.
fn sees(principal: &Principal, view: Option<&RelationName>) -> bool {
    view.map_or(principal.scope.is_all(), |view| principal.scope.sees(view))
}

/// A text that the database can take.
fn readable(text: String) -> Result<String, Problem> {
    if text.contains('\0') {
        return Err(Problem::bad_request("a text cannot be read").with_detail("It holds a NUL."));
    }
    Ok(text)
}
