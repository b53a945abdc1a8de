//! What changes, as it changes.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use remat::{access::Role, service::Stop};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::http::{
    Mount, Principal, Problem, Web,
    extract::Params,
    live::{Id, Message},
};

/// How often a stream says that it lives.
const ALIVE: Duration = Duration::from_secs(15);
/// How long a stream lasts: whoever comes back is asked again who they are.
const LASTS: Duration = Duration::from_mins(10);

pub(super) fn mount(mount: Mount) -> Mount {
    mount.api(Role::Viewer, routes!(events))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Since {
    /// What comes after this `id` or `next`; without it from now on.
    after: Option<String>,
}

/// What has changed.
#[derive(Serialize, ToSchema)]
struct Changes {
    /// The oldest first.
    events: Vec<Told>,
    /// Where to go on: the next `after`.
    next: String,
    /// True when more was missed than is kept: look at everything anew.
    reset: bool,
}

/// One thing that changed.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangeTold)]
struct Told {
    id: String,
    /// `run` or `event`.
    kind: &'static str,
    /// A run as `/api/v1/runs/{id}` shows it, or an event of a view.
    data: serde_json::Value,
}

/// What changes: runs that begin, go on and end, and what is done to views.
///
/// With `Accept: text/event-stream` a stream of server-sent events, named `run`, `event`, and `reset` where more was missed than is
/// kept; `Last-Event-ID` goes on where a stream broke off. Otherwise what came after `after`, at once, for who asks from time to time.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events",
    params(Since, ("Last-Event-ID" = Option<String>, Header, description = "As `after`, for streams.")),
    responses((status = 200, description = "What has changed", content(
        (Changes = "application/json"),
        (String = "text/event-stream"),
    ))),
)]
async fn events(
    State(web): State<Web>,
    principal: Principal,
    Params(since): Params<Since>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text(header::HeaderName::from_static("last-event-id")).or(since.after.as_deref());
    // What cannot be read is no place in any feed.
    let since = after.map(|after| after.parse::<Id>().unwrap_or(Id::nowhere()));
    if text(header::ACCEPT).is_some_and(|accept| accept.contains("text/event-stream")) {
        return Ok(stream_of(&web, principal, since));
    }
    let missed = web.live.look(since);
    let told = |message: Arc<Message>| Told {
        id: message.id.to_string(),
        kind: message.name,
        data: serde_json::from_str(&message.text).unwrap_or_default(),
    };
    let within = missed.messages.into_iter().filter(|message| message.is_within(&principal.scope));
    let (events, next) = (within.map(told).collect(), missed.now.to_string());
    Ok(Json(Changes { events, next, reset: missed.reset }).into_response())
}

/// A stream and where it is.
struct Watching {
    first: std::collections::VecDeque<Event>,
    coming: broadcast::Receiver<Arc<Message>>,
    principal: Principal,
    stop: watch::Receiver<Stop>,
    until: Instant,
}

fn stream_of(web: &Web, principal: Principal, since: Option<Id>) -> Response {
    let (missed, coming) = web.live.watch(since);
    let mut first = std::collections::VecDeque::new();
    let place = missed.now.to_string();
    // Says where it begins, so that whoever loses the connection at once misses nothing.
    let word = if missed.reset { "reset" } else { "ready" };
    if missed.reset || missed.messages.is_empty() {
        first.push_back(Event::default().event(word).id(place).data("{}"));
    }
    let within = missed.messages.iter().filter(|message| message.is_within(&principal.scope));
    first.extend(within.map(|message| sent(message)));
    let watching =
        Watching { first, coming, principal, stop: web.stop.clone(), until: Instant::now() + LASTS };
    let stream = stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok::<_, Infallible>(event), watching))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}

impl Watching {
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        loop {
            let heard = tokio::select! {
                heard = self.coming.recv() => heard,
                _ = self.stop.wait_for(|stop| *stop != Stop::No) => return None,
                () = tokio::time::sleep_until(self.until) => return None,
            };
            match heard {
                Ok(message) if message.is_within(&self.principal.scope) => return Some(sent(&message)),
                Ok(_) => {}
                // Too slow: what was missed is gone.
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    return Some(Event::default().event("reset").data("{}"));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

fn sent(message: &Message) -> Event {
    Event::default().event(message.name).id(message.id.to_string()).data(&message.text)
}
