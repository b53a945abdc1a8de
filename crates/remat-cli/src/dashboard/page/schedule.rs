//! What fires when: scheduled jobs, views with a schedule or a target of their own, and how much of the day that takes.

use std::collections::{BTreeMap, HashMap};

use axum::response::IntoResponse;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use remat::{
    access::Role,
    error::Error,
    schedule::{self, Schedule},
    store::{
        fires::{LastFire, Subject},
        glance::Glance,
        jobs::{ScheduledJob, Work},
    },
    survey::Picture,
};

use super::{LIVE, views::next_fire};
use crate::{
    dashboard::{
        ask::{Ask, Page, Same},
        chart::heat::{self, Quarter},
        icon::Icon,
        part, why,
    },
    render::text,
};

/// How many firings of each are told.
const NEXT: usize = 5;
/// Views beyond that many are told by the list of views.
const VIEWS: usize = 100;
/// What fires more often than that within a day is spread evenly.
const EXACT: usize = 300;
const DAY_S: f64 = 86_400.0;

pub(in crate::dashboard) async fn show(ask: Ask) -> impl IntoResponse {
    ask.answer(draw(&ask).await)
}

/// Firings to come of one line in one zone, worked out once however many views have it.
#[derive(Default)]
struct Lines {
    known: HashMap<(String, String), (f64, Vec<Timestamp>)>,
}

async fn draw(ask: &Ask) -> Result<Page, Error> {
    let picture = ask.picture().await?;
    let mut jobs = ask.remat().jobs().await?;
    jobs.retain(|job| {
        ask.who.scope.is_all() || matches!(&job.work, Work::View(view) if ask.sees(Some(view)))
    });
    let last = ask.remat().last_fires().await?;
    let ids: Vec<i64> = picture.views.iter().map(|view| view.id).collect();
    let usual: BTreeMap<i64, f64> =
        ask.remat().durations(&ids, 5).await?.into_iter().filter_map(middle).collect();
    let quarters = quarters(ask, &picture, &jobs, &usual);
    let mut own: Vec<&Glance> = picture
        .views
        .iter()
        .filter(|view| view.schedule.is_some() || view.target_lag_seconds.is_some())
        .collect();
    own.sort_by_cached_key(|view| next_fire(view, picture.at).unwrap_or(Timestamp::MAX));
    let body = html! {
        header.head { div { h1 { "Schedule" } p.soft { "What fires next, in UTC and in its own zone. Clocks that change on the way are marked." } } }
        div id=(LIVE) data-live .stack {
            (load(ask, &quarters))
            (part::wide("jobs", "Scheduled jobs", &html! {}, &jobs_table(ask, &jobs, &last)))
            (part::wide("own", "Views with a schedule or a target of their own", &html! { (own.len()) }, &views_table(ask, &own, &last)))
        }
    };
    let same = Same::new("remat schedule --next 5", "GET /api/v1/schedules");
    Ok(Page { title: "Schedule".into(), place: "/schedule", body, same })
}

#[allow(clippy::cast_precision_loss, reason = "durations are far below the limits of a float")]
fn middle((id, mut durations): (i64, Vec<i64>)) -> Option<(i64, f64)> {
    durations.sort_unstable();
    durations.get(durations.len() / 2).map(|ms| (id, *ms as f64))
}

fn load(ask: &Ask, quarters: &[Quarter; 96]) -> Markup {
    let body = html! {
        div.stack {
            div.scroll tabindex="0" role="region" aria-label="Load over the day" { (heat::draw(quarters)) }
            p.small.soft { (advice(quarters)) }
            details.fold { summary { "As a table" } (hours(quarters)) }
        }
    };
    let more = html! { span.soft { "the next 24 hours by time of day, " (ask.zone_name) } };
    part::card("load", "Load over the day", &more, &body)
}

/// The busiest quarter, and whether it would help to spread it.
fn advice(quarters: &[Quarter; 96]) -> String {
    let sum: f64 = quarters.iter().map(|quarter| quarter.busy_ms).sum();
    let peak = quarters.iter().enumerate().max_by(|one, other| one.1.busy_ms.total_cmp(&other.1.busy_ms));
    let Some((at, peak)) = peak.filter(|(_, peak)| peak.busy_ms > 0.0) else {
        return "Nothing fires within the next day.".into();
    };
    let told = format!(
        "The busiest quarter begins at {}: {:.0} refreshes, {} of work.",
        heat::clock(at),
        peak.fires,
        heat::millis(peak.busy_ms)
    );
    if peak.fires >= 2.0 && peak.busy_ms > sum / 96.0 * 3.0 {
        return format!(
            "{told} That is over three times the mean; other minutes in some of their schedules would spread it."
        );
    }
    told
}

