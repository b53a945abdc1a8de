//! `remat schedule`: `{"schedules":[{"kind","name",…,"schedule","zone","in_words","enabled","next","error"}]}`, where a
//! job also has one of `"view"`, `"tag"` and `"sql"`.

use jiff::Timestamp;
use remat::{
    error::Error,
    schedule::Schedule,
    store::jobs::{ScheduledJob, Work},
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

/// Show what fires next: scheduled jobs, and views with a schedule of their own.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How many firings of each to show.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    next: u16,
    /// From this instant on; now when none is given.
    #[arg(long, value_name = "TIME", value_parser = values::instant)]
    from: Option<Timestamp>,
}

/// One cron line and when it fires.
#[derive(Serialize)]
struct Entry {
    kind: &'static str,
    name: String,
    #[serde(flatten)]
    work: Work,
    schedule: String,
    zone: String,
    in_words: Option<String>,
    /// False for a job that is switched off and for a view that is paused.
    enabled: bool,
    next: Vec<Timestamp>,
    error: Option<ErrorJson>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let mut entries: Vec<Entry> = remat.jobs().await?.into_iter().map(of_job).collect();
    entries.extend(remat.views().await?.iter().filter_map(of_view));
    let from = args.from.unwrap_or_else(Timestamp::now);
    for entry in &mut entries {
        entry.fill(from, args.next.into());
    }
    entries.sort_by_key(|entry| (entry.next.first().copied().unwrap_or(Timestamp::MAX), entry.name.clone()));
    app.out.show(&json!({ "schedules": entries }), || table(&app.out, &entries));
    Ok(Exit::Success)
}

impl Entry {
    fn fill(&mut self, from: Timestamp, n: usize) {
        match Schedule::parse(&self.schedule, &self.zone) {
            Ok(schedule) => {
                self.in_words = Some(schedule.in_words());
                if self.enabled {
                    self.next = schedule.next_fires(from, n);
                }
            }
            // The row was written by other means than remat's.
            Err(error) => self.error = Some(ErrorJson::from(&error)),
        }
    }

    fn when(&self) -> String {
        match (&self.error, self.enabled) {
            (Some(_), _) => "never: the schedule cannot be read".into(),
            (None, false) => "off".into(),
            (None, true) => self.next.iter().map(|next| self.in_zone(*next)).collect::<Vec<_>>().join(", "),
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
}

fn of_job(job: ScheduledJob) -> Entry {
    Entry {
        kind: "job",
        name: job.name,
        work: job.work,
        schedule: job.schedule,
        zone: job.zone,
        in_words: None,
        enabled: job.enabled,
        next: Vec::new(),
        error: None,
    }
}

fn of_view(view: &View) -> Option<Entry> {
    let definition = &view.definition;
    Some(Entry {
        kind: "view",
        name: definition.name.to_string(),
        work: Work::View(definition.name.clone()),
        schedule: definition.schedule.clone()?,
        zone: definition.schedule_zone.clone(),
        in_words: None,
        enabled: view.pause.is_none(),
        next: Vec::new(),
        error: None,
    })
}

fn table(out: &Output, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing is scheduled".into();
    }
    let mut table = Table::new(out, &["next", "kind", "name", "does", "schedule"]);
    for entry in entries {
        let tone = if entry.error.is_some() { Tone::Bad } else { Tone::Neutral };
        table.row([
            toned(entry.when(), tone),
            word(entry.kind),
            word(&entry.name),
            word(entry.does()),
            word(text::clean(entry.in_words.as_deref().unwrap_or(&entry.schedule))),
        ]);
    }
    table.finish()
}
