//! What is done to alerts: they are muted, and a destination is sent a test.

use axum::{body::Body, http::Response};
use jiff::SignedDuration;
use remat::{
    NewMute,
    error::{Error, ErrorKind},
    name::RelationName,
};

use super::{Typed, back, typed};
use crate::dashboard::ask::Ask;

pub(in crate::dashboard) async fn mute(ask: Ask, form: Typed) -> Response<Body> {
    let muted = async {
        let view = view(&ask, &form)?;
        let minutes: Option<i64> = typed(&form, "for").and_then(|minutes| minutes.parse().ok());
        let wanted = NewMute {
            rule: typed(&form, "rule").map(str::to_owned),
            view: view.clone(),
            until: minutes.map(|minutes| ask.now + SignedDuration::from_mins(minutes.clamp(1, 527_040))),
            reason: typed(&form, "reason").map(str::to_owned),
            by: ask.who.name.clone(),
        };
        record(&ask, "alert.mute", view.as_ref(), &form).await?;
        ask.remat().mute(&wanted).await.map(drop)
    };
    led(&ask, muted.await)
}

pub(in crate::dashboard) async fn unmute(ask: Ask, form: Typed) -> Response<Body> {
    let ended = async {
        let view = view(&ask, &form)?;
        record(&ask, "alert.unmute", view.as_ref(), &form).await?;
        ask.remat().unmute(typed(&form, "rule"), view.as_ref()).await.map(drop)
    };
    led(&ask, ended.await)
}

pub(in crate::dashboard) async fn test(ask: Ask, form: Typed) -> Response<Body> {
    let sent = async {
        if !ask.who.scope.is_all() {
            return Err(Error::new(ErrorKind::NotFound, "there is no such destination"));
        }
        let name = typed(&form, "destination").unwrap_or_default();
        ask.remat().record_act(&ask.who.act("destination.test", Some(name))).await?;
        let delivery = ask.remat().test_destination(name).await?;
        if delivery.status == "sent" {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, format!("the test did not reach \"{name}\""))
            .with_detail(delivery.answer.unwrap_or_else(|| "It gave no answer.".into())))
    };
    led(&ask, sent.await)
}

/// The view that the form is about, if it is about one; only all of them together to whoever sees all.
fn view(ask: &Ask, form: &Typed) -> Result<Option<RelationName>, Error> {
    let view = match (typed(form, "schema"), typed(form, "name")) {
        (Some(schema), Some(name)) => Some(RelationName::new(schema, name)?),
        _ => None,
    };
    if ask.sees(view.as_ref()) {
        return Ok(view);
    }
    Err(Error::new(ErrorKind::NotFound, "there is no such alert"))
}

async fn record(ask: &Ask, action: &str, view: Option<&RelationName>, form: &Typed) -> Result<(), Error> {
    match view {
        Some(view) => ask.record(action, view, None).await,
        None => ask.remat().record_act(&ask.who.act(action, typed(form, "rule"))).await,
    }
}

fn led(ask: &Ask, done: Result<(), Error>) -> Response<Body> {
    match done {
        Ok(()) => back(ask, "/alerts", "alert"),
        Err(error) => ask.complain(&error),
    }
}