fn hours(quarters: &[Quarter; 96]) -> Markup {
    html! {
        table.table {
            caption.sr { "Load by hour" }
            thead { tr { th scope="col" { "Hour" } th.num scope="col" { "Refreshes" } th.num scope="col" { "Work" } } }
            tbody { @for (hour, four) in quarters.chunks(4).enumerate() {
                tr { td { (format!("{hour:02}:00")) } td.num { (format!("{:.0}", four.iter().map(|quarter| quarter.fires).sum::<f64>())) }
                    td.num { (heat::millis(four.iter().map(|quarter| quarter.busy_ms).sum())) } }
            } }
        }
    }
}

/// What each quarter of the next day has to do.
fn quarters(
    ask: &Ask,
    picture: &Picture,
    jobs: &[ScheduledJob],
    usual: &BTreeMap<i64, f64>,
) -> [Quarter; 96] {
    let mut quarters = [Quarter::default(); 96];
    let mut lines = Lines::default();
    let cost = |view: &Glance| usual.get(&view.id).copied().unwrap_or(0.0);
    for view in picture.views.iter().filter(|view| view.pause.is_none()) {
        match (&view.schedule, view.target_lag_seconds) {
            (Some(line), _) => lines.add(ask, &mut quarters, (line, &view.schedule_zone), (1.0, cost(view))),
            (None, Some(target)) => {
                spread(&mut quarters, DAY_S / (seconds(target) * 0.8).max(1.0), cost(view));
            }
            _ => {}
        }
    }
    for job in jobs.iter().filter(|job| job.enabled) {
        let of_job: Vec<&Glance> = picture.views.iter().filter(|view| is_of(job, view)).collect();
        let busy: f64 = of_job.iter().map(|view| cost(view)).sum();
        let fires = u32::try_from(of_job.len().max(1)).unwrap_or(u32::MAX);
        lines.add(ask, &mut quarters, (&job.schedule, &job.zone), (fires.into(), busy));
    }
    quarters
}

fn is_of(job: &ScheduledJob, view: &Glance) -> bool {
    match &job.work {
        Work::View(name) => *name == view.view,
        Work::Tag(tag) => view.tags.contains(tag),
        Work::Sql(_) => false,
    }
}

#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
fn seconds(number: i64) -> f64 {
    number as f64
}

fn spread(quarters: &mut [Quarter; 96], times: f64, each_ms: f64) {
    for quarter in quarters {
        quarter.fires += times / 96.0;
        quarter.busy_ms += times / 96.0 * each_ms;
    }
}

impl Lines {
    fn add(
        &mut self,
        ask: &Ask,
        quarters: &mut [Quarter; 96],
        (line, zone): (&str, &str),
        (count, busy_ms): (f64, f64),
    ) {
        let key = (line.to_owned(), zone.to_owned());
        let (times, fires) = self.known.entry(key).or_insert_with(|| fires(ask.now, line, zone));
        if fires.is_empty() {
            spread(quarters, *times * count, busy_ms / count);
        }
        for fire in fires {
            let there = fire.to_zoned(ask.zone.clone());
            let at = usize::try_from(there.hour()).unwrap_or(0) * 4
                + usize::try_from(there.minute()).unwrap_or(0) / 15;
            quarters[at.min(95)].fires += count;
            quarters[at.min(95)].busy_ms += busy_ms;
        }
    }
}

/// The firings of the next day; only their number where there are very many.
#[allow(clippy::cast_precision_loss, reason = "there are few")]
fn fires(now: Timestamp, line: &str, zone: &str) -> (f64, Vec<Timestamp>) {
    let Ok(schedule) = Schedule::parse(line, zone) else { return (0.0, Vec::new()) };
    let end = now.checked_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
    let mut found = schedule.next_fires(now, EXACT);
    found.retain(|fire| *fire < end);
    match (found.len(), found.last()) {
        (EXACT, Some(last)) => {
            let span = last.duration_since(now).as_secs_f64().max(1.0);
            (EXACT as f64 * DAY_S / span, Vec::new())
        }
        (count, _) => (count as f64, found),
    }
}

fn jobs_table(ask: &Ask, jobs: &[ScheduledJob], last: &HashMap<Subject, LastFire>) -> Markup {
    html! {
        @if jobs.is_empty() { p.empty { "No job is scheduled; " code { "[[job]]" } " in remat.toml makes one." } }
        @else { div.scroll tabindex="0" role="region" aria-label="Table of jobs" {
            table.table.cards {
                caption.sr { "Scheduled jobs" }
                thead { tr { th scope="col" { "Job" } th scope="col" { "Does" } th scope="col" { "Schedule" } th scope="col" { "Next" } th scope="col" { "Last" } th scope="col" { span.sr { "Actions" } } } }
                tbody { @for job in jobs {
                    tr {
                        td.name { (part::short(&job.name, 80)) @if !job.enabled { " " (part::chip(("off", Icon::Paused, "rest"))) } }
                        td data-label="Does" { (does(ask, &job.work)) }
                        td data-label="Schedule" { (words(&job.schedule, &job.zone)) }
                        td data-label="Next" { @if job.enabled { (nexts(ask, &job.schedule, &job.zone)) } @else { (part::nothing()) } }
                        td data-label="Last" { (before(ask, last.get(&Subject::Job(job.name.clone())))) }
                        td.num {
                            @if ask.may(Role::Operator) {
                                form method="post" action=(ask.link("/schedule/run")) {
                                    input type="hidden" name="job" value=(job.name);
                                    button.btn-small type="submit" aria-label={ "Run now: " (part::short(&job.name, 80)) } { "Run now" }
                                }
                            }
                        }
                    }
                } }
            }
        } }
    }
}

