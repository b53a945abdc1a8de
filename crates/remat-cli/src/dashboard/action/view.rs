//! What is done to a view: it is refreshed, created, deleted, paused, resumed.

use axum::{
    body::Body,
    extract::Path,
    http::{Response, StatusCode},
    response::IntoResponse,
};
use jiff::{Timestamp, civil::DateTime};
use remat::{
    access::Role,
    backend::PostgresBackend,
    error::{Error, ErrorKind},
    job::Job,
    name::RelationName,
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::Trigger,
    store::queue::Outcome,
    view::{Pause, View},
};

use super::{Typed, back, typed};
use crate::dashboard::{ask::Ask, part};

pub(in crate::dashboard) async fn act(
    ask: Ask,
    Path((schema, name, act)): Path<(String, String, String)>,
    form: Typed,
) -> Response<Body> {
    if !["refresh", "create", "delete", "pause", "resume"].contains(&act.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let needed = if act == "delete" { Role::Editor } else { Role::Operator };
    if !ask.may(needed) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match done(&ask, (schema, name), &act, &form).await {
        Ok((path, word)) => {
            ask.desk.forget().await;
            back(&ask, &path, word)
        }
        Err(error) => ask.complain(&error),
    }
}

/// Does it, and says where to go and what became of it.
async fn done(
    ask: &Ask,
    (schema, name): (String, String),
    act: &str,
    form: &Typed,
) -> Result<(String, &'static str), Error> {
    let view = ask.remat().view(&RelationName::new(schema, name)?).await?;
    let here = part::view_path(&view.definition.name);
    match act {
        "refresh" => enqueue(ask, &view, Job::Refresh(RefreshOptions::default())).await,
        "create" => enqueue(ask, &view, Job::Create(CreateOptions::default())).await,
        "delete" => {
            if typed(form, "sure") != Some(view.definition.name.name.as_str()) {
                return Err(Error::new(ErrorKind::NeedsConfirmation, "the name of the view was not typed")
                    .with_hint("Type it into the form to say that the deletion is meant."));
            }
            let cascade = typed(form, "cascade").is_some();
            enqueue(ask, &view, Job::Delete(DeleteOptions { cascade, ..DeleteOptions::default() })).await
        }
        "pause" => {
            let reason = typed(form, "reason").map(str::to_owned);
            let pause = Pause { by: ask.who.name.clone(), reason, until: until(ask, form)? };
            ask.remat().pause(&view, &pause).await?;
            Ok((here, "pause"))
        }
        _ => {
            ask.remat().resume(&view).await?;
            Ok((here, "resume"))
        }
    }
}

async fn enqueue(ask: &Ask, view: &View, job: Job) -> Result<(String, &'static str), Error> {
    let word = job.operation().as_str();
    let backend = PostgresBackend::new(ask.remat());
    let enqueued = ask.remat().enqueue_job(&backend, view, job, None, Trigger::Manual).await?;
    let said = match (enqueued.outcome, word) {
        (Outcome::Joined, _) => "joined",
        (Outcome::Skipped, _) => "skipped",
        (_, "create") => "create",
        (_, "delete") => "delete",
        _ => "refresh",
    };
    Ok((format!("/runs/{}", enqueued.run_id), said))
}

/// When a pause ends: after so many minutes, or at a time in the chosen zone; none until somebody resumes it.
fn until(ask: &Ask, form: &Typed) -> Result<Option<Timestamp>, Error> {
    if let Some(time) = typed(form, "until") {
        let time: DateTime = time
            .parse()
            .map_err(|_| Error::new(ErrorKind::InvalidSettings, "the end of the pause is no time"))?;
        let zoned = time.to_zoned(ask.zone.clone());
        let zoned = zoned
            .map_err(|_| Error::new(ErrorKind::InvalidSettings, "the end of the pause is out of range"))?;
        return Ok(Some(zoned.timestamp()));
    }
    let minutes: Option<i64> = typed(form, "for").and_then(|minutes| minutes.parse().ok());
    Ok(minutes.map(|minutes| ask.now + jiff::SignedDuration::from_mins(minutes.clamp(1, 60 * 24 * 366))))
}
