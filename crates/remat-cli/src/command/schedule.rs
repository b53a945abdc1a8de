//! `remat schedule`: `{"schedules":[{"kind","name",…,"schedule","target_lag_seconds","zone","in_words","enabled","paused",
//! "next","last","error"}]}`, where one of `"view"`, `"tag"` and `"sql"` says what is done.

use std::collections::BTreeMap;

use jiff::Timestamp;
use remat::{
    Remat,
    error::Error,
    run::Status,
    schedule::Schedule,
    store::{
        fires::{Answer, LastFire, Subject},
        jobs::{ScheduledJob, Work},
    },
    view::View,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        ErrorJson, Output,
        table::{Table, Tone, toned, word},
        text,
    },
    values,
};

/// Show what fires next: scheduled jobs, and views with a schedule or a freshness target of their own.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How many firings of each to show.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    next: u16,
    /// From this instant on; now when none is given.
    #[arg(long, value_name = "TIME", value_parser = values::instant)]
    from: Option<Timestamp>,
}

/// Something that fires, and when.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Scheduled)]
pub(crate) struct Entry {
    /// `job` or `view`.
    kind: &'static str,
    name: String,
    /// `view`, `tag` or `sql`.
    #[serde(flatten)]
    pub(crate) work: Work,
    /// None where a freshness target decides.
    schedule: Option<String>,
    /// None where a schedule decides.
    target_lag_seconds: Option<i64>,
    zone: String,
    in_words: Option<String>,
    /// False for a job that is switched off and for a view that is paused.
    enabled: bool,
    paused: bool,
    next: Vec<Timestamp>,
    last: Option<LastFire>,
    #[schema(value_type = Option<Object>)]
    error: Option<ErrorJson>,
    #[serde(skip)]
    subject: Subject,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let from = args.from.unwrap_or_else(Timestamp::now);
    let entries = entries(&remat, from, args.next.into()).await?;
    app.out.show(&json!({ "schedules": entries }), || table(&app.out, &entries));
    Ok(Exit::Success)
}

/// Everything that fires, what is next first, with the next `n` times of each after `from`.
pub(crate) async fn entries(remat: &Remat, from: Timestamp, n: usize) -> Result<Vec<Entry>, Error> {
    let mut entries: Vec<Entry> = remat.jobs().await?.into_iter().map(of_job).collect();
    entries.extend(remat.views().await?.iter().filter_map(of_view));
    let (mut last, lag_due) = (remat.last_fires().await?, remat.lag_due().await?);
    for entry in &mut entries {
        entry.last = last.remove(&entry.subject);
        entry.fill(from, n, &lag_due);
    }
    entries.sort_by_key(|entry| (entry.next.first().copied().unwrap_or(Timestamp::MAX), entry.name.clone()));
    Ok(entries)
}

impl Entry {
    fn fill(&mut self, from: Timestamp, n: usize, lag_due: &BTreeMap<i64, Timestamp>) {
        match &self.schedule {
            Some(line) => match Schedule::parse(line, &self.zone) {
                Ok(schedule) => {
                    self.in_words = Some(schedule.in_words());
                    if self.enabled {
                        self.next = schedule.next_fires(from, n);
                    }
                }
                // The row was written by other means than remat's.
                Err(error) => self.error = Some(ErrorJson::from(&error)),
            },
            // The one after the next depends on when that one ends.
            None => self.next = self.lag_next(from, lag_due).into_iter().collect(),
        }
    }

    fn lag_next(&self, from: Timestamp, lag_due: &BTreeMap<i64, Timestamp>) -> Option<Timestamp> {
        match &self.subject {
            Subject::View(id) if self.enabled => lag_due.get(id).map(|due| (*due).max(from)),
            _ => None,
        }
    }

    fn when(&self) -> String {
        match &self.error {
            Some(_) => "never: the schedule cannot be read".into(),
            None if self.paused => "paused".into(),
            None if !self.enabled => "off".into(),
            None if self.next.is_empty() => text::NOTHING.into(),
            None => self.next.iter().map(|next| self.in_zone(*next)).collect::<Vec<_>>().join(", "),
        }
    }

    fn before(&self) -> String {
        let Some(last) = &self.last else { return text::NOTHING.into() };
        let at = self.in_zone(last.at);
        match &last.reason {
            Some(reason) => format!("{at}: {} ({reason})", last.outcome),
            None if last.runs.is_empty() => format!("{at}: {}", last.outcome),
            None => format!("{at}: {}", statuses(&last.runs)),
        }
    }

    fn in_zone(&self, instant: Timestamp) -> String {
        let zone = remat::schedule::zone(&self.zone).unwrap_or(jiff::tz::TimeZone::UTC);
        instant.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    fn does(&self) -> String {
        match &self.work {
            Work::View(view) => format!("refresh {view}"),
            Work::Tag(tag) => format!("refresh tag {tag}"),
            Work::Sql(sql) => sql.clone(),
        }
    }

    fn rhythm(&self) -> String {
        let line = self.in_words.as_deref().or(self.schedule.as_deref());
        text::clean(line.unwrap_or_default())
    }
}

/// How the runs stand: `success`, or `6 success, 1 failed` where there are several.
fn statuses(runs: &[Answer]) -> String {
    let count = |status: Status| runs.iter().filter(|run| run.status == status).count();
    let counts = Status::ALL.iter().map(|status| (count(*status), status)).filter(|(count, _)| *count > 0);
    let words = counts.map(|(count, status)| match runs.len() {
        1 => status.to_string(),
        _ => format!("{count} {status}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn of_job(job: ScheduledJob) -> Entry {
    Entry {
        kind: "job",
        subject: Subject::Job(job.name.clone()),
        name: job.name,
        work: job.work,
        schedule: Some(job.schedule),
        target_lag_seconds: None,
        zone: job.zone,
        in_words: None,
        enabled: job.enabled,
        paused: false,
        next: Vec::new(),
        last: None,
        error: None,
    }
}

fn of_view(view: &View) -> Option<Entry> {
    let definition = &view.definition;
    let target = definition.target_lag_s.filter(|_| definition.schedule.is_none());
    if definition.schedule.is_none() && target.is_none() {
        return None;
    }
    let paused = view.pause.is_some();
    Some(Entry {
        kind: "view",
        subject: Subject::View(view.id),
        name: definition.name.to_string(),
        work: Work::View(definition.name.clone()),
        schedule: definition.schedule.clone(),
        target_lag_seconds: target,
        zone: definition.schedule_zone.clone(),
        in_words: target.map(before_it_is_old),
        enabled: !paused,
        paused,
        next: Vec::new(),
        last: None,
        error: None,
    })
}

#[allow(clippy::cast_precision_loss, reason = "an age in seconds is far below the limits")]
fn before_it_is_old(target_s: i64) -> String {
    format!("Before it is {} old", text::age(target_s as f64))
}

fn table(out: &Output, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing is scheduled".into();
    }
    let mut table = Table::new(out, &["next", "kind", "name", "does", "schedule", "last"]);
    for entry in entries {
        let tone = if entry.error.is_some() { Tone::Bad } else { Tone::Neutral };
        table.row([
            toned(entry.when(), tone),
            word(entry.kind),
            word(&entry.name),
            word(entry.does()),
            word(entry.rhythm()),
            word(entry.before()),
        ]);
    }
    table.finish()
}