fn views_table(ask: &Ask, own: &[&Glance], last: &HashMap<Subject, LastFire>) -> Markup {
    html! {
        @if own.is_empty() { p.empty { "No view has one." } }
        @else { div.scroll tabindex="0" role="region" aria-label="Table of views that fire" {
            table.table.cards {
                caption.sr { "Views that fire by themselves" }
                thead { tr { th scope="col" { "View" } th scope="col" { "State" } th scope="col" { "Schedule" } th scope="col" { "Next" } th scope="col" { "Last" } } }
                tbody { @for view in own.iter().take(VIEWS) {
                    tr {
                        td.name { (part::view_link(ask, &view.view)) }
                        td data-label="State" { (part::state(view.state)) }
                        td data-label="Schedule" {
                            @match (&view.schedule, view.target_lag_seconds) {
                                (Some(line), _) => { (words(line, &view.schedule_zone)) }
                                (None, Some(target)) => { "Before it is " (why::age_of(target)) " old" }
                                _ => {}
                            }
                        }
                        td data-label="Next" {
                            @match (&view.pause, &view.schedule, next_fire(view, ask.now)) {
                                (Some(_), ..) => { span.soft { "paused" } }
                                (None, Some(line), _) => { (nexts(ask, line, &view.schedule_zone)) }
                                (None, None, Some(at)) => { (part::ago(ask, at)) }
                                _ => { (part::nothing()) }
                            }
                        }
                        td data-label="Last" { (before(ask, last.get(&Subject::View(view.id)))) }
                    }
                } }
            }
        } }
    }
}

fn does(ask: &Ask, work: &Work) -> Markup {
    html! {
        @match work {
            Work::View(view) => { "refreshes " (part::view_link(ask, view)) }
            Work::Tag(tag) => { "refreshes what is tagged " span.tag { (part::short(tag, 40)) } }
            Work::Sql(sql) => { details.fold { summary { "runs SQL" } pre { code { (part::lines(sql)) } } } }
        }
    }
}

fn words(line: &str, zone: &str) -> Markup {
    let told = Schedule::parse(line, zone).map(|schedule| schedule.in_words());
    html! {
        div.tight {
            code { (part::short(line, 60)) }
            @match told {
                Ok(told) => { span.small.soft { (part::short(&told, 160)) } }
                Err(error) => { span.small.ink-bad { (part::short(&error.complaint().primary, 160)) } }
            }
        }
    }
}

/// The next firings, in UTC and in their zone; where the clocks change between two of them, that is said.
fn nexts(ask: &Ask, line: &str, zone: &str) -> Markup {
    let fires =
        Schedule::parse(line, zone).map(|schedule| schedule.next_fires(ask.now, NEXT)).unwrap_or_default();
    let there = schedule::zone(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let offset = |at: &Timestamp| there.to_offset(*at);
    let first = fires.first().map(offset);
    html! {
        @if let Some(next) = fires.first() {
            details.fold {
                summary { (part::ago(ask, *next)) ", " (next.to_zoned(there.clone()).strftime("%H:%M %Z").to_string()) }
                ul.small { @for fire in &fires {
                    li.nowrap {
                        (fire.strftime("%Y-%m-%d %H:%M UTC").to_string())
                        span.soft { " · " (fire.to_zoned(there.clone()).strftime("%a %H:%M %Z").to_string()) }
                        @if Some(offset(fire)) != first { b.ink-warn { " clocks have changed" } }
                    }
                } }
            }
        } @else { (part::nothing()) }
    }
}

fn before(ask: &Ask, last: Option<&LastFire>) -> Markup {
    html! {
        @match last {
            None => { (part::nothing()) }
            Some(last) => {
                div.tight.small {
                    span { (part::ago(ask, last.at)) ": " (last.outcome) @if let Some(reason) = &last.reason { " (" (part::short(reason, 60)) ")" } }
                    @if !last.runs.is_empty() {
                        span { @for (at, run) in last.runs.iter().take(4).enumerate() { @if at > 0 { ", " } a href=(ask.link(&format!("/runs/{}", run.id))) { (run.id) " " (run.status) } } }
                    }
                    @if last.missed > 0 { span.ink-warn { (text::count(last.missed.into())) " earlier times were missed" } }
                }
            }
        }
    }
}
