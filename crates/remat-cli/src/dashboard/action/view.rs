//! What is done to a view: it is refreshed, created, deleted, paused, resumed.

use axum::{body::Body, extract::Path, http::Response};
use jiff::{Timestamp, civil::DateTime};
use remat::{
    error::{Error, ErrorKind},
    job::Job,
    operation::{CreateOptions, DeleteOptions, RefreshOptions},
    run::Trigger,
    store::queue::Outcome,
    view::{Pause, View},
};

use super::{Typed, back, typed};
use crate::dashboard::{ask::Ask, part};

type Named = Path<(String, String)>;

/// Where to go, and what became of it.
type Done = Result<(String, &'static str), Error>;

pub(in crate::dashboard) async fn refresh(ask: Ask, Path((schema, name)): Named) -> Response<Body> {
    let done = async {
        let view = ask.view(schema, name).await?;
        enqueue(&ask, &view, Job::Refresh(RefreshOptions::default())).await
    };
    led(&ask, done.await).await
}

pub(in crate::dashboard) async fn create(ask: Ask, Path((schema, name)): Named) -> Response<Body> {
    let done = async {
        let view = ask.view(schema, name).await?;
        enqueue(&ask, &view, Job::Create(CreateOptions::default())).await
    };
    led(&ask, done.await).await
}

pub(in crate::dashboard) async fn delete(
    ask: Ask,
    Path((schema, name)): Named,
    form: Typed,
) -> Response<Body> {
    let done = async {
        let view = ask.view(schema, name).await?;
        if typed(&form, "sure") != Some(view.definition.name.name.as_str()) {
            return Err(Error::new(ErrorKind::NeedsConfirmation, "the name of the view was not typed")
                .with_hint("Type it into the form to say that the deletion is meant."));
        }
        let cascade = typed(&form, "cascade").is_some();
        enqueue(&ask, &view, Job::Delete(DeleteOptions { cascade, ..DeleteOptions::default() })).await
    };
    led(&ask, done.await).await
}

pub(in crate::dashboard) async fn pause(
    ask: Ask,
    Path((schema, name)): Named,
    form: Typed,
) -> Response<Body> {
    let done = async {
        let view = ask.view(schema, name).await?;
        let reason = typed(&form, "reason").map(str::to_owned);
        let pause = Pause { by: ask.who.name.clone(), reason, until: until(&ask, &form)? };
        ask.record("view.pause", &view.definition.name, None).await?;
        ask.remat().pause(&view, &pause).await?;
        Ok((part::view_path(&view.definition.name), "pause"))
    };
    led(&ask, done.await).await
}

pub(in crate::dashboard) async fn resume(ask: Ask, Path((schema, name)): Named) -> Response<Body> {
    let done = async {
        let view = ask.view(schema, name).await?;
        ask.record("view.resume", &view.definition.name, None).await?;
        ask.remat().resume(&view).await?;
        Ok((part::view_path(&view.definition.name), "resume"))
    };
    led(&ask, done.await).await
}

async fn led(ask: &Ask, done: Done) -> Response<Body> {
    match done {
        Ok((path, word)) => {
            ask.forget().await;
            back(ask, &path, word)
        }
        Err(error) => ask.complain(&error),
    }
}

async fn enqueue(ask: &Ask, view: &View, job: Job) -> Done {
    let word = job.operation().as_str();
    let enqueued =
        ask.remat().enqueue_job(ask.web.backend.as_ref(), view, job, None, Trigger::Manual).await?;
    ask.record(&format!("view.{word}"), &view.definition.name, Some(enqueued.run_id)).await?;
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
